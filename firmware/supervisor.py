"""One process per camera: started, watched, started again, ended together.

A camera that crashes takes no other with it. Its process gets SIGTERM when this one goes, however it goes. A child that
ends is started again after a wait that doubles up to half a minute and is forgotten once it has run a minute; one that
ends with `CONFIG_EXIT` has nothing to try again: the operator must change something. One that runs and makes no
progress (`firmware.progress`) is killed and counts as ended.

systemd hears READY when every camera serves, not before: until then the service is `activating`, and its status says
which camera is waited for. The watchdog is fed after a round in which every child was found at work, starting in time
or waiting to be started; a child that cannot even be killed starves it, and systemd ends the lot.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from base import service
from firmware import progress
from firmware.progress import ProgressWatch

log = logging.getLogger(__name__)

CONFIG_EXIT = 78
"""EX_CONFIG of sysexits.h: the configuration is wrong."""

_FIRST_WAIT_S, _LONGEST_WAIT_S, _STEADY_S = 0.5, 30.0, 60.0
_GRACE_S = 4.0
_ROUND_S = 0.5
_LATE_S = 5.0
_TRACE_S = 2.0
"""How long a stalled child gets to write where its threads are (faulthandler on SIGABRT) before SIGKILL."""
_DEAD_S = 10.0
"""A child that is still there so long after SIGKILL hangs in the kernel: nothing in this process can help."""
_EXTEND_S = 60
_OF_SYSTEMD = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}
"""Not for the children: `NotifyAccess=main` hears this process only."""


async def supervise(
    command: Sequence[str],
    names: Sequence[str],
    *,
    stall_s: float = progress.STALL_S,
    start_s: float = progress.START_S,
) -> int:
    """Run `command --only NAME` for every name until SIGINT or SIGTERM.

    Args:
        stall_s: a child that serves and reports no new picture for so long is killed and started again.
        start_s: the same for one that has not served yet.

    Returns:
        the exit status: 0 after a signal, `CONFIG_EXIT` when every camera gave up for its configuration.
    """
    children = [_Child([*command, "--only", name], name, stall_s, start_s) for name in names]
    runs = [asyncio.create_task(child.run(), name=child.name) for child in children]
    ended = asyncio.create_task(service.until_signal(), name="signal")
    everything = asyncio.gather(*runs, return_exceptions=True)
    rounds = asyncio.create_task(_rounds(children), name="rounds")
    waited: list[asyncio.Future[Any]] = [ended, everything, rounds]
    await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    service.notify("STOPPING=1")
    given_up = everything.done()
    for task in [ended, rounds, *runs]:
        task.cancel()
    _, broken, _ = await asyncio.gather(ended, rounds, everything, return_exceptions=True)
    if isinstance(broken, Exception):
        raise broken
    if given_up:
        service.notify(f"STATUS={_status(children)}")
    return CONFIG_EXIT if given_up else 0


async def _rounds(children: Sequence["_Child"]) -> None:
    """Judge every child again and again, and report to systemd what was found."""
    ready, said, extended_s, before_s = False, "", 0.0, time.monotonic()
    while True:
        now_s = time.monotonic()
        late, before_s = now_s - before_s > _LATE_S, now_s
        for child in children:
            child.judge(now_s, late=late)
        if not any(child.is_stuck(now_s) for child in children):
            service.notify("WATCHDOG=1")
        if (status := _status(children)) != said:
            said = status
            service.notify(f"STATUS={status}")
        if not ready and all(child.serving for child in children):
            ready = True
            log.info("every camera serves")
            service.notify("READY=1")
        elif not ready and any(child.serving for child in children) and now_s - extended_s > _EXTEND_S / 4:
            # One that cannot start shall not have those ended that record: systemd ends a start that takes too long.
            extended_s = now_s
            service.notify(f"EXTEND_TIMEOUT_USEC={_EXTEND_S * 1_000_000}")
        await asyncio.sleep(_ROUND_S)


def _status(children: Sequence["_Child"]) -> str:
    """One line for `systemctl status`."""
    serving = sum(child.serving for child in children)
    rest = "; ".join(f"{child.name}: {child.state}" for child in children if not child.serving)
    return f"{serving} of {len(children)} cameras serve" + (f"; {rest}" if rest else "")


@dataclass(slots=True)
class _Run:
    """One process of a child."""

    process: asyncio.subprocess.Process
    progress: ProgressWatch
    aborted_s: float | None = None
    killed_s: float | None = None


class _Child:
    """One camera's process, and the next one. Belongs to the event loop.

    Attributes:
        state: what keeps it from serving, for people.
    """

    def __init__(self, command: Sequence[str], name: str, stall_s: float, start_s: float) -> None:
        self.name, self.state = name, "starting"
        self._command, self._stall_s, self._start_s = command, stall_s, start_s
        self._run: _Run | None = None
        self._reason = ""

    @property
    def serving(self) -> bool:
        """Whether it runs, is not being killed, and masked pictures leave it."""
        return self._run is not None and self._run.aborted_s is None and self._run.progress.serving

    def is_stuck(self, now_s: float) -> bool:
        """Whether it was killed and does not go."""
        killed_s = self._run.killed_s if self._run is not None else None
        return killed_s is not None and now_s - killed_s > _DEAD_S

    def judge(self, now_s: float, *, late: bool) -> None:
        """Kill its process if it makes no progress; `late` when this round came long after the last."""
        run = self._run
        if run is None:
            return
        if late:
            run.progress.rest(now_s)
        if run.aborted_s is None and (why := run.progress.stalled(now_s)):
            self.state = self._reason = why
            log.error("camera %s is killed: %s", self.name, why)
            run.aborted_s = now_s
            _send(run.process, signal.SIGABRT)
        elif run.aborted_s is not None and run.killed_s is None and now_s - run.aborted_s > _TRACE_S:
            run.killed_s = now_s
            _send(run.process, signal.SIGKILL)

    async def run(self) -> None:
        """Until its configuration turns out to be wrong, or until cancelled."""
        wait_s = _FIRST_WAIT_S
        while True:
            began_s = time.monotonic()
            self._reason = ""
            status = await self._once()
            if status == CONFIG_EXIT:
                self.state = self._reason or "its configuration cannot be used"
                log.error("camera %s: its configuration cannot be used; not started again", self.name)
                return
            if time.monotonic() - began_s > _STEADY_S:
                wait_s = _FIRST_WAIT_S
            self.state = f"ended with status {status}" + (f" ({self._reason})" if self._reason else "")
            log.warning("camera %s ended with status %d; starting it again in %.1f s", self.name, status, wait_s)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S)

    async def _once(self) -> int:
        """One process from start to end; its exit status."""
        with _Pipe(self._on_report) as pipe:
            environment = {key: value for key, value in os.environ.items() if key not in _OF_SYSTEMD}
            child = await asyncio.create_subprocess_exec(
                *self._command, pass_fds=[pipe.write], env={**environment, progress.PIPE: str(pipe.write)}
            )
            self._run = _Run(child, ProgressWatch(time.monotonic(), stall_s=self._stall_s, start_s=self._start_s))
            try:
                status = await child.wait()
                pipe.drain()
            except asyncio.CancelledError:
                await _end(child, self.name)
                raise
            finally:
                self._run = None
        return status

    def _on_report(self, line: bytes) -> None:
        report = progress.parse(line)
        if isinstance(report, str):
            self._reason = report
        elif report is not None and self._run is not None:
            self._run.progress.record(report, time.monotonic())


class _Pipe:
    """A pipe whose lines go to `on_line`, on the event loop, until the block ends.

    Attributes:
        write: the end for the child.
    """

    def __init__(self, on_line: Callable[[bytes], None]) -> None:
        self._on_line, self._rest = on_line, b""
        self._read, self.write = os.pipe()
        os.set_blocking(self._read, False)

    def __enter__(self) -> Self:
        asyncio.get_running_loop().add_reader(self._read, self.drain)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._read)
        os.close(self._read)
        os.close(self.write)

    def drain(self) -> None:
        """Take what is there."""
        with contextlib.suppress(BlockingIOError):
            *lines, self._rest = (self._rest + os.read(self._read, 65536)).split(b"\n")
            self._rest = self._rest[-progress.LONGEST_LINE :]
            for line in lines:
                self._on_line(line)


async def _end(child: asyncio.subprocess.Process, name: str) -> None:
    """SIGTERM, and SIGKILL for a child that does not go in time."""
    _send(child, signal.SIGTERM)
    try:
        await asyncio.wait_for(child.wait(), _GRACE_S)
    except TimeoutError:
        log.warning("camera %s did not end within %.0f s and is killed", name, _GRACE_S)
        _send(child, signal.SIGKILL)
        await child.wait()


def _send(child: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(number)


def self_command(config: Path) -> list[str]:
    """The command line that starts this program again on the same file."""
    return [sys.executable, "-m", "firmware", "--config", str(config)]
