"""What goes on by itself beside the cameras: retention, destroying old keys, rows that waited, other programs' changes.

A step that fails is said and done again: none of them ends the box.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta

from base.errors import Error, StoreError
from base.steady import kept_up
from nvr_box.accounts.users import Accounts
from nvr_box.audit.log import Audit
from nvr_box.custody.holds import Holds
from nvr_box.db import facts, migrate
from nvr_box.db import retention as retention_rows
from nvr_box.db.database import Store
from nvr_box.keys.store import KeyFolder
from nvr_box.maintenance import repair
from nvr_box.maintenance.soundness import Soundness
from nvr_box.notices import Notice
from nvr_box.record.crash_recovery import finish_left, salvage
from nvr_box.record.retention import Retention
from nvr_box.record.segments import Segments
from nvr_box.search.passages import Passages
from nvr_box.timekeeping.timekeeper import Timekeeper

log = logging.getLogger(__name__)
SWEEP_EVERY_S, FOLLOW_EVERY_S, FLUSH_EVERY_S = 30.0, 2.0, 1.0
# One table at a time: all of them in about two hours.
LOOK_EVERY_S = 300.0
_AGAIN_S = 5.0
_DAY_US = 86_400_000_000
# Keys go one day at a time: a mistake about the time costs one day of recordings, not all.
_SHRED_EVERY_US = 23 * 3_600_000_000
_FACT = "shredded"


class Housekeeping:
    """Belongs to the event loop. `keep_days` is 0 where nothing goes by age."""

    def __init__(
        self,
        store: Store,
        segments: Segments,
        retention: Retention,
        passages: Passages,
        *,
        timekeeper: Timekeeper,
        users: Accounts,
        keys: KeyFolder,
        audit: Audit,
        holds: Holds,
        keep_days: float,
    ) -> None:
        self._store, self._segments, self._retention, self._passages = store, segments, retention, passages
        self._timekeeper, self._users, self._keys, self._audit = timekeeper, users, keys, audit
        self._holds, self._keep_days = holds, keep_days
        self._seen: int | None = None
        self._soundness = Soundness(store)
        self._damage: repair.DatabaseDamage | None = None

    def notices(self) -> Iterator[Notice]:
        """What everybody has to know of clock, disk and database."""
        yield from self._timekeeper.notices()
        yield from self._retention.notices()
        yield from repair.notices(self._damage)
        if self._store.damage:
            yield Notice("database", "The database is damaged and is being made anew; recording goes on into files.")
        elif self._segments.late:
            yield Notice(
                "database", f"The database takes no rows: {self._segments.waiting} finished segments wait for theirs."
                " Recording goes on into files. Another program may have locked the database, or its disk is full."
            )  # fmt: skip

    async def run(self) -> None:
        """Until cancelled."""
        await _once("database", self._load_damage)
        async with asyncio.TaskGroup() as group:
            group.create_task(_over_and_over("retention", self.sweep, SWEEP_EVERY_S))
            group.create_task(_over_and_over("accounts", self._apply_outside_changes, FOLLOW_EVERY_S))
            group.create_task(_over_and_over("recordings", self._flush, FLUSH_EVERY_S))
            group.create_task(_over_and_over("database", self._mend, FLUSH_EVERY_S))
            group.create_task(_over_and_over("soundness", self._soundness.step, LOOK_EVERY_S))
            group.create_task(_once("passages", self._passages.load))
            group.create_task(self._salvage())

    async def sweep(self) -> None:
        """Retention and the keys of days past, once."""
        try:
            await self._timekeeper.keep()
        except StoreError as error:
            log.warning("the clock is not remembered: %s", error)  # a full disk: what comes now makes room
        await self._retention.sweep()
        now_us = self._timekeeper.now_us()
        if self._keep_days and now_us is not None:
            oldest_us = now_us - int(self._keep_days * _DAY_US)
            await self._passages.forget_before(oldest_us)
            await self._shred(now_us, oldest_us)
        await self._store.scrub_rest()
        await asyncio.to_thread(migrate.let_copy_go, self._store.path)

    async def _shred(self, now_us: int, oldest_us: int) -> None:
        """Destroy the keys of the oldest day whose recordings are gone, one day a day.

        Locked evidence and open holds keep their days' keys, and so does what retention has not removed yet.
        """
        done_us = await self._store.read(lambda link: facts.get(link, _FACT))
        if done_us is not None and 0 <= now_us - int(done_us) < _SHRED_EVERY_US:
            return
        # A camera that was away at midnight may have sealed the first minutes of the day after with the same key.
        first = f"{datetime.fromtimestamp(oldest_us / 1e6, UTC) - timedelta(days=1):%Y-%m-%d}"
        left = await self._store.read(lambda link: retention_rows.days_left(link, oldest_us))
        spared = left | await self._holds.days_needed()
        days = sorted({each.day[:10] for each in await asyncio.to_thread(self._keys.days)})
        due = [day for day in days if day < first and day not in spared]
        if not due:
            return
        await self._store.write(lambda link: facts.save(link, _FACT, str(now_us)))
        spared |= set(days) - {due[0]}
        gone = await asyncio.to_thread(self._keys.shred_days_before, first, spared=frozenset(spared))
        if gone:
            await self._store.scrub()
        for name in gone:
            await self._audit.write("the box", "keys", what="shred", name=name)

    async def _apply_outside_changes(self) -> None:
        """The command line changes accounts and codes beside us, others set the clock: take note when that was done."""
        if self._timekeeper.has_stepped():
            await self._timekeeper.keep()
        version = await self._store.version()
        if version != self._seen:
            await self._users.load()
            await self._passages.reconcile()
            self._seen = version

    async def _flush(self) -> None:
        self._segments.flush()
        await finish_left(self._segments)

    async def _mend(self) -> None:
        """A database that turns out to be damaged is made again; recorders write files meanwhile."""
        if self._store.damage:
            why, path, root = self._store.damage, self._store.path, self._segments.root
            log.error("the database is damaged: %s", why)
            await asyncio.wrap_future(self._store.mend(lambda: repair.rebuild(path, root, why)))
            await self._users.load()
            await self._passages.load()
            await self._load_damage()
            await self._salvage()

    async def _load_damage(self) -> None:
        self._damage = await self._store.read(repair.last)

    async def _salvage(self) -> None:
        await _once("recordings of the last run", lambda: salvage(self._store, self._segments.root, self._segments))


async def _over_and_over(what: str, step: Callable[[], Awaitable[object]], every_s: float) -> None:
    while True:
        await _once(what, step)
        await asyncio.sleep(every_s)


async def _once(what: str, step: Callable[[], Awaitable[object]]) -> None:
    """Until it went well."""

    async def until_well() -> None:
        while True:
            try:
                await step()
            except (Error, OSError) as error:
                log.error("%s: %s", what, error)  # noqa: TRY400 - an operator's sentence, not a bug's trace
            else:
                return
            await asyncio.sleep(_AGAIN_S)

    await kept_up(what, until_well, back_off_s=(_AGAIN_S,))
