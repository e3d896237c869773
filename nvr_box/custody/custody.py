"""What may be done with the box's keys, by the page and by the command line alike: rights, refusals, audit entries."""

import asyncio
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from base.errors import Conflict, NotFound, RequestError
from nvr_box.audit.log import Audit
from nvr_box.custody.holds import Hold, Holds
from nvr_box.db import segments as segment_rows
from nvr_box.db.database import Store
from nvr_box.keys import day as day_keys
from nvr_box.keys.known import KnownKey, fingerprint, known
from nvr_box.keys.store import KeyFolder
from nvr_box.rights import Account, Right

_DAY = re.compile(r"\d{4}-\d\d-\d\d(T\d{6})?(\.[0-9a-f]{16})?")
_DATE = 10
_DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Day:
    """One day of recordings and what opens it.

    Attributes:
        keys: names of the keys of the day that exist, one a camera; there are others from each `keys rotate` on.
        opened_by: labels of the operators who open the day, two joined by a plus where both are needed.
        destroyed_us: when the last of its keys was destroyed, None while one is there or there never was one.
        recorded_us: how much is recorded, by camera.
        holds: numbers of the holds that need a key of the day, or may.
    """

    day: str
    keys: tuple[str, ...]
    opened_by: tuple[str, ...]
    destroyed_us: int | None
    recorded_us: Mapping[int, int]
    holds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    """What there is; days newest first."""

    signing: str
    rotate: bool
    dual_control: bool
    keys: tuple[KnownKey, ...]
    days: tuple[Day, ...]
    holds: tuple[Hold, ...]
    cases: Mapping[str, str | None] = field(default_factory=dict)
    """Fingerprint of each case's key, None while it has none."""


class Custody:
    """The ceremonies that need no private key. Everything needs `ADMIN` for every camera."""

    def __init__(self, store: Store, log: Audit, keys: KeyFolder, holds: Holds) -> None:
        self._store, self._log, self._keys, self._holds = store, log, keys, holds

    async def overview(self, account: Account) -> Overview:
        """Every key by its public side, the days and the holds. Nothing secret is in it."""
        await self._log.demand_everywhere(account, Right.ADMIN, "keys")
        standing = await self._holds.standing()
        return Overview(
            self._keys.verifier.hex(), self._keys.rotate, self._keys.dual_control, known(self._keys),
            await self._days(standing), standing, self._cases(standing),
        )  # fmt: skip

    async def revoke(self, account: Account, kid: str) -> None:
        """Seal nothing to this key any more: cameras change over at the first IDR after the notice, within a minute.

        What was sealed to it before still opens with it, until it is destroyed.

        Raises:
            Refused: the right is missing.
            RequestError: there is no such key in force, or no other would be left.
        """
        await self._log.demand_everywhere(account, Right.ADMIN, "keys")
        try:
            self._keys.revoke(kid)
        except RequestError as error:
            await self._refused(account, "revoke", kid, error)
            raise
        await self._log.write(account.name, "keys", what="revoke", name=kid)

    async def shred(self, account: Account, name: str) -> None:
        """Destroy an operator's key by its id, every key of a day by its date, or one key of a day by its name.

        Raises:
            Refused: the right is missing.
            RequestError: there is no such key, or a hold needs it that is not sealed to its case yet.
        """
        await self._log.demand_everywhere(account, Right.ADMIN, "keys")
        try:
            names = await self._meant(name)
        except RequestError as error:
            await self._refused(account, "shred", name, error)
            raise
        for each in names:
            await asyncio.to_thread(self._keys.remove, each)
        await self._store.scrub()
        await self._log.write(account.name, "keys", what="shred", name=name)

    async def _meant(self, name: str) -> list[str]:
        if not _DAY.fullmatch(name):
            if not any(each.kid == name and each.destroyed_us is None for each in known(self._keys)):
                raise NotFound(f"there is no key {name}")
            return [name]
        names = [each.day for each in self._keys.days() if name in {each.day, each.day[:_DATE]}]
        if not names:
            raise NotFound(f"there is no key {name}")
        waiting = [each for each in await self._holds.standing() if name[:_DATE] in each.days and not each.sealed]
        if waiting:
            cases = ", ".join(sorted({each.case for each in waiting}))
            raise Conflict(
                f"{name} is on hold for {cases}: seal the hold to the key of the case, or lift it, and try again"
            )
        return names

    async def _refused(self, account: Account, what: str, name: str, error: RequestError) -> None:
        await self._log.write(account.name, "keys", granted=False, what=what, name=name[:64], why=str(error))

    async def _days(self, standing: tuple[Hold, ...]) -> tuple[Day, ...]:
        recorded: defaultdict[str, dict[int, int]] = defaultdict(dict)
        for camera, day, length_us in await self._store.read(segment_rows.recorded_by_day):
            recorded[f"{datetime.fromtimestamp(day * _DAY_US / 1e6, UTC):%Y-%m-%d}"][camera] = length_us
        labels = {each.kid: each.label or each.kid for each in known(self._keys)}
        names: defaultdict[str, list[str]] = defaultdict(list)
        openers: defaultdict[str, dict[str, None]] = defaultdict(dict)
        for key in self._keys.days():
            names[key.day[:_DATE]].append(key.day)
            for group in day_keys.opened_by(key.path):
                openers[key.day[:_DATE]][" + ".join(labels.get(kid, kid) for kid in group)] = None
        gone: dict[str, int] = {}
        for name, note in self._keys.past().items():
            if note.kind == "day" and note.destroyed_us:
                gone[name[:_DATE]] = max(gone.get(name[:_DATE], 0), note.destroyed_us)
        return tuple(
            Day(
                day, tuple(names[day]), tuple(openers[day]), None if names[day] else gone.get(day), recorded[day],
                tuple(each.number for each in standing if day in each.days),
            )
            for day in sorted({*recorded, *names, *gone}, reverse=True)
        )  # fmt: skip

    def _cases(self, standing: tuple[Hold, ...]) -> dict[str, str | None]:
        public = {each.case: self._keys.cases.public(each.case) for each in standing}
        return {case: fingerprint(key) if key else None for case, key in public.items()}
