"""What a reveal shows, on every way to see something of it: played, as a still, a best shot, or handed to the page.

Each goes by what its session may show (`scope.py`) and never by what is requested; rights are read again at every
picture.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from typing import Any

from base.clock import utc_us
from base.errors import NotFound, RightRefused
from nvr_box.audit.log import Audit
from nvr_box.cameras.camera_store import CameraStore
from nvr_box.keys.store import KeyFolder
from nvr_box.record.access_units import access_units
from nvr_box.record.recordings import MediaSegment, RecordedGop, Recordings
from nvr_box.reveal.handed_keys import HandedKeys
from nvr_box.reveal.passphrase_throttle import PassphraseThrottle
from nvr_box.reveal.scope import EVERYTHING, Stretch
from nvr_box.reveal.session import RevealSession, Running, Units
from nvr_box.reveal.sessions import RevealSessions
from nvr_box.reveal.verdicts import Verdicts
from nvr_box.rights import Account
from nvr_box.search.passages import StoredShot
from wire.thumbnail import NO_ORIGINAL

__all__ = ["EVERYTHING", "RevealSession", "Reveals", "Stretch", "Verdicts"]


class Reveals(RevealSessions):
    """Sessions and what they show of the box's recordings."""

    def __init__(
        self,
        log: Audit,
        keys: KeyFolder,
        roster: CameraStore,
        recordings: Recordings,
        *,
        minutes: float,
        second_person: bool = False,
        account: Callable[[str], Account | None] | None = None,
        brake: PassphraseThrottle | None = None,
    ) -> None:
        super().__init__(log, keys, roster, minutes=minutes, second_person=second_person, account=account, brake=brake)
        self._recordings = recordings

    async def units(self, account: Account, key: str, start_us: int) -> AsyncGenerator[Units]:
        """Masked access units for a page that opens them itself, SEI untouched, from the GOP that shows `start_us` on.

        Goes on with what is being recorded until the session is over or plays something else; raises as `play`.
        """
        limits = self._own(account, key).session.scope
        limits.demand(start_us)
        running, number = await self._begin(account, key, start_us, in_browser=True)

        def follow() -> bool:
            return self._on(running, number) and utc_us() < limits.end_us

        async for chunk in self._recordings.chunks(limits.camera, start_us, limits.end_us, follow=follow):
            part = await asyncio.to_thread(_unpacked, chunk)
            if running.plays != number:
                return
            self._own(account, key)
            if part.units:
                running.shown.add(part.units[0].utc_us, part.units[-1].utc_us)
                yield part
        if running.plays == number:
            self._own(account, key)  # an end of the session is not one of the recording

    def report_verdicts(self, account: Account, key: str, verdicts: Verdicts) -> None:
        """What the page's own reader says of the pictures so far; for reveals that it opens itself."""
        running = self._own(account, key)
        if running.session.in_browser:
            running.session = replace(running.session, verdicts=verdicts)

    def handed(self, account: Account, key: str) -> HandedKeys:
        """What a page that opens this session itself is given; nothing in it is in clear.

        Raises:
            Refused: the session is over, another person's, or opened on the box.
        """
        found = self._own(account, key).handed
        if found is None:
            raise RightRefused("this reveal is opened on the box")
        return found

    async def play(
        self, account: Account, key: str, start_us: int | None = None, end_us: int | None = None
    ) -> AsyncGenerator[MediaSegment]:
        """Recorded pieces with the originals restored and the watermark drawn, re-encoded as H.264.

        From `start_us`, or where the session begins, to the picture. A second play of the same session ends the first.
        Without `end_us` it goes on with what is being recorded, until the session or its stretch of time is over.

        Raises:
            Refused: the session is over or another person's, or its stretch of time is another.
        """
        limits = self._own(account, key).session.scope
        start_us = limits.begin_us if start_us is None else start_us
        limits.demand(start_us, end_us)
        until_us = limits.end_us if end_us is None else end_us
        running, number = await self._begin(account, key, start_us, in_browser=False)
        await self._ask(running, _looking("play", running.session, start_us, until_us))

        def follow() -> bool:
            return end_us is None and self._on(running, number) and utc_us() < until_us

        # One person is found where they are at one time: the recording is read from then on.
        read_us = start_us if limits.whole else limits.begin_us
        async for chunk in self._recordings.chunks(limits.camera, read_us, until_us, follow=follow):
            for piece in await self._pieces(running, number, chunk):
                self._own(account, key)
                yield piece
            if running.plays != number:
                return
        for piece in await self._pieces(running, number, None):
            self._own(account, key)
            yield piece

    async def still(self, account: Account, key: str, at_us: int) -> bytes:
        """One revealed, watermarked JPEG of what the session may show at `at_us`.

        Raises:
            Refused: the session is over or another person's, or its stretch of time is another.
            StoreError: nothing is recorded there.
        """
        limits = self._own(account, key).session.scope
        limits.demand(at_us)
        shown = await self._recordings.showing(limits.camera, at_us)
        running = await self._view(account, key, at_us, in_browser=False)
        async with running.looking:
            await self._ask(running, _looking("look", running.session, limits.start_us, limits.end_us))
            step = {"op": "still", "utc_us": at_us}
            if limits.whole:
                await self._ask(running, step, shown)
            else:
                async for chunk in self._recordings.chunks(limits.camera, limits.begin_us, at_us + 1):
                    await self._ask(running, step, chunk)
            jpeg = (await self._ask(running, {"op": "jpeg"}))[-1][1]
        self._own(account, key)  # it may have ended meanwhile
        running.shown.add(at_us, at_us)
        return jpeg

    async def card(self, account: Account, key: str, shot: StoredShot) -> bytes:
        """A stored best shot for a reveal of its camera: opened and marked, or, where the page opens, as it is stored.

        Raises:
            Refused: the session is over, another person's, another camera's or of another time, or shows one person
                only.
            StoreError: it stays masked; the message says why.
        """
        running = self._own(account, key)
        session = running.session
        if shot.camera != session.camera:
            raise RightRefused("this reveal is of another camera")
        if not session.scope.whole:
            raise RightRefused("this reveal shows one person only; others may stand beside them in a best shot")
        session.scope.demand(shot.best_us)
        if not shot.recoverable:
            raise NotFound(f"this best shot stays masked: {NO_ORIGINAL}")
        await self._view(account, key, shot.best_us, in_browser=session.in_browser)
        jpeg = shot.jpeg
        if not session.in_browser:
            wanted = {"op": "card", **session.of_camera}
            jpeg = (await self._ask(running, wanted, body=shot.jpeg))[-1][1]
        self._own(account, key)  # it may have ended meanwhile
        running.cards.add(shot.packet)
        running.shown.add(shot.best_us, shot.best_us)
        return jpeg

    async def _begin(self, account: Account, key: str, start_us: int, *, in_browser: bool) -> tuple[Running, int]:
        """Another play of a session, which ends the one before; its number."""
        running = await self._view(account, key, start_us, in_browser=in_browser)
        running.plays += 1
        return running, running.plays

    async def _view(self, account: Account, key: str, at_us: int, *, in_browser: bool) -> Running:
        """The session, with the entry that something of it is shown; the entry of its end says what was."""
        running = self._own(account, key)
        if running.session.in_browser != in_browser:
            raise RightRefused(
                "this reveal is opened " + ("by the page itself" if running.session.in_browser else "on the box")
            )
        if not running.opened:
            raise RightRefused("this reveal is not open: no passphrase has opened anything in the page yet")
        if not running.viewed:
            running.viewed = True
            await self._log.write(account.name, "reveal-view", camera=running.session.camera, key=key, start_us=at_us)
        return running

    def _on(self, running: Running, number: int) -> bool:
        return running.plays == number and running.session.key in self._running

    async def _pieces(self, running: Running, number: int, chunk: RecordedGop | None) -> list[MediaSegment]:
        """What one GOP becomes, or what is left at the end; nothing when another play has begun meanwhile."""
        messages = await self._ask(running, {"op": "gop" if chunk else "finish"}, chunk, play=number)
        pieces = [_piece(head, data) for head, data in messages if "done" not in head]
        for piece in pieces:
            if not piece.mime:
                running.shown.add(piece.utc_us, piece.utc_us + round(piece.duration_s * 1e6))
        return pieces


def _looking(op: str, session: RevealSession, from_us: int, until_us: int) -> dict[str, Any]:
    """How a play or a look begins."""
    return {
        "op": op, **session.of_camera, "from_us": from_us, "until_us": until_us,
        "point": session.scope.point, "point_us": session.scope.begin_us,
    }  # fmt: skip


def _piece(head: dict[str, Any], data: bytes) -> MediaSegment:
    return MediaSegment(head["mime"], head["utc_us"], head["start_s"], head["duration_s"], data)


def _unpacked(chunk: RecordedGop) -> Units:
    codec, units = access_units(chunk)
    return Units(codec.value, tuple(units))
