"""Legal holds: a stretch of one camera's recording that is to outlive everything else of its days, for a case.

Placed, a hold spares the recording from retention and the keys of its days from destruction. Sealed, the content keys
of exactly its groups of pictures and best shots lie sealed to the case's key as well: then its days may be destroyed,
and a holder of the case's key opens this stretch and nothing else of them.
"""

import asyncio
import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from base.clock import utc_us
from base.errors import HostError, Invalid, NotFound, RightRefused, StoreError
from base.files import shred, write_atomically
from nvr_box.audit import log as audit
from nvr_box.db import cameras as camera_rows
from nvr_box.db import holds as hold_rows
from nvr_box.db import packets as packet_rows
from nvr_box.db.database import Store
from nvr_box.db.link import Link
from nvr_box.keys.case import sound_name
from nvr_box.keys.passphrase import long_enough
from nvr_box.keys.store import KeyFolder
from nvr_box.record.recordings import Recordings
from nvr_box.reveal.passphrase_throttle import PassphraseThrottle
from nvr_box.reveal.process_client import Gone, RevealProcess, unlocking
from nvr_box.rights import Account, Right
from wire import hold
from wire.keys import Recipient

LONGEST_US = 24 * 3_600_000_000
_DAY_US = 86_400_000_000
# A camera that was away at midnight may have sealed a little of the next day with the key of the day before.
_BEFORE_US = 3_600_000_000
_LONGEST_SEALING_S = 3600.0
_LEAST_REASON = 8


@dataclass(frozen=True, slots=True)
class Hold:
    """One stretch on hold.

    Attributes:
        case: its name.
        account: that placed it.
        kept: groups of pictures whose keys are sealed to the case; 0 before that was done.
        missed: groups that could not be opened when it was done.
        lifted_us: None while it is on.
    """

    number: int
    case: str
    camera: int
    start_us: int
    end_us: int
    reason: str
    account: str
    placed_us: int
    kept: int = 0
    missed: int = 0
    lifted_us: int | None = None

    @property
    def sealed(self) -> bool:
        """Whether it outlives the keys of its days."""
        return self.kept > 0 and not self.missed

    @property
    def days(self) -> tuple[str, ...]:
        """The days (YYYY-MM-DD) whose keys it may need."""
        numbers = range((self.start_us - _BEFORE_US) // _DAY_US, (self.end_us - 1) // _DAY_US + 1)
        return tuple(f"{datetime.fromtimestamp(number * 86400, UTC):%Y-%m-%d}" for number in numbers)


class Holds:
    """All of them. Whatever changes one needs `ADMIN`; sealing needs operators' passphrases as well."""

    def __init__(
        self,
        store: Store,
        log: audit.Audit,
        keys: KeyFolder,
        recordings: Recordings,
        *,
        brake: PassphraseThrottle | None = None,
    ) -> None:
        self._store, self._log, self._keys, self._recordings = store, log, keys, recordings
        self._brake = brake or PassphraseThrottle()
        self._sealing = asyncio.Lock()

    async def standing(self) -> tuple[Hold, ...]:
        """Those that are on, oldest first; without rights, for the parts of the box."""
        rows = await self._store.read(hold_rows.standing)
        return tuple(Hold(*row) for row in rows)

    async def days_needed(self) -> frozenset[str]:
        """The days whose keys must not be destroyed, because a hold that is not sealed yet needs them."""
        return frozenset(day for each in await self.standing() if not each.sealed for day in each.days)

    async def place(self, account: Account, case: str, camera: int, start_us: int, end_us: int, *, reason: str) -> Hold:
        """Put [start_us, end_us) of a camera's recording on hold for a case.

        Raises:
            Refused: the right is missing.
            RequestError: the case's name, the reason or the range does not do, or nothing is recorded there.
        """
        await self._log.demand(account, Right.ADMIN, "hold", camera=camera)
        sound_name(case)
        reason = _sound(reason)
        if not 0 <= start_us < end_us <= utc_us():
            raise Invalid("range: must begin before it ends, and end before now", "range")
        if end_us - start_us > LONGEST_US:
            raise Invalid(f"range: at most {LONGEST_US // 3_600_000_000} hours in one hold", "range")
        if await anext(aiter(self._recordings.chunks(camera, start_us, end_us)), None) is None:
            raise NotFound("range: nothing is recorded there")
        fresh = Hold(0, case, camera, start_us, end_us, reason, account.name, utc_us())

        def change(link: Link) -> Hold:
            values = (fresh.case, camera, start_us, end_us, reason, account.name, fresh.placed_us)
            placed = replace(fresh, number=hold_rows.place(link, values))
            _entry(link, account, placed, "place", reason)
            return placed

        return await self._store.write(change)

    async def seal(
        self, account: Account, number: int, *, passphrases: Sequence[str], case_passphrase: str = ""
    ) -> Hold:
        """Seal the content keys of exactly its groups of pictures to the case's key, which is made where it has none.

        Private keys are opened in a process of their own, which gives back nothing but what is sealed to the case.

        Args:
            passphrases: operators', as for a reveal.
            case_passphrase: for the case's key when it is made now.

        Raises:
            Refused: the right is missing, or the passphrases open nothing of it; both are written down.
            RequestError: the case's passphrase does not do.
            StoreError: there is no such hold, or the disk refuses.
        """
        async with self._sealing:
            return await self._seal(account, number, passphrases, case_passphrase)

    async def _seal(self, account: Account, number: int, passphrases: Sequence[str], case_passphrase: str) -> Hold:
        await self._log.demand(account, Right.ADMIN, "hold")
        found = await self._get(number)
        await self._log.demand(account, Right.ADMIN, "hold", camera=found.camera)
        fresh = False
        try:
            self._brake.demand(account.name)
            sealed = self._keys.sealed(found.camera, await self._camera_id(found.camera))
            recipient = self._keys.cases.public(found.case)
            if not sealed.operators:
                raise RightRefused("this box holds no reveal key; seal the hold where the key file is")
            if recipient is None:
                long_enough(case_passphrase)
            talk = await RevealProcess.launch()
            try:
                asking = [each for each in passphrases if each]
                await self._unlock(account, talk, unlocking(sealed, asking, mark="", seconds=_LONGEST_SEALING_S))
                if recipient is None:
                    fresh = True
                    recipient = await asyncio.to_thread(self._keys.cases.ready, found.case, case_passphrase)
                records, missed = await self._records(talk, found, recipient)
                best_shots = await self._best_shots(talk, found, recipient)
            finally:
                await talk.kill()
            if not records:
                raise RightRefused("these passphrases open nothing of this hold")
        except RightRefused as refusal:
            if fresh:
                self._keys.cases.forget(found.case)
            await self._log.write(
                account.name, "hold", camera=found.camera, granted=False, what="seal", why=str(refusal)
            )
            raise
        path = self._keys.cases.hold_file(found.case, found.camera, number)
        await asyncio.to_thread(_write, path, hold.file_of([*records, *best_shots]))
        done = replace(found, kept=len(records), missed=missed)

        def change(link: Link) -> None:
            hold_rows.seal(link, number, done.kept, missed)
            _entry(link, account, done, "seal", found.reason)

        await self._store.write(change)
        return done

    async def lift(self, account: Account, number: int, *, reason: str) -> None:
        """End a hold: what was sealed to the case for it is destroyed, and retention may take the recording.

        Raises:
            Refused: the right is missing.
            RequestError: without a reason.
            StoreError: there is no such hold.
        """
        await self._log.demand(account, Right.ADMIN, "hold")
        found, reason = await self._get(number), _sound(reason)
        await self._log.demand(account, Right.ADMIN, "hold", camera=found.camera)
        path = self._keys.cases.hold_file(found.case, found.camera, number)
        try:
            with contextlib.suppress(FileNotFoundError):
                await asyncio.to_thread(shred, path)
        except OSError as error:
            raise StoreError(f"{path}: what was sealed to the case cannot be destroyed: {error.strerror}") from error

        def change(link: Link) -> None:
            hold_rows.lift(link, number, utc_us())
            _entry(link, account, found, "lift", reason)

        await self._store.write(change)

    async def _unlock(self, account: Account, talk: RevealProcess, unlock: dict[str, object]) -> None:
        with self._brake.attempt(account.name) as attempt:
            try:
                await talk.ask(unlock)
            except Gone as gone:
                attempt.void()
                raise HostError("the reveal process could not be started; the box's log says why") from gone
            attempt.passed()

    async def _records(self, talk: RevealProcess, found: Hold, recipient: Recipient) -> tuple[list[bytes], int]:
        """What is sealed to the case, and how many groups of pictures with a key unit did not open."""
        records, missed = [], 0
        ask = {"op": "hold", "case": recipient.public.hex()}
        async for chunk in self._recordings.chunks(found.camera, found.start_us, found.end_us):
            head, record = (await talk.ask(ask, chunk))[-1]
            if record:
                records.append(record)
            elif head["found"]:
                missed += 1
        return records, missed

    async def _best_shots(self, talk: RevealProcess, found: Hold, recipient: Recipient) -> list[bytes]:
        """The same for the best shots that were taken in it and open."""
        jpegs = await self._store.read(
            lambda link: packet_rows.sealed_shots(link, found.camera, found.start_us, found.end_us)
        )
        ask = {"op": "hold-card", "case": recipient.public.hex()}
        records = [(await talk.ask(ask, body=jpeg))[-1][1] for jpeg in jpegs]
        return [record for record in records if record]

    async def _camera_id(self, camera: int) -> str:
        return await self._store.read(lambda link: camera_rows.id_of(link, camera)) or ""

    async def _get(self, number: int) -> Hold:
        found = [each for each in await self.standing() if each.number == number]
        if not found:
            raise NotFound(f"there is no hold {number}")
        return found[0]


def _sound(reason: str) -> str:
    reason = re.sub(r"\s+", " ", reason).strip()
    if len(reason) < _LEAST_REASON:
        raise Invalid(f"reason: at least {_LEAST_REASON} characters", "reason")
    return reason


def _entry(link: Link, account: Account, found: Hold, what: str, reason: str) -> None:
    details: dict[str, audit.Detail] = {
        "what": what, "number": found.number, "case": found.case, "start_us": found.start_us, "end_us": found.end_us,
        "groups": found.kept, "missed": found.missed,
    }  # fmt: skip
    audit.append(link, account.name, "hold", camera=found.camera, reason=reason, granted=True, details=details)


def _write(path: Path, data: bytes) -> None:
    """Durable when this returns, replacing what was there in one step."""
    try:
        write_atomically(path, data)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from error
