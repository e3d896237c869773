"""Asking for a reveal, being refused or granted, and watching it until the time is up."""

import asyncio
import contextlib
import logging
import os
import secrets
import sys
import time
from collections.abc import AsyncGenerator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from nvr_box.audit import Audit
from nvr_box.cameras.roster import Camera, Roster
from nvr_box.clock import utc_us
from nvr_box.keys import Keys
from nvr_box.record.recordings import Chunk, Piece, Recordings
from nvr_box.reveal import pipe
from nvr_box.reveal.verdicts import Verdicts
from nvr_box.rights import Account, Refused, Right
from wire.base.errors import StoreError, WireError

__all__ = ["RevealSession", "Reveals", "Verdicts"]

log = logging.getLogger(__name__)
LEAST_REASON = 8
_FREE_FAILURES, _BRAKE_S = 5, 60.0
_ANSWER_S = 30.0
_END_S = 2.0


@dataclass(frozen=True, slots=True)
class RevealSession:
    """A reveal that is on. `watermark` is what every revealed picture shows."""

    key: str
    who: str
    camera: int
    reason: str
    started_us: int
    expires_us: int
    watermark: str
    verdicts: Verdicts


class _Gone(Refused):
    """The process has ended, as it does when the time is up."""


@dataclass(slots=True)
class _Running:
    """The process of one session. `turn` is held by whoever talks to it."""

    session: RevealSession
    process: asyncio.subprocess.Process
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    plays: int = 0
    timer: asyncio.TimerHandle | None = None


class Reveals:
    """Time-boxed reveals, each in a process that alone holds the private key. Needs `REVEAL` for the camera."""

    def __init__(self, log_: Audit, keys: Keys, roster: Roster, recordings: Recordings, *, minutes: float) -> None:
        self._log, self._keys, self._roster, self._recordings = log_, keys, roster, recordings
        self._minutes = minutes
        self._running: dict[str, _Running] = {}
        self._failures: dict[str, tuple[int, float]] = {}
        self._ending: set[asyncio.Task[None]] = set()

    async def start(
        self,
        by: Account,
        camera: int,
        *,
        reason: str,
        passphrase: str,
        second_passphrase: str = "",
        minutes: float | None = None,
    ) -> RevealSession:
        """Unlock the reveal key with `passphrase` in a new process, for at most the configured time.

        Args:
            second_passphrase: another operator's, where dual control asks for two.

        Raises:
            Refused: right, reason (at least 8 characters) or passphrase; each refusal has its audit entry.
            StoreError: there is no such camera, the process does not start, or nothing can be written down.
        """
        reason = " ".join(reason.split())
        try:
            by.demand(Right.REVEAL, camera)
            by.demand(Right.VIEW, camera)
            known = self._roster.get(camera)
            if len(reason) < LEAST_REASON:
                raise Refused(f"a reason of at least {LEAST_REASON} characters is needed")
            self._brake(by.name)
            passphrases = [each for each in (passphrase, second_passphrase) if each]
            longest = min(minutes or self._minutes, self._minutes)
            running = await self._unlock(by, known, reason, passphrases, minutes=longest)
        except Refused as refusal:
            await self._log.write(by.name, "reveal", camera=camera, reason=reason, granted=False, why=str(refusal))
            raise
        session = running.session
        try:
            await self._log.write(
                by.name, "reveal", camera=camera, reason=reason, key=session.key, expires_us=session.expires_us
            )
        except StoreError:
            await _kill(running.process)
            raise
        self._running[session.key] = running
        loop = asyncio.get_running_loop()
        running.timer = loop.call_later((session.expires_us - utc_us()) / 1e6, self._expire, session.key)
        return session

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
        running = self._own(by, key)
        session = running.session
        await self._log.write(
            by.name, "reveal-view", camera=session.camera, key=key, start_us=start_us, whole=point is None
        )
        running.plays += 1
        number = running.plays
        camera = self._roster.get(session.camera)
        begin = {"op": "play", "signing_key": camera.signing_key, "from_us": start_us, "point": point}
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
        running = self._own(by, key)
        session = running.session
        chunk = await self._recordings.showing(session.camera, utc_us)
        await self._log.write(by.name, "reveal-view", camera=session.camera, key=key, at_us=utc_us)
        camera = self._roster.get(session.camera)
        begin = {"op": "still", "signing_key": camera.signing_key, "from_us": utc_us, "point": point, "utc_us": utc_us}
        return (await self._ask(running, begin, chunk))[-1][1]

    def active(self, by: Account) -> tuple[RevealSession, ...]:
        """The sessions of `by` that are on."""
        return tuple(each.session for each in self._running.values() if each.session.who == by.name)

    async def end(self, by: Account, key: str) -> None:
        """End it now: the process is gone when this returns; ending twice is nothing."""
        running = self._running.get(key)
        if running is None:
            return
        if running.session.who != by.name and not by.may(Right.ADMIN):
            raise Refused("this reveal is another person's")
        await self._end(key, "ended")

    async def close(self) -> None:
        """End every reveal: the box stops."""
        for key in tuple(self._running):
            await self._end(key, "the box stops")
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def _unlock(
        self, by: Account, camera: Camera, reason: str, passphrases: list[str], *, minutes: float
    ) -> _Running:
        sealed = self._keys.sealed()
        if not sealed.operators:
            raise Refused("this box holds no reveal key")
        now_us = utc_us()
        expires_us = now_us + int(minutes * 60e6)
        when = datetime.fromtimestamp(now_us / 1e6, UTC)
        mark = f"{by.name}  {when:%Y-%m-%d %H:%M:%S}Z  {camera.name}".encode("ascii", "replace").decode()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "nvr_box.reveal.process",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if name in _ENVIRONMENT},
            limit=1 << 20,
        )
        session = RevealSession(
            secrets.token_urlsafe(12), by.name, camera.camera, reason, now_us, expires_us, mark, Verdicts()
        )
        running = _Running(session, process)
        unlock = {
            "op": "unlock",
            "operators": [str(path) for path in sealed.operators],
            "days": [str(path) for path in sealed.days],
            "passphrases": passphrases,
            "mark": mark,
            "seconds": minutes * 60,
        }
        try:
            await self._ask(running, unlock)
        except _Gone as gone:
            await _kill(process)
            raise StoreError("the reveal process could not be started; the box's log says why") from gone
        except Refused:
            await _kill(process)
            count, _ = self._failures.get(by.name, (0, 0.0))
            self._failures[by.name] = (count + 1, time.monotonic())
            raise
        self._failures.pop(by.name, None)
        return running

    def _brake(self, name: str) -> None:
        count, last_mono_s = self._failures.get(name, (0, 0.0))
        wait_s = last_mono_s + _BRAKE_S - time.monotonic()
        if count >= _FREE_FAILURES and wait_s > 0:
            raise Refused(f"too many wrong passphrases; try again in {wait_s:.0f} s")

    def _own(self, by: Account, key: str) -> _Running:
        running = self._running.get(key)
        if running is None or utc_us() >= running.session.expires_us:
            raise Refused("this reveal is over")
        if running.session.who != by.name:
            raise Refused("this reveal is another person's")
        by.demand(Right.REVEAL, running.session.camera)
        return running

    async def _pieces(self, running: _Running, number: int, chunk: Chunk | None) -> list[Piece]:
        """What one GOP becomes, or what is left at the end; nothing when another play has begun meanwhile."""
        async with running.turn:
            if running.plays != number:
                return []
            messages = await self._exchange(running, {"op": "gop" if chunk else "finish"}, chunk)
        return [_piece(head, data) for head, data in messages if "done" not in head]

    async def _ask(self, running: _Running, head: dict[str, Any], chunk: Chunk | None = None) -> list[pipe.Message]:
        async with running.turn:
            return await self._exchange(running, head, chunk)

    async def _exchange(self, running: _Running, head: dict[str, Any], chunk: Chunk | None) -> list[pipe.Message]:
        """Ask the process and collect its answers up to the last.

        Raises:
            Refused: a key or passphrase does not fit, or the process is gone, as it is when the time is up.
            StoreError: what is recorded does not decode.
        """
        body = b""
        if chunk is not None:
            body = chunk.init + b"".join(data for _, data in chunk.fragments)
            head = {**head, "init": len(chunk.init), "segment_us": chunk.segment_us}
        process = running.process
        assert process.stdin is not None
        assert process.stdout is not None
        answers: list[pipe.Message] = []
        try:
            async with asyncio.timeout(_ANSWER_S):
                process.stdin.write(pipe.pack(head, body))
                await process.stdin.drain()
                while not answers or not answers[-1][0].get("done"):
                    answers.append(await pipe.receive(process.stdout))
        except (WireError, OSError) as error:
            raise _Gone("this reveal is over: its process has ended") from error
        except TimeoutError as error:
            await self._end(running.session.key, "its process does not answer")
            raise Refused("this reveal is over: its process does not answer") from error
        last = answers[-1][0]
        if "verdicts" in last:
            running.session = replace(running.session, verdicts=Verdicts(**last["verdicts"]))
        if "error" in last:
            raise Refused(last["error"]) if last["refused"] else StoreError(last["error"])
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
        await _kill(running.process)
        counts = {name: value for name, value in asdict(running.session.verdicts).items() if name != "reason"}
        await self._log.write(
            running.session.who, "reveal-end", camera=running.session.camera, key=key, why=why, **counts
        )


_ENVIRONMENT = ("PATH", "HOME", "LANG", "PYTHONPATH", "JOURNAL_STREAM", "OMP_NUM_THREADS", "VIRTUAL_ENV")


def _piece(head: dict[str, Any], data: bytes) -> Piece:
    return Piece(head["mime"], head["utc_us"], head["start_s"], head["duration_s"], data)


async def _kill(process: asyncio.subprocess.Process) -> None:
    """The keys are in its memory: it gets no time to put anything in order."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_END_S):
            await process.wait()
