"""The sessions of reveals: requested, refused or granted, and watched until the time is up.

What a session may show (`scope.py`) is fixed when it is granted, from the approved request where there is one. A reveal
is opened in a process of the box, which is given the passphrase; or in the page, which is given sealed keys and masked
access units, so that neither passphrase nor key ever reaches the box. Rights, reason, time limit and audit are the
same.
"""

import asyncio
import hmac
import logging
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from base.clock import boot_us
from base.errors import HostError, RightRefused, StoreError
from base.throttle import Attempt
from nvr_box.audit.log import Audit
from nvr_box.cameras.camera_store import CameraStore
from nvr_box.keys.store import KeyFolder
from nvr_box.record.recordings import RecordedGop
from nvr_box.reveal import pipe
from nvr_box.reveal.approvals import Approvals, RevealRequest, sound_reason
from nvr_box.reveal.handed_keys import HandedKeys, handed
from nvr_box.reveal.passphrase_throttle import PassphraseThrottle
from nvr_box.reveal.process_client import Gone, RevealProcess, Silent, unlocking
from nvr_box.reveal.scope import EVERYTHING, Scope, Stretch
from nvr_box.reveal.session import RevealSession, Running, begun
from nvr_box.reveal.verdicts import Verdicts
from nvr_box.rights import Account, Right

log = logging.getLogger(__name__)
# So long a page may take to try a passphrase; scrypt in a slow browser is some of it.
_UNLOCK_S = 120.0


class RevealSessions:
    """Time-boxed reveals. Needs `REVEAL` and `VIEW` for the camera, as long as it lasts, and, where `second_person`
    is set, an approved request.

    Args:
        minutes: the longest that one lasts.
        account: an account as it is now by name, None when it was removed. Without it rights are the caller's.
    """

    def __init__(
        self,
        log: Audit,
        keys: KeyFolder,
        roster: CameraStore,
        *,
        minutes: float,
        second_person: bool = False,
        account: Callable[[str], Account | None] | None = None,
        brake: PassphraseThrottle | None = None,
    ) -> None:
        self._log, self._keys, self._roster = log, keys, roster
        self._minutes, self._account = minutes, account
        self.approvals = Approvals(log, wanted=second_person, minutes=minutes)
        self._running: dict[str, Running] = {}
        self._brake = brake or PassphraseThrottle()
        self._ending: set[asyncio.Task[None]] = set()

    async def start(
        self,
        account: Account,
        camera: int,
        *,
        reason: str,
        passphrase: str,
        second_passphrase: str = "",
        stretch: Stretch = EVERYTHING,
        approval: str = "",
        minutes: float | None = None,
    ) -> RevealSession:
        """Unlock the reveal key with `passphrase` in a new process, for at most the configured time.

        Args:
            second_passphrase: another operator's, where dual control asks for two.
            stretch: what is to be seen; an approved request decides instead where a second person is wanted.
            approval: the key of that request, whose reason then counts.

        Raises:
            Refused: right, reason (at least 8 characters), stretch of time, approval or passphrase; each refusal has
                its audit entry.
            StoreError: there is no such camera, the process does not start, or nothing can be written down.
        """
        passphrases = [each for each in (passphrase, second_passphrase) if each]
        running = None
        try:
            running = self._granted(account, camera, reason, stretch, approval=approval, minutes=minutes)
            with self._brake.attempt(account.name) as attempt:
                await self._unlock(running, passphrases, attempt)
            await self._log_granted(running, "box")
            # It may have been taken away while the passphrase was tried.
            self._demand(account, camera)
        except BaseException as error:
            # Whatever it was: no unlocked process and no used-up approval stay behind.
            if running is not None:
                await self._undone(running)
            if isinstance(error, RightRefused):
                said = running.session.reason if running else reason
                await self._refused(account, camera, said, error)
            raise
        self._running[running.session.key] = running
        self._end_in(running, running.left_s, "the time is up")
        return running.session

    def limits(self, account: Account, camera: int, stretch: Stretch, approval: str = "") -> Scope:
        """What a reveal that is started with these would cover; raises `RightRefused` as `start` would, unwritten."""
        self._demand(account, camera)
        return self._limits(account, camera, stretch, approval)[1]

    async def start_in_browser(
        self, account: Account, camera: int, *, reason: str, stretch: Stretch = EVERYTHING, minutes: float | None = None
    ) -> RevealSession:
        """Hand out what the page needs to open a reveal itself (`handed`); it shows nothing before `opened`.

        Only where nothing but the time limits the reveal: a page cannot be held to one person, to a stretch of time or
        to what a second person agreed to. Raises as `start`, but for the passphrase, which it never sees.
        """
        running = None
        try:
            running = self._granted(account, camera, reason, stretch, approval="", minutes=minutes, in_browser=True)
            session = running.session
            if session.scope.limited or self.dual_control:
                raise RightRefused("this reveal is opened on the box, which alone can hold it to what was agreed")
            running.handed = await asyncio.to_thread(self._handed, account, session.scope)
            await self._log.write(
                account.name, "reveal-keys", camera=camera, reason=session.reason, key=session.key,
                kids=" ".join(running.handed.kids), days=" ".join(running.handed.names),
            )  # fmt: skip
            self._demand(account, camera)
        except RightRefused as refusal:
            await self._refused(account, camera, reason, refusal)
            raise
        self._running[session.key] = running
        self._end_in(running, _UNLOCK_S, "the page did not say that a passphrase opened anything")
        return session

    async def opened(self, account: Account, key: str, proof: bytes) -> RevealSession:
        """The page says that a passphrase opened a key, and proves it by what was sealed to that key: granted now.

        Raises:
            Refused: it proves nothing, or the session is over or another person's.
        """
        running = self._own(account, key)
        if running.handed is None or not hmac.compare_digest(proof, running.handed.nonce):
            raise RightRefused("this proves no key of this reveal")
        if not running.opened:
            await self._log_granted(running, "browser")
            running.opened = True
            self._end_in(running, running.left_s, "the time is up")
        return running.session

    @property
    def dual_control(self) -> bool:
        """Whether days recorded now open only to two operators together."""
        return self._keys.dual_control

    def may_open_in_browser(self, account: Account) -> bool:
        """Whether the page of `account` can open a reveal itself: without approval, and with a known key of theirs."""
        return not self.approvals.wanted and not self.dual_control and bool(self._keys.own(account.name))

    def active(self, account: Account) -> tuple[RevealSession, ...]:
        """The sessions of `account` that are on."""
        return tuple(each.session for each in self._running.values() if each.session.account == account.name)

    def session(self, account: Account, key: str) -> RevealSession:
        """One of them; raises `RightRefused` when it is over or another person's."""
        return self._own(account, key).session

    async def end(self, account: Account, key: str, *, why: str = "ended") -> None:
        """End it now: the process is gone when this returns; ending twice is nothing. `why` goes into the log."""
        running = self._running.get(key)
        if running is None:
            return
        if running.session.account != account.name and not account.may(Right.ADMIN, running.session.camera):
            raise RightRefused("this reveal is another person's")
        await self._end(key, why)

    def rights_changed(self) -> None:
        """Accounts are not what they were: end at once what is not allowed any more."""
        for key, running in self._running.items():
            account = self._account(running.session.account) if self._account else None
            camera = running.session.camera
            if account is None or not (account.may(Right.REVEAL, camera) and account.may(Right.VIEW, camera)):
                self._later(key, "the right was taken away")

    async def close(self) -> None:
        """End every reveal: the box stops."""
        for key in tuple(self._running):
            await self._end(key, "the box stops")
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _granted(
        self,
        account: Account,
        camera: int,
        reason: str,
        stretch: Stretch,
        *,
        approval: str,
        minutes: float | None,
        in_browser: bool = False,
    ) -> Running:
        """A session that may begin, with its approval taken; nothing here waits, so that it is not taken twice."""
        self._demand(account, camera)
        known = self._roster.get(camera)
        request, limits = self._limits(account, camera, stretch, approval)
        reason = sound_reason(request.reason if request else reason)
        longest = min(minutes or self._minutes, self._minutes)
        session = begun(account, known, limits, reason, longest, in_browser=in_browser)
        if request is not None:
            self.approvals.claim(request)
        until_boot_us = boot_us() + session.expires_us - session.started_us
        return Running(session, until_boot_us, request, opened=not in_browser)

    def _limits(
        self, account: Account, camera: int, stretch: Stretch, approval: str
    ) -> tuple[RevealRequest | None, Scope]:
        """What a second person agreed to, where one is wanted, and else what is requested."""
        if not self.approvals.wanted:
            return None, stretch.scope(camera, self._minutes)
        request = self.approvals.approved(account, camera, approval)
        return request, request.scope

    def _handed(self, account: Account, limits: Scope) -> HandedKeys:
        return handed(self._keys, account.name, self._roster.get(limits.camera).camera_id or "", limits)

    async def _unlock(self, running: Running, passphrases: list[str], attempt: Attempt) -> None:
        session = running.session
        sealed = self._keys.sealed(session.camera, self._roster.get(session.camera).camera_id or "")
        if not sealed.operators:
            attempt.void()
            raise RightRefused(
                "this box holds no reveal key; the page opens a reveal of the whole picture with a key file"
            )
        running.talk = await RevealProcess.launch()
        seconds = (session.expires_us - session.started_us) / 1e6
        unlock = unlocking(sealed, passphrases, mark=session.watermark, seconds=seconds)
        try:
            await self._ask(running, unlock)
        except Gone as gone:
            attempt.void()
            raise HostError("the reveal process could not be started; the box's log says why") from gone
        attempt.passed()

    def _demand(self, account: Account, camera: int) -> None:
        """Both rights, as they are now and not as they were when the request began."""
        now = self._account(account.name) if self._account else account
        if now is None:
            raise RightRefused(f"the account {account.name} was removed")
        now.demand(Right.REVEAL, camera)
        now.demand(Right.VIEW, camera)

    def _own(self, account: Account, key: str) -> Running:
        running = self._running.get(key)
        if running is None or running.left_s <= 0:
            raise RightRefused("this reveal is over")
        if running.session.account != account.name:
            raise RightRefused("this reveal is another person's")
        self._demand(account, running.session.camera)
        return running

    async def _ask(
        self,
        running: Running,
        head: dict[str, Any],
        chunk: RecordedGop | None = None,
        *,
        play: int | None = None,
        body: bytes = b"",
    ) -> list[pipe.Message]:
        """Ask the process; nothing when `play` is not the newest any more. Raises as `RevealProcess.ask`."""
        assert running.talk is not None
        async with running.talk.turn:
            if play is not None and running.plays != play:
                return []
            try:
                answers = await running.talk.ask(head, chunk, body)
            except Silent:
                await self._end(running.session.key, "its process does not answer")
                raise
        if "verdicts" in answers[-1][0]:
            running.session = replace(running.session, verdicts=Verdicts(**answers[-1][0]["verdicts"]))
        return answers

    async def _log_granted(self, running: Running, opened_in: str) -> None:
        session, request = running.session, running.request
        await self._log.write(
            session.account, "reveal", camera=session.camera, reason=session.reason, key=session.key,
            expires_us=session.expires_us, opened_in=opened_in, whole=session.scope.whole,
            start_us=session.scope.start_us, end_us=session.scope.end_us,
            approved_by=request.approver if request else None,
        )  # fmt: skip

    async def _refused(self, account: Account, camera: int, reason: str, refusal: RightRefused) -> None:
        await self._log.write(account.name, "reveal", camera=camera, reason=reason, granted=False, why=str(refusal))

    async def _undone(self, running: Running) -> None:
        """It does not begin after all."""
        if running.request is not None:
            self.approvals.give_back(running.request)
        await _kill(running)

    def _end_in(self, running: Running, seconds: float, why: str) -> None:
        if running.timer is not None:
            running.timer.cancel()
        running.timer = asyncio.get_running_loop().call_later(seconds, self._later, running.session.key, why)

    def _later(self, key: str, why: str) -> None:
        task = asyncio.get_running_loop().create_task(self._over(key, why), name=f"end-reveal-{key}")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _over(self, key: str, why: str) -> None:
        try:
            await self._end(key, why)
        except StoreError as error:
            log.error("the end of a reveal is not in the audit log: %s", error)  # noqa: TRY400 - for an operator

    async def _end(self, key: str, why: str) -> None:
        running = self._running.pop(key, None)
        if running is None:
            return
        if running.timer is not None:
            running.timer.cancel()
        await _kill(running)
        session = running.session
        if not running.opened:
            await self._log.write(
                session.account, "reveal", camera=session.camera, reason=session.reason, granted=False, key=key, why=why
            )
            return
        if running.request is not None and not running.viewed:
            self.approvals.give_back(running.request)
        counts = {name: value for name, value in asdict(session.verdicts).items() if name != "reason"}
        await self._log.write(
            session.account, "reveal-end", camera=session.camera, key=key, why=why,
            shown=str(running.shown), cards=" ".join(map(str, sorted(running.cards))) or None, **counts,
        )  # fmt: skip


async def _kill(running: Running) -> None:
    if running.talk is not None:
        await running.talk.kill()
