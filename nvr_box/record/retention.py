"""Letting recordings go: by age, by each camera's term and share of the disk, by the free-space floor; oldest first.

A segment goes in the order that a crash cannot turn into a lie: row marked as garbage → unlink → fsync of the
folder → row deleted; each in a small step of its own, so that no writer waits long for the database. What is locked or
on legal hold is spared by every rule (the view `loose`). What goes by age goes by a clock that is believed, or not at
all.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from base.clock import utc_us
from nvr_box.config import RecordConfig
from nvr_box.db import retention as rows
from nvr_box.db.database import Store
from nvr_box.db.link import Link
from nvr_box.db.retention import Rows
from nvr_box.notices import Notice
from nvr_box.record.full_disk import FullDisk, oldest
from nvr_box.record.room import MIB
from nvr_box.record.segment_file import sync_folder
from nvr_box.record.segments import Segments
from nvr_box.record.sightings import SUFFIX

log = logging.getLogger(__name__)
_DAY_US = 86_400_000_000
_BATCH = 64
_ROWS = 256


class Retention:
    """The rules of one box over one folder.

    Args:
        now_us: UTC, None while the clock is in doubt: then nothing goes by age.
    """

    def __init__(
        self,
        store: Store,
        segments: Segments | Path,
        config: RecordConfig,
        now_us: Callable[[], int | None] = utc_us,
    ) -> None:
        segments = Segments(store, segments) if isinstance(segments, Path) else segments
        self._store, self._root, self._config, self._now_us = store, segments.root, config, now_us
        self._full = FullDisk(store, segments, config)

    async def sweep(self) -> int:
        """Apply every rule once; returns how many segments went."""
        if await asyncio.to_thread(self._full.almost):
            # The database could not even mark what is to go.
            await asyncio.to_thread(self._full.make_room)
        # What was marked but not removed: after a camera was deleted with its recordings.
        gone = await self._all(lambda link: rows.marked(link, _BATCH))
        for choose in (self._too_old, self._past_its_term, self._over_quota):
            gone += await self._all(choose)
        gone += await self._under_floor()
        await self._forget()
        await self._full.remember()
        if gone:
            log.info("retention removed %d segments", gone)
        return gone

    def make_room(self) -> bool:
        """From a recorder's thread, on a full disk: remove the oldest segment that may go; False if there is none."""
        return self._full.make_room()

    def notices(self) -> Iterator[Notice]:
        """What is wrong with the disk."""
        return self._full.notices()

    async def _all(self, choose: Callable[[Link], Rows]) -> int:
        gone = 0
        while victims := await self._store.write(choose):
            await self._remove(victims)
            gone += len(victims)
        return gone

    def _too_old(self, link: Link) -> Rows:
        before = self._oldest_us()
        if before is None:
            return []
        return rows.mark(link, rows.older_than(link, before, _BATCH))

    def _oldest_us(self) -> int | None:
        now_us = self._now_us()
        return now_us - int(self._config.keep_days * _DAY_US) if self._config.keep_days and now_us is not None else None

    def _past_its_term(self, link: Link) -> Rows:
        """Older than what was set for its recording."""
        now_us = self._now_us()
        if now_us is None:
            return []
        return rows.mark(link, rows.past_their_term(link, now_us, _BATCH))

    def _over_quota(self, link: Link) -> Rows:
        if not self._config.keep_mib_per_camera:
            return []
        victims: Rows = []
        limit = self._config.keep_mib_per_camera * MIB
        for camera, held in rows.bytes_by_camera(link):
            over = held - limit
            for each in oldest(link, camera, _BATCH) if over > 0 else ():
                if over <= 0:
                    break
                victims.append((each.segment, each.path))
                over -= each.bytes
        return rows.mark(link, victims)

    async def _under_floor(self) -> int:
        gone, owed = 0, await self._full.owed()
        while owed > 0:
            chosen = await self._store.read(lambda link, owed=owed: self._full.owing(link, owed))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            if not chosen:
                break
            victims = [(each.segment, each.path) for each in chosen]
            await self._remove(await self._store.write(lambda link, victims=victims: rows.mark(link, victims)))  # type: ignore[misc]  # as above
            owed -= sum(each.bytes for each in chosen)
            gone += len(chosen)
        return gone

    async def _remove(self, victims: Rows) -> None:
        await asyncio.to_thread(_unlink, self._root, [path for _, path in victims])
        await self._store.write(lambda link: rows.remove(link, victims))

    async def _forget(self) -> None:
        """Sightings and events during kept evidence is kept with it, best shots and all; the rest goes with age."""
        before = self._oldest_us()
        if before is None:
            return
        for forget in (rows.forget_packets, rows.forget_events):
            count = _ROWS
            while count == _ROWS:
                count = await self._store.write(lambda link, forget=forget: forget(link, before, _ROWS))  # type: ignore[misc]  # as above


def _unlink(root: Path, paths: list[str]) -> None:
    folders = set()
    for path in paths:
        file = root / path
        file.unlink(missing_ok=True)
        file.with_suffix(SUFFIX).unlink(missing_ok=True)
        folders.add(file.parent)
    for folder in folders:
        if folder.exists():
            sync_folder(folder)
