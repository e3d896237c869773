"""Hearing what a recorded camera tells over ONVIF: one pull point per camera, again and again until told to stop."""

import asyncio
import contextlib
import logging
from datetime import timedelta

from nvr_box.cameras.roster import Camera
from nvr_box.clock import utc_us
from nvr_box.record.events import Events, Items, Past, fit, kept
from nvr_box.record.source import CLOCK_TOLERANCE_S
from onvif.client import Camera as Device
from onvif.errors import OnvifError
from onvif.notifications import Notification
from wire.base.errors import Error
from wire.base.logs import printable

log = logging.getLogger(__name__)
_LIFE_S, _WAIT_S, _FAREWELL_S = 60, 10, 1.0
_BACK_OFF_S = (1.0, 2.0, 5.0, 15.0, 30.0)


class Listening:
    """The listeners that run. Belongs to the event loop."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def start(self, camera: Camera, password: str) -> None:
        """Keep the events of `camera` until `stop`; a source without ONVIF has none."""
        if camera.xaddr and camera.camera not in self._tasks:
            work = Listener(self._events, camera, password).run()
            self._tasks[camera.camera] = asyncio.create_task(work, name=f"events-{camera.camera}")

    async def stop(self, *cameras: int) -> None:
        """End the listeners of these cameras, or of all when none is named."""
        tasks = [self._tasks.pop(camera) for camera in cameras or tuple(self._tasks) if camera in self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Listener:
    """One camera's."""

    def __init__(self, events: Events, camera: Camera, password: str) -> None:
        self._events, self._camera, self._password = events, camera, password
        self._states: dict[tuple[str, Items, Items], Items] = {}
        self._failures = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                if not self._states:
                    known = await self._events.states(self._camera.camera, utc_us())
                    self._states = {each.place: each.data for each in known}
                await self._listen()
            except (OnvifError, Error, OSError, TimeoutError) as error:
                log.debug("%s: no events: %s", self._camera.name, printable(str(error)))
            await asyncio.sleep(_BACK_OFF_S[min(self._failures, len(_BACK_OFF_S) - 1)])
            self._failures += 1

    async def _listen(self) -> None:
        """One subscription, until it breaks."""
        async with await Device.connect(self._camera.xaddr, self._camera.user, self._password) as device:
            point = await device.pull_point(life_s=_LIFE_S)
            try:
                while True:
                    told = await point.pull(wait_s=_WAIT_S)
                    self._failures = 0
                    await self._events.add(self.news(told, device.clock_offset))
                    await point.renew()
            finally:
                # A camera that is gone need not be told; nobody waits for it.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_FAREWELL_S):
                        await point.close()

    def news(self, told: tuple[Notification, ...], offset: timedelta) -> list[Past]:
        """What of it is new: a state that a camera repeats when somebody subscribes is known already.

        Args:
            offset: the camera's clock minus ours; small ones are left, as they are in its pictures.
        """
        found = []
        for each in told:
            event = _past(self._camera.camera, each, offset)
            if not kept(event) or (event.operation == "Initialized" and self._states.get(event.place) == event.data):
                continue
            if event.operation == "Deleted":
                self._states.pop(event.place, None)
            elif event.operation:
                self._states[event.place] = event.data
            found.append(event)
        return found


def _past(camera: int, told: Notification, offset: timedelta) -> Past:
    now_us = utc_us()
    at_us = now_us
    if told.utc is not None:
        away_us = int(offset.total_seconds() * 1e6) if abs(offset.total_seconds()) > CLOCK_TOLERANCE_S else 0
        at_us = min(int(told.utc.timestamp() * 1_000_000) - away_us, now_us)
    source, key, data = (
        tuple((printable(name, limit=64), printable(value, limit=256)) for name, value in part.items())
        for part in (told.source, told.key, told.data)
    )
    operation = told.operation if told.operation in {"Initialized", "Changed", "Deleted"} else ""
    return Past(camera, max(at_us, 0), printable(told.topic, limit=300), operation, source, key, fit(data))
