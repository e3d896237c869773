"""Letting recordings go: by age, by each camera's term and share of the disk, by the free-space floor; oldest first.

A segment goes in the order that a crash cannot turn into a lie: row marked as garbage → unlink → fsync of the
folder → row deleted. What is locked or on legal hold is spared by every rule (the view `loose`).
"""

import logging
import shutil
import sqlite3
from pathlib import Path

from nvr_box.clock import utc_us
from nvr_box.config import RecordConfig
from nvr_box.record.segment_file import sync_folder
from nvr_box.record.sightings import SUFFIX
from nvr_box.store import Store

log = logging.getLogger(__name__)
_DAY_US = 86_400_000_000
_MIB = 1 << 20
_BATCH = 64
_LONGEST_PASSAGE_US = _COUNTED_ANEW_US = 3_600_000_000


class Retention:
    """The rules of one box over one folder."""

    def __init__(self, store: Store, root: Path, config: RecordConfig) -> None:
        self._store, self._root, self._config = store, root, config
        self._best_shots: dict[int, int] = {}
        self._counted_us = 0

    async def sweep(self) -> int:
        """Apply every rule once; returns how many segments went."""
        gone = await self._store.write(self._finish)
        for choose in (self._too_old, self._past_its_term, self._over_quota, self._under_floor):
            while victims := await self._store.write(choose):
                await self._store.write(lambda link, victims=victims: self._remove(link, victims))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
                gone += len(victims)
        if gone:
            log.info("retention removed %d segments", gone)
        return gone

    def make_room(self) -> bool:
        """From a recorder's thread, on a full disk: remove the oldest unlocked segment now; False if there is none."""
        victims = self._store.submit(lambda link: _mark(link, _oldest(link, 1))).result()
        if victims:
            self._store.submit(lambda link: self._remove(link, victims)).result()
            log.warning("the disk is full: the oldest segment (%s) was removed to go on recording", victims[0][1])
        return bool(victims)

    def _finish(self, link: sqlite3.Connection) -> int:
        """Remove what was marked but not removed: after a camera was deleted with its recordings."""
        marked = link.execute("SELECT segment, path FROM segment WHERE garbage = 1").fetchall()
        self._remove(link, marked)
        return len(marked)

    def _too_old(self, link: sqlite3.Connection) -> list[tuple[int, str]]:
        if not self._config.keep_days:
            return []
        before = utc_us() - int(self._config.keep_days * _DAY_US)
        sql = "SELECT segment, path FROM loose WHERE end_us < ? LIMIT ?"
        # What was seen and told during kept evidence is kept with it, best shots and all.
        for table, first, last in (("packet", "first_us", "last_us"), ("event", "utc_us", "utc_us")):
            link.execute(
                f"DELETE FROM {table} WHERE {last} < ? AND NOT EXISTS (SELECT 1 FROM segment"  # noqa: S608
                f" WHERE segment.camera = {table}.camera AND start_us <= {table}.{last} AND end_us >= {table}.{first}"
                " AND garbage = 0 AND segment NOT IN (SELECT segment FROM loose WHERE end_us < ?))",
                (before, before),
            )
        return _mark(link, link.execute(sql, (before, _BATCH)).fetchall())

    def _past_its_term(self, link: sqlite3.Connection) -> list[tuple[int, str]]:
        """Older than what was set for its recording."""
        sql = (
            "SELECT segment, path FROM loose JOIN keep USING (camera)"
            " WHERE end_us < ? - keep_s * 1000000 LIMIT ?"
        )
        return _mark(link, link.execute(sql, (utc_us(), _BATCH)).fetchall())

    def _over_quota(self, link: sqlite3.Connection) -> list[tuple[int, str]]:
        if not self._config.keep_mib_per_camera:
            return []
        sql = "SELECT camera, sum(bytes) FROM segment WHERE garbage = 0 GROUP BY camera"
        victims: list[tuple[int, str]] = []
        limit = self._config.keep_mib_per_camera * _MIB
        best_shots = self._bytes_of_best_shots(link)
        for camera, held in link.execute(sql).fetchall():
            oldest = "SELECT segment, path, bytes FROM loose WHERE camera = ?"
            over = held + best_shots.get(camera, 0) - limit
            for segment, path, size in link.execute(f"{oldest} ORDER BY start_us LIMIT ?", (camera, _BATCH)).fetchall():
                if over <= 0:
                    break
                victims.append((segment, path))
                over -= size
        return _mark(link, victims)

    def _bytes_of_best_shots(self, link: sqlite3.Connection) -> dict[int, int]:
        """By camera. They are less than a hundredth of what video takes, so they are not counted anew every time."""
        if utc_us() - self._counted_us > _COUNTED_ANEW_US:
            sql = "SELECT camera, sum(length(jpeg)) FROM best_shot JOIN packet USING (packet) GROUP BY camera"
            self._best_shots, self._counted_us = dict(link.execute(sql).fetchall()), utc_us()
        return self._best_shots

    def _under_floor(self, link: sqlite3.Connection) -> list[tuple[int, str]]:
        if shutil.disk_usage(self._root).free >= self._config.keep_free_mib * _MIB:
            return []
        return _mark(link, _oldest(link, 4))

    def _remove(self, link: sqlite3.Connection, victims: list[tuple[int, str]]) -> None:
        folders = set()
        for _, path in victims:
            file = self._root / path
            file.unlink(missing_ok=True)
            file.with_suffix(SUFFIX).unlink(missing_ok=True)
            folders.add(file.parent)
        for folder in folders:
            if folder.exists():
                sync_folder(folder)
        _forget_best_shots(link, [segment for segment, _ in victims])
        link.executemany("DELETE FROM segment WHERE segment = ?", [(segment,) for segment, _ in victims])


def _forget_best_shots(link: sqlite3.Connection, victims: list[int]) -> None:
    """Best shots go with the video of their time: an original is not kept longer in one than in the other."""
    numbers = ",".join(map(str, victims))
    span = f"SELECT camera, min(start_us), max(end_us) FROM segment WHERE segment IN ({numbers}) GROUP BY camera"  # noqa: S608
    shots = (
        "DELETE FROM best_shot WHERE packet IN (SELECT packet FROM packet WHERE camera = :camera AND first_us > :before"
        " AND first_us < :end AND last_us >= :start AND NOT EXISTS (SELECT 1 FROM segment WHERE camera = packet.camera"
        " AND garbage = 0 AND start_us <= packet.last_us AND end_us >= packet.first_us))"
    )
    for camera, start, end in link.execute(span).fetchall():
        link.execute(shots, {"camera": camera, "start": start, "end": end, "before": start - _LONGEST_PASSAGE_US})


def _oldest(link: sqlite3.Connection, count: int) -> list[tuple[int, str]]:
    sql = "SELECT segment, path FROM loose ORDER BY start_us LIMIT ?"
    return link.execute(sql, (count,)).fetchall()


def _mark(link: sqlite3.Connection, victims: list[tuple[int, str]]) -> list[tuple[int, str]]:
    link.executemany("UPDATE segment SET garbage = 1 WHERE segment = ?", [(segment,) for segment, _ in victims])
    return victims
