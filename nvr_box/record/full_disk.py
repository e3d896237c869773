"""The recordings' disk: what is owed to its floor (`nvr_box/record/room.py`), and room on a full one, within a moment.

A full disk refuses the database as well, so there a file goes first: it is renamed to `START_US.gone` and emptied, and
the row follows as soon as the database can be written. After a crash in between the name says what happened
(`nvr_box/record/crash_recovery.py`).
"""

import json
import logging
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from base.errors import StoreError
from nvr_box.config import RecordConfig
from nvr_box.db import facts
from nvr_box.db import retention as rows
from nvr_box.db.database import Store
from nvr_box.db.link import Link
from nvr_box.db.retention import Rows
from nvr_box.notices import Notice
from nvr_box.record import room
from nvr_box.record.room import MIB, Disk, Victim
from nvr_box.record.segments import Segments
from nvr_box.record.sightings import SUFFIX

log = logging.getLogger(__name__)
GONE = ".gone"
_FACT = "space"
_HOUR_US = 3_600_000_000
_AHEAD = 64
_ALMOST = 16 * MIB
_SMALL = 64
# Other data that took less than this part of the floor is not worth a notice.
_NOTED = 8
_ASK_S = 2.0


class FullDisk:
    """One box's. `make_room` and `notices` may be called from any thread."""

    def __init__(self, store: Store, segments: Segments, config: RecordConfig) -> None:
        self._store, self._segments, self._root = store, segments, segments.root
        self._floor = config.keep_free_mib * MIB
        self._least_us = int(config.keep_least_hours * _HOUR_US)
        self._lock = threading.Lock()
        self._others_before: int | None = None
        self._loaded = False
        self._others = 0
        self._refused = ""
        # As of the last look, for when the database cannot be read.
        self._victims: list[Victim] = []
        self._spans_us: dict[int, int] = {}
        self._ours = self._ours_before = self._written = 0
        self._emptied: dict[int, str] = {}

    def almost(self) -> bool:
        """Whether the database may have no room to write."""
        usage = shutil.disk_usage(self._root)
        # Of a small disk so much may be free for ever.
        return usage.free < min(_ALMOST, usage.total // _SMALL)

    async def owed(self) -> int:
        """How many bytes the recordings owe to the floor now."""
        if not self._loaded:
            said = await self._store.read(lambda link: facts.get(link, _FACT))
            self._others_before = json.loads(said)["others"] if said else None
            self._loaded = True
        disk = self._disk(await self._store.read(rows.recorded_bytes))
        found = room.owed(disk, self._others_before, self._floor)
        if found.others_before != self._others_before:
            value = json.dumps({"others": found.others_before})
            with suppress(StoreError):  # a full disk; the next look finds the same
                await self._store.write(lambda link: facts.save(link, _FACT, value))
        self._others_before, self._others = found.others_before, found.others
        self._refused = ""
        return found.bytes

    def owing(self, link: Link, owed: int) -> list[Victim]:
        """The oldest segments that pay `owed` bytes without going below the least span of their camera."""
        spans_us, victims = _oldest(link)
        chosen: list[Victim] = []
        for each in victims:
            if owed <= 0:
                break
            if not room.spared(each, spans_us[each.camera], self._least_us):
                chosen.append(each)
                spans_us[each.camera] -= each.span_us
                owed -= each.bytes
        if not chosen:
            self._refused = "least"
        return chosen

    async def remember(self) -> None:
        """Look at what could go next, and forget the rows of what went without the database."""
        emptied = list(self._emptied.items())
        if emptied:
            await self._store.write(lambda link: rows.remove(link, emptied))
            self._forget(emptied)
        ours = await self._store.read(rows.recorded_bytes)
        spans_us, victims = await self._store.read(_oldest)
        disk = self._disk(ours)
        with self._lock:
            self._victims, self._spans_us = victims, spans_us
            self._ours, self._written = disk.ours, self._segments.written_bytes
            if not self._ours_before or not self.almost():
                self._ours_before = disk.ours

    def make_room(self) -> bool:
        """Empty the oldest segment that may go, at once; False if there is none."""
        with self._lock:
            self._look_again()
            written = self._segments.written_bytes
            ours = self._ours + written - self._written
            for each in tuple(self._victims):
                replaced = room.replaces(ours, self._ours_before)
                if not replaced and room.spared(each, self._spans_us.get(each.camera, 0), self._least_us):
                    continue
                self._victims.remove(each)
                if not self._loose(each) or not self._empty(each):
                    continue
                self._ours -= each.bytes
                self._spans_us[each.camera] = self._spans_us.get(each.camera, 0) - each.span_us
                self._refused = ""
                log.warning("the disk is full: the oldest segment (%s) was removed to go on recording", each.path)
                return True
            if room.replaces(ours, self._ours_before):
                # Whatever has a row is gone or kept: what waits for its row is the oldest then.
                size = self._segments.give_up()
                self._ours -= size
                if size:
                    return True
            self._refused = "full"
            return False

    def notices(self) -> Iterator[Notice]:
        """What people have to do about the disk."""
        free = self._free() / MIB
        has = f"{free:,.0f} MiB are free on the disk of the recordings, {self._floor // MIB:,} MiB should be"
        if self._refused == "full":
            yield Notice(
                "space", "The disk of the recordings is full, and nothing that is on it may be removed: recording"
                " stands still. Make room on the disk."
            )  # fmt: skip
        elif self._others > self._floor // _NOTED:
            yield Notice(
                "space", f"{has}: other data has taken {self._others / MIB:,.0f} MiB of it. No recording is removed for"
                " that. Make room on the disk."
            )  # fmt: skip
        elif self._refused == "least":
            yield Notice(
                "space", f"{has}. What is recorded is no longer than the least span of"
                f" {self._least_us / _HOUR_US:,.0f} hours per camera, so nothing more is removed. Make room on the"
                " disk, or lower keep_least_hours."
            )  # fmt: skip

    def _look_again(self) -> None:
        """The list is used up, or was never made."""
        if self._victims:
            return
        try:
            self._spans_us, self._victims = self._store.ask(_oldest).result(_ASK_S)
            if not self._ours:
                self._ours = self._disk(self._store.ask(rows.recorded_bytes).result(_ASK_S)).ours
                self._written = self._segments.written_bytes
                self._ours_before = self._ours
        except (StoreError, TimeoutError) as error:
            log.warning("the disk is full, and the database cannot say what may be removed: %s", error)
        self._victims = [each for each in self._victims if each.segment not in self._emptied]

    def _loose(self, victim: Victim) -> bool:
        """Whether it may still go. A database that cannot be read cannot have taken a lock meanwhile either."""
        try:
            return self._store.ask(lambda link: rows.is_loose(link, victim.segment)).result(_ASK_S)
        except (StoreError, TimeoutError):
            return True

    def _empty(self, victim: Victim) -> bool:
        file = self._root / victim.path
        gone = file.with_suffix(GONE)
        try:
            with suppress(OSError):  # a file system may be too full even for another name
                file.rename(gone)
            if gone.exists():
                with gone.open("r+b") as handle:
                    handle.truncate(0)
            else:
                file.unlink()
            file.with_suffix(SUFFIX).unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s: cannot be removed: %s", victim.path, error.strerror)
            return False
        self._emptied[victim.segment] = victim.path
        emptied = [(victim.segment, victim.path)]
        deleted = self._store.submit(lambda link: rows.remove(link, emptied))
        # What is refused now, `remember` does.
        deleted.add_done_callback(lambda done: None if done.exception() else self._forget(emptied))
        return True

    def _forget(self, emptied: Rows) -> None:
        """Their rows are gone."""
        for segment, path in emptied:
            (self._root / path).with_suffix(GONE).unlink(missing_ok=True)
            self._emptied.pop(segment, None)

    def _disk(self, recorded: int) -> Disk:
        usage = shutil.disk_usage(self._root)
        written = sum(each.fragments[-1].offset for each in self._segments.growing.values() if each.fragments)
        files = (self._store.path.with_name(self._store.path.name + end) for end in ("", "-wal", "-shm"))
        ours = recorded + written + sum(_size(each) for each in files)
        return Disk(usage.free, ours, usage.used - ours)

    def _free(self) -> int:
        return shutil.disk_usage(self._root).free


def oldest(link: Link, camera: int, count: int) -> list[Victim]:
    """The segments of a camera that go first."""
    return [Victim(*row) for row in rows.oldest(link, camera, count)]


def _oldest(link: Link) -> tuple[dict[int, int], list[Victim]]:
    """Recorded time by camera, and the segments that go first, oldest first."""
    spans_us = rows.spans_us(link)
    victims = sorted(each for camera in spans_us for each in oldest(link, camera, _AHEAD))
    return spans_us, victims


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
