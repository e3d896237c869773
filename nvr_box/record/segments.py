"""The segments that exist: finished ones as rows, the one being written per camera in memory."""

import sqlite3
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from nvr_box.record import gop_index
from nvr_box.record.fmp4 import TIMESCALE, Fragment
from nvr_box.store import Store
from wire.base.errors import StoreError

_COLUMNS = "segment, camera, start_us, end_us, path, bytes, sha256, mime, gop_index, locked"


@dataclass(frozen=True)
class Segment:
    """A finished or growing file. `segment` is 0 while it grows."""

    segment: int
    camera: int
    start_us: int
    end_us: int
    path: str
    size: int
    sha256: bytes
    mime: str
    gop_blob: bytes
    locked: bool

    @cached_property
    def keys(self) -> tuple[tuple[int, int], ...]:
        """(time_90k, offset) of each key fragment."""
        return gop_index.unpack(self.gop_blob)

    def key_at(self, utc_us: int) -> tuple[int, int]:
        """The key fragment at or before `utc_us`, else the first.

        Raises:
            StoreError: the segment has no key frame, which recording never writes.
        """
        if not self.keys:
            raise StoreError(f"{self.path}: has no key frame in its index")
        ticks = (utc_us - self.start_us) * TIMESCALE // 1_000_000
        return next((key for key in reversed(self.keys) if key[0] <= ticks), self.keys[0])


@dataclass(slots=True)
class Growing:
    """The segment that a recorder is writing. The recorder's thread appends; others read what is there."""

    camera: int
    start_us: int
    path: str
    init: bytes
    mime: str
    fragments: list[Fragment] = field(default_factory=list)

    def snapshot(self) -> Segment | None:
        """What is written so far as a segment, None before the first fragment."""
        whole = tuple(self.fragments)
        if not whole:
            return None
        last = whole[-1]
        end_us = self.start_us + (last.time_90k + last.duration_90k) * 1_000_000 // TIMESCALE
        keys = gop_index.pack((each.time_90k, each.offset) for each in whole if each.key)
        size = last.offset + last.size
        return Segment(0, self.camera, self.start_us, end_us, self.path, size, b"", self.mime, keys, locked=False)


class Segments:
    """All segments under one folder. Queries belong to the event loop; `add` to any thread."""

    def __init__(self, store: Store, root: Path) -> None:
        self.root = root
        self.store = store
        self.growing: dict[int, Growing] = {}

    async def between(self, camera: int, start_us: int, end_us: int) -> tuple[Segment, ...]:
        """Segments that touch [start_us, end_us), by start, the growing one included."""
        sql = (
            f"SELECT {_COLUMNS} FROM segment WHERE camera = ? AND garbage = 0 AND start_us < ? AND end_us > ?"  # noqa: S608
            " ORDER BY start_us, segment"
        )
        growing = self.growing.get(camera)
        now = growing.snapshot() if growing else None
        rows = await self.store.read(lambda link: link.execute(sql, (camera, end_us, start_us)).fetchall())
        found = [_segment(row) for row in rows]
        if now and now.start_us < end_us and now.end_us > start_us and now.path not in {each.path for each in found}:
            found.append(now)
            found.sort(key=lambda each: each.start_us)
        return tuple(found)

    async def stretches(self, camera: int, start_us: int, end_us: int) -> list[tuple[int, int, bool]]:
        """(start, end, spared) of the segments that touch [start_us, end_us), by start; a month of them is cheap."""
        on_hold = (
            "EXISTS (SELECT 1 FROM hold WHERE hold.camera = segment.camera AND hold.lifted_us IS NULL"
            " AND hold.start_us < segment.end_us AND hold.end_us > segment.start_us)"
        )
        sql = (
            f"SELECT start_us, end_us, locked OR {on_hold} FROM segment"  # noqa: S608 - ours
            " WHERE camera = ? AND garbage = 0 AND start_us < ? AND end_us > ? ORDER BY start_us, segment"
        )
        growing = self.growing.get(camera)
        now = growing.snapshot() if growing else None
        rows = await self.store.read(lambda link: link.execute(sql, (camera, end_us, start_us)).fetchall())
        found = [(start, end, bool(locked)) for start, end, locked in rows]
        # A segment that was finished in between has its row already.
        fresh = now and now.start_us not in {start for start, _, _ in found}
        if now and fresh and now.start_us < end_us and now.end_us > start_us:
            found.append((now.start_us, now.end_us, False))
            found.sort(key=lambda each: each[0])
        return found

    async def mimes(self, camera: int) -> list[str]:
        """The types of its segments, each once, by their first appearance."""
        sql = "SELECT mime FROM segment WHERE camera = ? AND garbage = 0 GROUP BY mime ORDER BY min(start_us)"
        growing = self.growing.get(camera)
        found = await self.store.read(lambda link: [mime for (mime,) in link.execute(sql, (camera,))])
        return found + ([growing.mime] if growing else [])

    async def following(self, camera: int, after_us: int, known: str) -> Segment | None:
        """The next segment that ends after `after_us`, other than the one at path `known`; None when there is none."""
        sql = (
            f"SELECT {_COLUMNS} FROM segment WHERE camera = ? AND garbage = 0 AND end_us > ? AND path != ?"  # noqa: S608
            " ORDER BY start_us, segment LIMIT 1"
        )
        growing = self.growing.get(camera)
        now = growing.snapshot() if growing else None
        row = await self.store.read(lambda link: link.execute(sql, (camera, after_us, known)).fetchone())
        if row:
            return _segment(row)
        return now if now and now.end_us > after_us and now.path != known else None

    async def usage(self, camera: int) -> tuple[int, int | None]:
        """(bytes on disk, start of the oldest) of one camera."""
        sql = "SELECT coalesce(sum(bytes), 0), min(start_us) FROM segment WHERE camera = ? AND garbage = 0"
        size, oldest = await self.store.read(lambda link: link.execute(sql, (camera,)).fetchone())
        growing = self.growing.get(camera)
        now = growing.snapshot() if growing else None
        if now:
            size += now.size
            oldest = min(oldest or now.start_us, now.start_us)
        return size, oldest

    async def set_locked(self, camera: int, start_us: int, end_us: int, *, locked: bool) -> int:
        """Lock or unlock the finished segments that touch the range; returns how many."""
        sql = "UPDATE segment SET locked = ? WHERE camera = ? AND start_us < ? AND end_us > ? AND garbage = 0"
        return await self.store.write(lambda link: link.execute(sql, (locked, camera, end_us, start_us)).rowcount)

    def add(self, segment: Segment) -> None:
        """Write the row of a file that is already durable; returns when the row is.

        Raises:
            StoreError: the database refused; the file is then found again at the next start.
        """
        self.store.submit(lambda link: insert(link, segment)).result()


def insert(link: sqlite3.Connection, segment: Segment) -> None:
    """The row of `segment`."""
    link.execute(
        "INSERT INTO segment (camera, start_us, end_us, path, bytes, sha256, mime, gop_index, locked)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            segment.camera,
            segment.start_us,
            segment.end_us,
            segment.path,
            segment.size,
            segment.sha256,
            segment.mime,
            segment.gop_blob,
            int(segment.locked),
        ),
    )


def _segment(row: tuple[int, int, int, int, str, int, bytes, str, bytes, int]) -> Segment:
    number, camera, start_us, end_us, path, size, sha256, mime, blob, locked = row
    return Segment(number, camera, start_us, end_us, path, size, sha256, mime, blob, bool(locked))
