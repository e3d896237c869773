"""The box's clock as far as it is to be believed: remembered over restarts, agreed to by administrators.

What goes for good by age (recordings, keys of days) goes by `now_us`, which is None while the clock is in doubt
(`nvr_box/timekeeping/trust.py`). Belongs to the event loop, but for `error_us` and `error_before_us`.
"""

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict

from base.clock import boot, boot_us, utc_us
from nvr_box.audit import log as audit
from nvr_box.db import facts
from nvr_box.db import segments as segment_rows
from nvr_box.db.database import Store
from nvr_box.db.link import Link
from nvr_box.notices import Notice
from nvr_box.rights import Account, Right
from nvr_box.timekeeping import trust
from nvr_box.timekeeping.trust import Reading, Trust

log = logging.getLogger(__name__)
_FACT, _BOX = "clock", "the box"
_HOUR_US = 3_600_000_000


def reading() -> Reading:
    """The machine's clocks now."""
    return Reading(utc_us(), boot_us(), boot())


class Timekeeper:
    """The clock of one box.

    Args:
        look: how the clocks are read.
    """

    def __init__(self, store: Store, log_: audit.Audit, look: Callable[[], Reading] = reading) -> None:
        self._store, self._log, self._look = store, log_, look
        self._trust: Trust | None = None
        self._last_run: Trust | None = None

    async def load(self) -> None:
        """What the box knew of its clock before; before anything else. Writes nothing, so that nothing waits for it.

        Raises:
            StoreError: the database refuses.
        """
        said = await self._store.read(lambda link: facts.get(link, _FACT))
        if said:
            self._trust = self._last_run = _from_json(said)
        else:
            self._trust = trust.first(self._look(), await self._store.read(segment_rows.newest_us))
            if not self._trust.believed:
                log.warning("the clock: %s", self._words(self._trust))

    def has_stepped(self) -> bool:
        """Whether it is doubted, or believed again, since `keep`: a box that is killed has to know it afterwards."""
        return self._seen().believed != self._known().believed

    async def keep(self) -> None:
        """Look at the clock and remember it; say it and write it down when it has jumped or is believed again.

        Raises:
            StoreError: the database refuses.
        """
        before, now = self._known(), self._seen()
        if now.believed != before.believed:
            log.warning("the clock: %s", self._words(now))
        await self._store.write(lambda link: self._save(link, before, now))
        self._trust = now

    def now_us(self) -> int | None:
        """UTC, None while the clock is in doubt."""
        now = self._seen()
        return now.last.wall_us if now.believed else None

    def error_us(self, at_us: int) -> int:
        """How far the clock was off when it said `at_us` just now, as far as is known; from any thread.

        By what it should have said: it may have been set right again since.
        """
        off_us = at_us - self._seen().expected_us
        return off_us if abs(off_us) > trust.STEP_US else 0

    def error_before_us(self, at_us: int) -> int:
        """The same for `at_us` of the last run, or of this one's past; from any thread."""
        for then in (self._last_run, self._seen()):
            if then and not then.believed and abs(at_us - then.last.wall_us) < abs(at_us - then.expected_us):
                return then.error_us
        return 0

    async def agree(self, account: Account) -> None:
        """An administrator says that the clock is right; needs `ADMIN`."""
        await self._log.demand(account, Right.ADMIN, "clock")
        before = self._seen()
        now = trust.agreed(before)
        await self._store.write(lambda link: self._save(link, before, now, account.name))
        self._trust = now

    def notices(self) -> Iterator[Notice]:
        """Whether it is in doubt."""
        now = self._seen()
        if not now.believed:
            yield Notice("clock", self._words(now))

    def _known(self) -> Trust:
        if self._trust is None:
            self._trust = trust.first(self._look(), None)
        return self._trust

    def _seen(self) -> Trust:
        return trust.after(self._known(), self._look())

    def _words(self, now: Trust) -> str:
        if now.believed:
            return "The clock is believed again."
        hours = abs(now.error_us) / _HOUR_US
        far = f"{hours / 24:.1f} days" if hours >= 48 else f"{hours:.1f} hours"
        left_h = max(0.0, (trust.STEADY_US - (now.steady_us or 0)) / _HOUR_US)
        return (
            f"The clock jumped {far} {'ahead' if now.error_us > 0 else 'back'}, which the time that the box has run"
            " does not explain. No recording and no key is removed by its age until an administrator confirms the"
            f" time, or it has run without a jump for another {left_h:.0f} hours."
        )

    def _save(self, link: Link, before: Trust, now: Trust, actor: str = _BOX) -> None:
        value = json.dumps(asdict(now))
        facts.save(link, _FACT, value)
        if now.believed and not before.believed and not trust.returned(before, now.last):
            # What was recorded under the doubted clock, which was right, was dated rightly as well.
            segment_rows.believe_clock(link, before.error_us - trust.STEP_US, before.error_us + trust.STEP_US)
        if before.believed != now.believed or actor != _BOX:
            details: dict[str, audit.Detail] = {
                "believed": now.believed,
                "jump_s": round((before if now.believed else now).error_us / 1e6),
            }
            audit.append(link, actor, "clock", camera=None, reason="", granted=True, details=details)


def _from_json(text: str) -> Trust:
    table = json.loads(text)
    return Trust(**{**table, "last": Reading(**table["last"])})
