"""The segments that exist: finished ones as rows, the one being written per camera in memory."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from base.errors import StoreError
from nvr_box.db import holds as hold_rows
from nvr_box.db import segments as segment_rows
from nvr_box.db.database import Store
from nvr_box.db.link import Link
from nvr_box.record import gop_index
from nvr_box.record.fmp4 import TIMESCALE, Fragment
from nvr_box.record.sightings import SUFFIX

log = logging.getLogger(__name__)
_LATE_S = 10.0


@dataclass(frozen=True)
class Segment:
    """A finished or growing file. `segment` is 0 while it grows, or as long as the database did not take its row.

    Attributes:
        seen_bytes: of the file of sightings beside it, where it is known.
        clock_error_us: by how much the box's clock was doubted when it was written.
    """

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
    seen_bytes: int = 0
    clock_error_us: int = 0

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
    """All segments under one folder. Queries belong to the event loop; what a recorder calls to any thread.

    Args:
        error_us: by how much the box's clock was off when it said this a moment ago.
        error_before_us: the same of what it said before the box was started.
    """

    def __init__(
        self,
        store: Store,
        root: Path,
        error_us: Callable[[int], int] = lambda _at_us: 0,
        error_before_us: Callable[[int], int] = lambda _at_us: 0,
    ) -> None:
        self.error_before_us = error_before_us
        self.root = root
        self.store = store
        self.growing: dict[int, Growing] = {}
        self._error_us = error_us
        # Finished, but not in the database yet: it may be busy, locked, full or damaged, and a recorder never waits.
        self._waiting: dict[str, Segment] = {}
        self._open: set[str] = set()
        self._opening = threading.Lock()
        self._left: list[str] = []
        self._changed = threading.Condition()
        self._writing = False
        self._added_bytes = 0
        self._waiting_since_s: float | None = None

    async def between(self, camera: int, start_us: int, end_us: int) -> tuple[Segment, ...]:
        """Segments that touch [start_us, end_us), by start, the growing one included."""
        fresh = [each for each in self._unwritten(camera) if each.start_us < end_us and each.end_us > start_us]
        rows = await self.store.read(lambda link: segment_rows.between(link, camera, start_us, end_us))
        found = [_segment(row) for row in rows]
        known = {each.path for each in found}
        found += [each for each in fresh if each.path not in known]
        return tuple(sorted(found, key=lambda each: each.start_us) if fresh else found)

    async def stretches(self, camera: int, start_us: int, end_us: int) -> list[tuple[int, int, bool]]:
        """(start, end, spared) of the segments that touch [start_us, end_us), by start; a month of them is cheap."""
        fresh = [each for each in self._unwritten(camera) if each.start_us < end_us and each.end_us > start_us]
        rows, held = await self.store.read(
            lambda link: (
                segment_rows.stretches(link, camera, start_us, end_us),
                hold_rows.ranges(link, camera, start_us, end_us),
            )
        )
        found: list[tuple[int, int, bool]] = rows if not held else [
            (start, end, locked or any(first < end and last > start for first, last in held))
            for start, end, locked in rows
        ]  # fmt: skip
        # A segment that was finished in between has its row already.
        known = {start for start, _, _ in found} if fresh else ()
        fresh = [each for each in fresh if each.start_us not in known]
        if fresh:
            found = sorted([*found, *((each.start_us, each.end_us, each.locked) for each in fresh)])
        return found

    async def mimes(self, camera: int) -> list[str]:
        """The types of its segments, each once, by their first appearance."""
        fresh = [each.mime for each in self._unwritten(camera)]
        found = await self.store.read(lambda link: segment_rows.mimes(link, camera))
        return list(dict.fromkeys(found + fresh))

    async def following(self, camera: int, after_us: int, known: str) -> Segment | None:
        """The next segment that ends after `after_us`, other than the one at path `known`; None when there is none."""
        fresh = [each for each in self._unwritten(camera) if each.end_us > after_us and each.path != known]
        row = await self.store.read(lambda link: segment_rows.following(link, camera, after_us, known))
        found = [_segment(row)] if row else []
        return min(found + fresh, key=lambda each: each.start_us, default=None)

    async def usage(self, camera: int) -> tuple[int, int | None]:
        """(bytes on disk, start of the oldest) of one camera."""
        fresh = self._unwritten(camera)
        size, oldest = await self.store.read(lambda link: segment_rows.size_and_oldest(link, camera))
        for each in fresh:
            size += each.size
            oldest = min(oldest or each.start_us, each.start_us)
        return size, oldest

    async def set_locked(self, camera: int, start_us: int, end_us: int, *, locked: bool) -> int:
        """Lock or unlock the finished segments that touch the range; returns how many."""

        def change(link: Link) -> int:
            count = segment_rows.set_locked(link, camera, start_us, end_us, locked=locked)
            with self._changed:
                for path, each in self._waiting.items():
                    if each.camera == camera and each.start_us < end_us and each.end_us > start_us:
                        self._waiting[path] = replace(each, locked=locked)
                        count += 1
            return count

        return await self.store.write(change)

    @contextmanager
    def opening(self) -> Iterator[set[str]]:
        """While a file is created, or files are looked for: the paths of those that are being written or wait."""
        with self._opening:
            yield self._open

    def add(self, segment: Segment) -> None:
        """A file that is already durable: its row waits here until the database takes it."""
        segment = replace(segment, clock_error_us=self._error_us(segment.end_us))
        with self._changed:
            self._waiting[segment.path] = segment
            if self._waiting_since_s is None:
                self._waiting_since_s = time.monotonic()
            self._added_bytes += segment.size
        self.flush()

    def drop(self, path: str, *, left: bool = False) -> None:
        """A file that was being written is gone, or (`left`) could not be finished and waits for `salvage`."""
        self._open.discard(path)
        if left:
            self._left.append(path)

    def claim_left(self) -> list[str]:
        """The files that could not be finished, each once."""
        left, self._left = self._left, []
        return left

    def give_up(self) -> int:
        """On a full disk whose database takes no rows: remove the oldest segment that waits for its; its size, or 0."""
        with self._changed:
            oldest = next((each for each in self._waiting.values() if not each.locked), None)
            if oldest is None:
                return 0
            del self._waiting[oldest.path]
        for suffix in (".mp4", SUFFIX):
            (self.root / oldest.path).with_suffix(suffix).unlink(missing_ok=True)
        self._open.discard(oldest.path)
        log.warning("the disk is full: %s, which had no row yet, was removed to go on recording", oldest.path)
        return oldest.size

    def flush(self) -> None:
        """Hand the rows that wait to the database, unless that is being done."""
        with self._changed:
            if self._writing or not self._waiting:
                return
            rows, self._writing = list(self._waiting.values()), True

        def change(link: Link) -> None:
            for each in rows:
                insert(link, each)

        try:
            written = self.store.submit(change)
        except RuntimeError:  # the box ends: the next start finds the files
            self._writing = False
            return
        written.add_done_callback(lambda done: self._wrote(rows, done.exception()))

    def wait_stored(self, timeout_s: float) -> bool:
        """Wait until every row is in the database; whether they are."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting, timeout_s)

    @property
    def waiting(self) -> int:
        """How many finished segments have no row yet."""
        return len(self._waiting)

    @property
    def late(self) -> bool:
        """Whether rows wait for longer than a busy database explains."""
        since = self._waiting_since_s
        return since is not None and time.monotonic() - since > _LATE_S

    @property
    def written_bytes(self) -> int:
        """By recorders since the start."""
        with self._changed:
            growing = [each.fragments for each in self.growing.values() if each.fragments]
            return self._added_bytes + sum(whole[-1].offset + whole[-1].size for whole in growing)

    def _wrote(self, rows: list[Segment], error: BaseException | None) -> None:
        """On the writer's thread."""
        with self._changed:
            self._writing = False
            if error is None:
                gone = [each.path for each in rows if each.path not in self._waiting]
                for each in rows:
                    self._open.discard(each.path)
                    if self._waiting.get(each.path) == each:
                        del self._waiting[each.path]
                self._waiting_since_s = time.monotonic() if self._waiting else None
                self._changed.notify_all()
        if error is None:
            if gone:  # given up while the database took them
                self.store.submit(lambda link: segment_rows.remove_paths(link, gone))
            self.flush()
        else:
            log.warning("%d finished segments wait for their rows: %s", len(rows), error)

    def _unwritten(self, camera: int) -> list[Segment]:
        """What has no row yet, the growing segment last."""
        growing = self.growing.get(camera)
        now = growing.snapshot() if growing else None
        with self._changed:
            found = [each for each in self._waiting.values() if each.camera == camera]
        if now and now.path not in {each.path for each in found}:
            found.append(now)
        return found


def insert(link: Link, segment: Segment) -> None:
    """The row of `segment`; of a path that has one already only the lock changes."""
    segment_rows.add(
        link,
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
            segment.seen_bytes,
            segment.clock_error_us,
        ),
    )


def _segment(row: segment_rows.Row) -> Segment:
    number, camera, start_us, end_us, path, size, sha256, mime, blob, locked = row
    return Segment(number, camera, start_us, end_us, path, size, sha256, mime, blob, bool(locked))
