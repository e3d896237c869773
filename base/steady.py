"""Work that goes on for as long as the process does, whatever one turn of it meets."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

BACK_OFF_S = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0)
_WELL_S = 120.0
"""After so long without a failure the next one counts as the first."""
log = logging.getLogger(__name__)


async def kept_up(what: str, run: Callable[[], Awaitable[None]], *, back_off_s: tuple[float, ...] = BACK_OFF_S) -> None:
    """Run `run`, and again with back-off whenever an exception ends it; returns when it ends by itself.

    A camera's answer, a full disk or a fault of our own ends one turn of one part; never the parts beside it.

    Args:
        what: the part, for the log.
    """
    failures = 0
    while True:
        began_mono_s = time.monotonic()
        try:
            return await run()
        except Exception:
            # Whatever it is: the parts of a process share one task group, in which one exception would end them all.
            failures = 1 if time.monotonic() - began_mono_s > _WELL_S else failures + 1
            wait_s = back_off_s[min(failures, len(back_off_s)) - 1]
            log.exception("%s failed and begins again in %g s", what, wait_s)
        await asyncio.sleep(wait_s)
