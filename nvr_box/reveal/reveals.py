"""Asking for a reveal, being refused or granted, and watching it until the time is up.

A reveal is opened in a process of the box, which is given the passphrase; or in the page, which is given sealed keys
and masked access units, so that neither passphrase nor key ever reaches the box. Rights, reason, time limit and audit
are the same.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from nvr_box.audit import Audit
from nvr_box.cameras.roster import Roster
from nvr_box.clock import utc_us
from nvr_box.keys import Keys
from nvr_box.record.access_units import access_units
from nvr_box.record.recordings import Chunk, Piece, Recordings
from nvr_box.reveal import pipe
from nvr_box.reveal.approvals import Approvals, sound_reason
from nvr_box.reveal.brake import Brake
from nvr_box.reveal.session import RevealSession, Running, Units, begun
from nvr_box.reveal.talk import Gone, Silent, Talk, unlocking
from nvr_box.reveal.verdicts import Verdicts
from nvr_box.rights import Account, Refused, Right
from nvr_box.search.passages import StoredShot
from onvif.throttle import Attempt
from wire.base.errors import StoreError
from wire.thumbnail import NO_ORIGINAL

__all__ = ["RevealSession", "Reveals", "Verdicts"]


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a person asks for."""

    camera: int
    reason: str
    approval: str
    whole: bool
    minutes: float | None
    in_browser: bool


class Reveals:
    """Time-boxed reveals. Needs `REVEAL` for the camera and, where `second_person` is set, an approved request."""

    def __init__(
        self,
        log: Audit,
        keys: Keys,
        roster: Roster,
        recordings: Recordings,
        *,
        minutes: float,
        second_person: bool = False,
        brake: Brake | None = None,
    ) -> None:
        self._log, self._keys, self._roster, self._recordings = log, keys, roster, recordings
        self._minutes = minutes
        self.approvals = Approvals(log, wanted=second_person)
        self._running: dict[str, Running] = {}
        self._brake = brake or Brake()
        self._ending: set[asyncio.Task[None]] = set()

    async def start(
        self,
        by: Account,
        camera: int,
        *,
        reason: str,
        passphrase: str,
        second_passphrase: str = "",
        approval: str = "",
        whole: bool = True,
        minutes: float | None = None,
    ) -> RevealSession:
        """Unlock the reveal key with `passphrase` in a new process, for at most the configured time.

        Args:
            second_passphrase: another operator's, where dual control asks for two.
            approval: the key of an approved request, whose reason then counts.
            whole: for the log: the whole picture, or one person only.

        Raises:
            Refused: right, reason (at least 8 characters) or passphrase; each refusal has its audit entry.
            StoreError: there is no such camera, the process does not start, or nothing can be written down.
        """
        passphrases = [each for each in (passphrase, second_passphrase) if each]

        async def unlocked(running: Running) -> None:
            with self._brake.attempt(by.name) as attempt:
                await self._unlock(running, passphrases, attempt)

        wish = _Wish(camera, reason, approval, whole, minutes, in_browser=False)
        return await self._start(by, wish, unlocked)

    async def start_in_browser(
        self,
        by: Account,
        camera: int,
        *,
        reason: str,
        approval: str = "",
        whole: bool = True,
        minutes: float | None = None,
    ) -> RevealSession:
        """Grant a reveal that the page opens itself; raises as `start`, but for the passphrase, which it never sees."""

        async def at_once(_running: Running) -> None:
            return

        return await self._start(by, _Wish(camera, reason, approval, whole, minutes, in_browser=True), at_once)

    async def _start(self, by: Account, wish: _Wish, ready: Callable[[Running], Awaitable[None]]) -> RevealSession:
        camera, reason, request = wish.camera, wish.reason, None
        try:
            by.demand(Right.REVEAL, camera)
            by.demand(Right.VIEW, camera)
            known = self._roster.get(camera)
            if self.approvals.wanted:
                request = self.approvals.approved(by, camera, wish.approval)
                reason = request.reason
            reason = sound_reason(reason)
            longest = min(wish.minutes or self._minutes, self._minutes)
            session = begun(by, known, reason, longest, in_browser=wish.in_browser)
            running = Running(session, request, wish.whole)
            await ready(running)
        except Refused as refusal:
            await self._log.write(by.name, "reveal", camera=camera, reason=reason, granted=False, why=str(refusal))
            raise
        try:
            await self._log.write(
                by.name, "reveal", camera=camera, reason=reason, key=session.key, expires_us=session.expires_us,
                opened_in="browser" if wish.in_browser else "box", whole=wish.whole,
                approved_by=request.approver if request else None,
            )  # fmt: skip
        except StoreError:
            await _kill(running)
            raise
        if request is not None:
            self.approvals.used(request)
        self._running[session.key] = running
        loop = asyncio.get_running_loop()
        running.timer = loop.call_later((session.expires_us - utc_us()) / 1e6, self._expire, session.key)
        return session

    async def units(self, by: Account, key: str, start_us: int) -> AsyncGenerator[Units]:
        """Masked access units for a page that opens them itself, SEI untouched, from the GOP that shows `start_us` on.

        Goes on with what is being recorded until the session is over or plays something else; raises as `play`.
        """
        running, number = await self._begin(by, key, start_us, in_browser=True)

        def follow() -> bool:
            return running.plays == number and key in self._running

        async for chunk in self._recordings.chunks(running.session.camera, start_us, follow=follow):
            part = await asyncio.to_thread(_unpacked, chunk)
            if not follow():
                return
            if part.units:
                running.shown.add(part.units[0].utc_us, part.units[-1].utc_us)
                yield part

    def tell(self, by: Account, key: str, verdicts: Verdicts) -> None:
        """What the page's own reader says of the pictures so far; for reveals that it opens itself."""
        running = self._own(by, key)
        if running.session.in_browser:
            running.session = replace(running.session, verdicts=verdicts)

    def sealed_keys(self, by: Account, key: str) -> Mapping[str, list[Any]]:
        """Every reveal key and day key of the box as it lies on disk, sealed: `operators`, `days`, and `holds`.

        Raises:
            Refused: the session is over, another person's, or opened on the box.
        """
        session = self._own(by, key).session
        if not session.in_browser:
            raise Refused("this reveal is opened on the box")
        return self._keys.sealed_tables(session.camera)

    async def play(
        self,
        by: Account,
        key: str,
        start_us: int,
        end_us: int | None = None,
        *,
        point: tuple[float, float] | None = None,
    ) -> AsyncGenerator[Piece]:
        """Recorded pieces with the originals restored and the watermark drawn, re-encoded as H.264.

        A second play of the same session ends the first. Without `end_us` it goes on with what is being recorded,
        until the session is over.

        Args:
            point: x, y as shares 0..1 of the picture at `start_us`: only the person there is shown and bystanders
                stay masked; None for the whole picture.

        Raises:
            Refused: the session is over or another person's.
        """
        running, number = await self._begin(by, key, start_us, in_browser=False)
        session = running.session
        begin = {"op": "play", **session.of_camera, "from_us": start_us, "point": point}
        await self._ask(running, begin)

        def follow() -> bool:
            return end_us is None and running.plays == number and key in self._running

        async for chunk in self._recordings.chunks(session.camera, start_us, end_us, follow=follow):
            if running.plays != number:
                return
            for piece in await self._pieces(running, number, chunk):
                yield piece
        for piece in await self._pieces(running, number, None):
            yield piece

    async def still(self, by: Account, key: str, utc_us: int, *, point: tuple[float, float] | None = None) -> bytes:
        """One revealed, watermarked JPEG at `utc_us`; `point` as in `play`.

        Raises:
            Refused: the session is over or another person's.
            StoreError: nothing is recorded there.
        """
        chunk = await self._recordings.showing(self._own(by, key).session.camera, utc_us)
        running = await self._view(by, key, utc_us, in_browser=False)
        camera = running.session.of_camera
        begin = {"op": "still", **camera, "from_us": utc_us, "point": point, "utc_us": utc_us}
        jpeg = (await self._ask(running, begin, chunk))[-1][1]
        running.shown.add(utc_us, utc_us)
        return jpeg

    async def card(self, by: Account, key: str, shot: StoredShot) -> bytes:
        """A stored best shot for a reveal of its camera: opened and marked, or, where the page opens, as it is stored.

        Raises:
            Refused: the session is over, another person's or another camera's, or shows one person only.
            StoreError: it stays masked; the message says why.
        """
        running = self._own(by, key)
        session = running.session
        if shot.camera != session.camera:
            raise Refused("this reveal is of another camera")
        if not running.whole:
            raise Refused("this reveal shows one person only; others may stand beside them in a best shot")
        if not shot.recoverable:
            raise StoreError(f"this best shot stays masked: {NO_ORIGINAL}")
        await self._view(by, key, shot.best_us, in_browser=session.in_browser)
        jpeg = shot.jpeg
        if not session.in_browser:
            wanted = {"op": "card", **session.of_camera}
            jpeg = (await self._ask(running, wanted, body=shot.jpeg))[-1][1]
        self._own(by, key)  # it may have ended meanwhile
        running.cards.add(shot.packet)
        running.shown.add(shot.best_us, shot.best_us)
        return jpeg

    @property
    def dual_control(self) -> bool:
        """Whether days recorded now open only to two operators together."""
        return self._keys.dual_control

    def active(self, by: Account) -> tuple[RevealSession, ...]:
        """The sessions of `by` that are on."""
        return tuple(each.session for each in self._running.values() if each.session.who == by.name)

    async def end(self, by: Account, key: str, *, why: str = "ended") -> None:
        """End it now: the process is gone when this returns; ending twice is nothing. `why` goes into the log."""
        running = self._running.get(key)
        if running is None:
            return
        if running.session.who != by.name and not by.may(Right.ADMIN):
            raise Refused("this reveal is another person's")
        await self._end(key, why)

    async def close(self) -> None:
        """End every reveal: the box stops."""
        for key in tuple(self._running):
            await self._end(key, "the box stops")
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def _begin(self, by: Account, key: str, start_us: int, *, in_browser: bool) -> tuple[Running, int]:
        """Another play of a session, which ends the one before; its number."""
        running = await self._view(by, key, start_us, in_browser=in_browser)
        running.plays += 1
        return running, running.plays

    async def _view(self, by: Account, key: str, at_us: int, *, in_browser: bool) -> Running:
        """The session, with the entry that something of it is shown; the entry of its end says what was."""
        running = self._own(by, key)
        if running.session.in_browser != in_browser:
            raise Refused(
                "this reveal is opened " + ("by the page itself" if running.session.in_browser else "on the box")
            )
        if not running.viewed:
            running.viewed = True
            await self._log.write(by.name, "reveal-view", camera=running.session.camera, key=key, start_us=at_us)
        return running

    async def _unlock(self, running: Running, passphrases: list[str], attempt: Attempt) -> None:
        session = running.session
        sealed = self._keys.sealed(session.camera)
        if not sealed.operators:
            attempt.void()
            raise Refused("this box holds no reveal key; choose your key file in the page")
        running.talk = await Talk.launch()
        seconds = (session.expires_us - session.started_us) / 1e6
        unlock = unlocking(sealed, passphrases, mark=session.watermark, seconds=seconds)
        try:
            await self._ask(running, unlock)
        except Gone as gone:
            attempt.void()
            await _kill(running)
            raise StoreError("the reveal process could not be started; the box's log says why") from gone
        except Refused:
            await _kill(running)
            raise
        attempt.passed()

    def _own(self, by: Account, key: str) -> Running:
        running = self._running.get(key)
        if running is None or utc_us() >= running.session.expires_us:
            raise Refused("this reveal is over")
        if running.session.who != by.name:
            raise Refused("this reveal is another person's")
        by.demand(Right.REVEAL, running.session.camera)
        return running

    async def _pieces(self, running: Running, number: int, chunk: Chunk | None) -> list[Piece]:
        """What one GOP becomes, or what is left at the end; nothing when another play has begun meanwhile."""
        messages = await self._ask(running, {"op": "gop" if chunk else "finish"}, chunk, play=number)
        pieces = [_piece(head, data) for head, data in messages if "done" not in head]
        for piece in pieces:
            running.shown.add(piece.utc_us, piece.utc_us + round(piece.duration_s * 1e6))
        return pieces

    async def _ask(
        self,
        running: Running,
        head: dict[str, Any],
        chunk: Chunk | None = None,
        *,
        play: int | None = None,
        body: bytes = b"",
    ) -> list[pipe.Message]:
        """Ask the process; nothing when `play` is not the newest any more. Raises as `Talk.ask`."""
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

    def _expire(self, key: str) -> None:
        task = asyncio.get_running_loop().create_task(self._end(key, "the time is up"), name=f"end-reveal-{key}")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _end(self, key: str, why: str) -> None:
        running = self._running.pop(key, None)
        if running is None:
            return
        if running.timer is not None:
            running.timer.cancel()
        await _kill(running)
        if running.request is not None and not running.viewed:
            self.approvals.give_back(running.request)
        counts = {name: value for name, value in asdict(running.session.verdicts).items() if name != "reason"}
        await self._log.write(
            running.session.who, "reveal-end", camera=running.session.camera, key=key, why=why,
            shown=str(running.shown), cards=" ".join(map(str, sorted(running.cards))) or None, **counts,
        )  # fmt: skip


def _piece(head: dict[str, Any], data: bytes) -> Piece:
    return Piece(head["mime"], head["utc_us"], head["start_s"], head["duration_s"], data)


def _unpacked(chunk: Chunk) -> Units:
    codec, units = access_units(chunk)
    return Units(codec.value, tuple(units))


async def _kill(running: Running) -> None:
    if running.talk is not None:
        await running.talk.kill()
