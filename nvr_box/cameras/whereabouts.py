"""Where a camera is now whose address changed: found again by its identity through discovery.

WS-Discovery's endpoint is the same for as long as a device lives (April 2005, 2.6). It is noted while the camera is at
its known address. A camera of ours is queried for its identifier instead, which needs no account.
"""

import time
from collections.abc import Awaitable, Callable, Sequence

from yarl import URL

from nvr_box.cameras.camera_store import CameraRow, CameraStore
from nvr_box.db import cameras as camera_rows
from nvr_box.db.database import Store
from onvif.discovery import DiscoveredDevice, discover

_ANEW_S = 60.0
_LEARN_S = 3600.0
_MOST_CANDIDATES = 16


class Whereabouts:
    """What the network answered last. Belongs to the event loop.

    Args:
        ask: the network for devices.
    """

    def __init__(
        self, store: Store, roster: CameraStore, ask: Callable[[], Awaitable[Sequence[DiscoveredDevice]]] = discover
    ) -> None:
        self._store, self._roster, self._ask = store, roster, ask
        self._answers: Sequence[DiscoveredDevice] = ()
        self._asked_mono_s: float | None = None

    async def note(self) -> None:
        """Note the endpoints of the cameras, now and then.

        Raises:
            StoreError: the disk or the database refused.
        """
        if self._asked_mono_s is None or time.monotonic() - self._asked_mono_s > _LEARN_S:
            await self._look()

    async def of(self, camera: CameraRow) -> tuple[str, ...]:
        """Addresses of device services where a lost camera may be now, none of them its known one.

        Raises:
            StoreError: the disk or the database refused.
        """
        if self._asked_mono_s is None or time.monotonic() - self._asked_mono_s > _ANEW_S:
            await self._look()
        taken = {_authority(each.xaddr) for each in self._roster.all() if each.device}
        endpoint = await self._endpoint(camera.camera)
        found = [
            next((xaddr for xaddr in each.xaddrs if URL(xaddr).host == each.address), each.xaddrs[0])
            for each in self._answers
            if each.xaddrs and (each.endpoint == endpoint if not camera.veilcam else True)
        ]
        return tuple(xaddr for xaddr in found if _authority(xaddr) not in taken)[:_MOST_CANDIDATES]

    async def _look(self) -> None:
        self._asked_mono_s = time.monotonic()
        try:
            answers = await self._ask()
        except OSError:
            return  # no network that can be searched: its cameras are found by their known addresses, or not
        self._answers = [each for each in answers if all(_authority(xaddr) for xaddr in each.xaddrs)]
        by_place = {_authority(xaddr): each.endpoint for each in self._answers for xaddr in each.xaddrs}
        rows = [
            (each.camera, by_place[_authority(each.xaddr)])
            for each in self._roster.all()
            if each.device and _authority(each.xaddr) in by_place
        ]

        if rows:
            # The first that was seen at its address stays: what answers there later may be another device.
            await self._store.write(lambda link: camera_rows.note_endpoints(link, rows))

    async def _endpoint(self, camera: int) -> str | None:
        return await self._store.read(lambda link: camera_rows.endpoint(link, camera))


def _authority(xaddr: str) -> str:
    try:
        url = URL(xaddr)
    except ValueError:
        return ""
    return url.authority if url.scheme in {"http", "https"} and url.host else ""
