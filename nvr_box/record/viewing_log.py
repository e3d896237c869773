"""Which account is viewing which camera's recording: however often it seeks, one viewing is two entries in the log.

The first is written before anything is shown, the last when that account made no request for a minute; it says which
stretches were sent. A box that is killed in between leaves the first without the last.
"""

import asyncio
import logging
from dataclasses import dataclass, field

from base.errors import StoreError
from nvr_box.audit.log import Audit, Detail
from nvr_box.record.viewed_ranges import ViewedRanges

log = logging.getLogger(__name__)
_APART_S = 60.0


@dataclass(slots=True)
class Viewing:
    """One that is on. `readers` are the streams that are open."""

    account: str
    camera: int
    via: str = "page"
    readers: int = 0
    shown: ViewedRanges = field(default_factory=ViewedRanges)
    timer: asyncio.TimerHandle | None = None


class ViewingLog:
    """Those of one box. Belongs to the event loop.

    Args:
        apart_s: after so long without a stream a viewing has ended.
    """

    def __init__(self, audit: Audit, apart_s: float = _APART_S) -> None:
        self._audit, self._apart_s = audit, apart_s
        self._on: dict[tuple[str, int, str], Viewing] = {}
        self._beginning = asyncio.Lock()
        self._ending: set[asyncio.Task[None]] = set()

    async def begin(self, actor: str, camera: int, start_us: int, *, via: str = "page") -> Viewing:
        """A stream begins; raises StoreError when its viewing could not be written down.

        Args:
            via: page or rtsp; their users are not the same people.
        """
        async with self._beginning:
            viewing = self._on.get((actor, camera, via))
            if viewing is None:
                how: dict[str, Detail] = {} if via == "page" else {"via": via}
                how["start_us"] = start_us
                await self._audit.write(actor, "view-recording", camera=camera, reason="", granted=True, **how)
                viewing = self._on[actor, camera, via] = Viewing(actor, camera, via)
            viewing.readers += 1
            if viewing.timer is not None:
                viewing.timer.cancel()
        return viewing

    def left(self, viewing: Viewing) -> None:
        """A stream of this viewing ended."""
        viewing.readers -= 1
        if viewing.readers == 0:
            viewing.timer = asyncio.get_running_loop().call_later(self._apart_s, self._over, viewing)

    async def close(self) -> None:
        """Write the end of those that are on."""
        for viewing in tuple(self._on.values()):
            self._over(viewing)
        await asyncio.gather(*self._ending)

    def _over(self, viewing: Viewing) -> None:
        if viewing.timer is not None:
            viewing.timer.cancel()
        if self._on.get((viewing.account, viewing.camera, viewing.via)) is viewing:
            del self._on[viewing.account, viewing.camera, viewing.via]
            task = asyncio.get_running_loop().create_task(self._write(viewing), name="end of viewing")
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def _write(self, viewing: Viewing) -> None:
        try:
            await self._audit.write(
                viewing.account, "view-recording-end", camera=viewing.camera, shown=str(viewing.shown)
            )
        except StoreError as error:
            log.error("the end of a viewing is not in the audit log: %s", error)  # noqa: TRY400 - for an operator
