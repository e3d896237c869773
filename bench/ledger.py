"""What a box had committed before a fault, and whether it is all there after it.

Committed is what is in a finished segment, and the whole fragments of the one that was being written when its process
was killed. Read from the box's files and its database, as another process beside the box would.
"""

import contextlib
import hashlib
import io
import sqlite3
import time
from dataclasses import dataclass
from itertools import pairwise

import av

from base.errors import WireError
from nvr_box.maintenance import check
from nvr_box.record import fmp4


@dataclass(frozen=True)
class Kept:
    """A segment with what is in it; `number` is 0 for one that was being written."""

    number: int
    path: str
    size: int
    sha256: bytes
    units: int


class Ledger:
    """Of one box in `state` with one camera."""

    def __init__(self, state):
        self._state, self._root = state, state / "recordings"
        self.kept, self.spans, self.packets = {}, {}, set()
        self.lost_units = self.made_room = 0
        self.lost_packets_allowed = set()
        self.offsets_us = {0}
        self._began_us = time.time_ns() // 1000
        self._last = 0

    @contextlib.contextmanager
    def _database(self):
        with contextlib.closing(sqlite3.connect(f"file:{self._state}/box.db?mode=ro", uri=True, timeout=60)) as link:
            yield link

    def note(self):
        """Remember what is committed now."""
        with self._database() as link:
            rows = link.execute(
                "SELECT segment, path, bytes, sha256, start_us, end_us FROM segment WHERE garbage = 0 AND segment > ?"
                " ORDER BY segment", (self._last,),
            ).fetchall()  # fmt: skip
            self.packets.update(link.execute("SELECT hex(camera_id), sequence FROM packet"))
        for number, path, size, sha256, start_us, end_us in rows:
            with contextlib.suppress(FileNotFoundError):
                self.kept[path] = Kept(number, path, size, sha256, units_of((self._root / path).read_bytes()))
                self.spans[path] = (start_us, end_us)
            self._last = number

    def note_growing(self):
        """Of a box that was killed a moment ago: the whole fragments without a row are committed as well."""
        self.note()
        for file in self._root.rglob("*.mp4"):
            path = str(file.relative_to(self._root))
            if path not in self.kept:
                data = file.read_bytes()
                whole = whole_of(data)
                if whole:
                    sha256 = hashlib.sha256(data[:whole]).digest()
                    self.kept[path] = Kept(0, path, whole, sha256, units_of(data[:whole]))

    def verify(self, *, room=False):
        """Compare; `room` says that the oldest may have gone to make room. Returns access units lost now."""
        gone, lost = [], 0
        with self._database() as link:
            rows = {path for (path,) in link.execute("SELECT path FROM segment WHERE garbage = 0")}
            here = set(link.execute("SELECT hex(camera_id), sequence FROM packet"))
        for each in list(self.kept.values()):
            file = self._root / each.path
            try:
                data = file.read_bytes()
            except FileNotFoundError:
                gone.append(each)
                continue
            there = data if each.number else data[: each.size]
            if len(there) != each.size or hashlib.sha256(there).digest() != each.sha256:
                lost += max(1, each.units - units_of(there))
            elif each.path not in rows and each.number:
                lost += each.units
        # To make room on a full disk the oldest go, one after another.
        oldest = sorted(self.kept.values(), key=lambda each: self._true(self.spans.get(each.path, (1 << 60, 0))))
        if room and gone and {each.path for each in oldest[: len(gone)]} == {each.path for each in gone}:
            self.made_room += len(gone)
            self.lost_packets_allowed |= self.packets - here
        else:
            lost += sum(each.units for each in gone)
        for each in gone:
            del self.kept[each.path]
        self.lost_units += lost
        return lost

    def settled(self):
        """Whether every file but the newest two of those with a start has its row."""
        with self._database() as link:
            rows = {path for (path,) in link.execute("SELECT path FROM segment")}
        return all(each.path in rows for each in self.kept.values())

    def duplicates(self):
        """Packets that are there twice: by their number, or the same passage under another."""
        with self._database() as link:
            (by_number,) = link.execute(
                "SELECT coalesce(sum(n - 1), 0) FROM (SELECT count(*) AS n FROM packet GROUP BY camera_id, sequence)"
            ).fetchone()
            (by_content,) = link.execute(
                "SELECT coalesce(sum(n - 1), 0) FROM (SELECT count(*) AS n FROM packet"
                " GROUP BY camera_id, track, first_us, best_us, last_us, code)"
            ).fetchone()
        return max(by_number, by_content)

    def findings(self):
        """What `check` says, without reading every recording."""
        try:
            with self._database() as link:
                return list(check.findings(link, self._state, hashes=False))
        except sqlite3.Error as error:
            return [f"database: {error}"]

    def gaps(self, margin_s=0.1):
        """(true time of its begin in seconds, length in seconds) of every hole of the recordings."""
        true = sorted(self._true(span) for span in self.spans.values())
        return [(a[1] / 1e6, (b[0] - a[1]) / 1e6) for a, b in pairwise(true) if b[0] - a[1] > margin_s * 1e6]

    def _true(self, span):
        """By the machine's clock, whatever the box's was set to."""
        now_us = time.time_ns() // 1000
        middle = (self._began_us + now_us) // 2
        offset_us = min(self.offsets_us, key=lambda offset: abs(span[0] - offset - middle))
        return span[0] - offset_us, span[1] - offset_us

    def decode(self):
        """(pictures decoded, access units) of all that is there."""
        pictures = units = 0
        for each in self.kept.values():
            with av.open(str(self._root / each.path)) as file:
                pictures += sum(1 for _ in file.decode(video=0))
            units += units_of((self._root / each.path).read_bytes())
        return pictures, units

    def lost_packets(self, outbox):
        """How many packets the camera counts as delivered that are not at the box."""
        with self._database() as link:
            rows = link.execute("SELECT hex(camera_id), sequence FROM packet").fetchall()
        if not rows:
            return 0
        with contextlib.closing(sqlite3.connect(f"file:{outbox}?mode=ro", uri=True)) as link:
            waiting = {sequence for (sequence,) in link.execute("SELECT sequence FROM packet")}
            (last,) = link.execute("SELECT seq FROM sqlite_sequence WHERE name = 'packet'").fetchone()
        there = {sequence for _, sequence in rows}
        allowed = {sequence for _, sequence in self.lost_packets_allowed}
        return len(set(range(min(there), last + 1)) - there - waiting - allowed)


def whole_of(data):
    """Bytes up to the end of the last whole fragment."""
    try:
        found = list(fmp4.fragments(data, fmp4.init_size(data)))
    except WireError:
        return 0
    return found[-1].offset + found[-1].size if found else 0


def units_of(data):
    """Access units in a file of fragments."""
    try:
        with av.open(io.BytesIO(data)) as file:
            return sum(1 for packet in file.demux(video=0) if packet.size)
    except av.FFmpegError:
        return 0
