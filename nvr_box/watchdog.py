"""systemd's watchdog, fed from the event loop for as long as every recorder's thread turns.

A thread cannot be ended from outside. One that hangs (a disk that answers no more, a fault of a library) records
nothing ever again, so the box lets the watchdog run out: systemd ends it and starts it again, which costs the other
cameras the seconds of a restart. An event loop that hangs does not feed it either.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from base import service

log = logging.getLogger(__name__)
EVERY_S = 2.0
STUCK_S = 120.0
"""A recorder's longest turn without a packet is a stream of metadata alone, 60 s, after an opening of 30 s."""


async def feed(stuck: Callable[[float], Sequence[str]], status: Callable[[], str]) -> None:
    """Until cancelled.

    Args:
        stuck: the recorders that have not turned for so many seconds, as people know them.
        status: one line for `systemctl status`.
    """
    said = ""
    while True:
        if names := stuck(STUCK_S):
            line = f"recording hangs, and the box waits to be started again: {', '.join(names)}"
        else:
            service.notify("WATCHDOG=1")
            line = status()
        if line != said:
            said = line
            service.notify(f"STATUS={line}")
            if names:
                log.error("%s", line)
        await asyncio.sleep(EVERY_S)
