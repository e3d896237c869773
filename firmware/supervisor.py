"""One process per camera: started, watched, started again, ended together.

A camera that crashes takes nobody with it. Its process gets SIGTERM when this one goes, however it goes. A child that
ends is started again after a wait that doubles up to half a minute and is forgotten once it has run a minute; one that
ends with `CONFIG_EXIT` has nothing to try again: the operator must change something.
"""

import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from base import service

log = logging.getLogger(__name__)

CONFIG_EXIT = 78
"""EX_CONFIG of sysexits.h: the configuration is wrong."""

_FIRST_WAIT_S, _LONGEST_WAIT_S, _STEADY_S = 0.5, 30.0, 60.0
_GRACE_S = 4.0


async def supervise(command: Sequence[str], names: Sequence[str]) -> int:
    """Run `command --only NAME` for every name until SIGINT or SIGTERM.

    Returns:
        the exit status: 0 after a signal, `CONFIG_EXIT` when every camera gave up for its configuration.
    """
    watches = [asyncio.create_task(_watch([*command, "--only", name], name), name=name) for name in names]
    signal = asyncio.create_task(service.until_signal(), name="signal")
    everything = asyncio.gather(*watches, return_exceptions=True)
    service.notify("READY=1")
    waited: list[asyncio.Future[Any]] = [signal, everything]
    await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    service.notify("STOPPING=1")
    given_up = everything.done()
    for task in [signal, *watches]:
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await everything
    return CONFIG_EXIT if given_up else 0


async def _watch(command: Sequence[str], name: str) -> None:
    wait_s = _FIRST_WAIT_S
    while True:
        began_s = time.monotonic()
        child = await asyncio.create_subprocess_exec(*command)
        try:
            status = await child.wait()
        except asyncio.CancelledError:
            await _end(child, name)
            raise
        if status == CONFIG_EXIT:
            log.error("camera %s: its configuration cannot be used; not started again", name)
            return
        if time.monotonic() - began_s > _STEADY_S:
            wait_s = _FIRST_WAIT_S
        log.warning("camera %s ended with status %d; starting it again in %.1f s", name, status, wait_s)
        await asyncio.sleep(wait_s)
        wait_s = min(wait_s * 2, _LONGEST_WAIT_S)


async def _end(child: asyncio.subprocess.Process, name: str) -> None:
    """SIGTERM, and SIGKILL for a child that does not go in time."""
    with contextlib.suppress(ProcessLookupError):
        child.terminate()
    try:
        await asyncio.wait_for(child.wait(), _GRACE_S)
    except TimeoutError:
        log.warning("camera %s did not end within %.0f s and is killed", name, _GRACE_S)
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()


def self_command(config: Path) -> list[str]:
    """The command line that starts this program again on the same file."""
    return [sys.executable, "-m", "firmware", "--config", str(config)]
