"""Hearing what a recorded camera tells: by a pull point over ONVIF, or in the metadata of a stream alone."""

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from datetime import timedelta

from base.clock import utc_us
from base.errors import Error
from base.logs import printable
from base.steady import kept_up
from nvr_box.cameras.camera_store import CameraRow
from nvr_box.cameras.device import signed_in
from nvr_box.cameras.sign_ins import SignIn
from nvr_box.record.events import Events, Items, StoredEvent, fit, kept
from nvr_box.record.source import CLOCK_TOLERANCE_S
from onvif import metadata
from onvif.notifications import Notification, read_notifications

log = logging.getLogger(__name__)
_LIFE_S, _WAIT_S, _FAREWELL_S = 60, 10, 1.0
_MOST_WAITING = 100
_BACK_OFF_S = (1.0, 2.0, 5.0, 15.0, 30.0)


class EventIngest:
    """The listeners that run. Belongs to the event loop."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._overhearing: dict[int, MetadataEvents] = {}

    def start(self, camera: CameraRow, password: str, sign_in: SignIn | None = None) -> None:
        """Keep the events of `camera` until `stop`: those it tells over ONVIF, else those in its metadata stream."""
        if camera.camera in self._tasks:
            return
        if camera.device:
            run = EventListener(self._events, camera, password, sign_in or SignIn()).run
        else:
            self._overhearing[camera.camera] = MetadataEvents(self._events, camera.camera)
            run = self._overhearing[camera.camera].run
        work = kept_up(f"listening to camera {camera.camera}", run)
        self._tasks[camera.camera] = asyncio.create_task(work, name=f"events-{camera.camera}")

    def overhear(self, camera: int, document: bytes) -> None:
        """A metadata document with events from the stream of a recording."""
        overhearing = self._overhearing.get(camera)
        if overhearing is not None:
            overhearing.offer(document)

    async def stop(self, *cameras: int) -> None:
        """End the listeners of these cameras, or of all when none is named."""
        tasks = [self._tasks.pop(camera) for camera in cameras or tuple(self._tasks) if camera in self._tasks]
        for camera in cameras or tuple(self._overhearing):
            self._overhearing.pop(camera, None)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class EventListener:
    """One camera's."""

    def __init__(self, events: Events, camera: CameraRow, password: str, sign_in: SignIn) -> None:
        self._events, self._camera, self._password, self._sign_in = events, camera, password, sign_in
        self._news = EventDeduplicator(events, camera.camera)
        self._failures = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._listen()
            except (Error, OSError, TimeoutError) as error:
                log.debug("%s: no events: %s", self._camera.name, printable(str(error)))
            await asyncio.sleep(_BACK_OFF_S[min(self._failures, len(_BACK_OFF_S) - 1)])
            self._failures += 1

    async def _listen(self) -> None:
        """One subscription, until it breaks."""
        async with await signed_in(self._camera.xaddr, self._camera.user, self._password, self._sign_in) as device:
            point = await device.pull_point(life_s=_LIFE_S)
            try:
                while True:
                    notifications = await point.pull(wait_s=_WAIT_S)
                    self._failures = 0
                    await self._news.add(notifications, device.clock_offset)
                    await point.renew()
            finally:
                # A camera that is gone need not be notified; nothing waits for it.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_FAREWELL_S):
                        await point.close()


class MetadataEvents:
    """What a source without ONVIF services tells in its metadata stream. Belongs to the event loop."""

    def __init__(self, events: Events, camera: int) -> None:
        self._news = EventDeduplicator(events, camera)
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(_MOST_WAITING)

    def offer(self, document: bytes) -> None:
        """A metadata document with events; let go when the history cannot keep up."""
        with contextlib.suppress(asyncio.QueueFull):
            self._waiting.put_nowait(document)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                notifications = await asyncio.to_thread(_notifications_in, await self._waiting.get())
                await self._news.add(notifications, timedelta())
            except Error as error:
                log.debug("events of a stream: %s", printable(str(error)))


class EventDeduplicator:
    """Keeps what is new of one camera's events: a state that it repeats to each subscriber is known already."""

    def __init__(self, events: Events, camera: int) -> None:
        self._events, self._camera = events, camera
        self._states: dict[tuple[str, Items, Items], Items] | None = None

    async def add(self, notifications: Iterable[Notification], offset: timedelta) -> None:
        """Keep it.

        Args:
            offset: the camera's clock minus ours; small ones are left, as they are in its pictures.

        Raises:
            StoreError: the disk or the database refused.
        """
        if self._states is None:
            known = await self._events.states(self._camera, utc_us())
            self._states = {each.place: each.data for each in known}
        found = []
        for each in notifications:
            event = _past(self._camera, each, offset)
            if not kept(event) or (event.operation == "Initialized" and self._states.get(event.place) == event.data):
                continue
            if event.operation == "Deleted":
                self._states.pop(event.place, None)
            elif event.operation:
                self._states[event.place] = event.data
            found.append(event)
        await self._events.add(found)


def _notifications_in(document: bytes) -> tuple[Notification, ...]:
    return read_notifications(metadata.parse_root(document))


def _past(camera: int, notification: Notification, offset: timedelta) -> StoredEvent:
    now_us = utc_us()
    at_us = now_us
    if notification.utc is not None:
        away_us = int(offset.total_seconds() * 1e6) if abs(offset.total_seconds()) > CLOCK_TOLERANCE_S else 0
        at_us = min(int(notification.utc.timestamp() * 1_000_000) - away_us, now_us)
    source, key, data = (
        tuple((printable(name, limit=64), printable(value, limit=256)) for name, value in part.items())
        for part in (notification.source, notification.key, notification.data)
    )
    operation = notification.operation if notification.operation in {"Initialized", "Changed", "Deleted"} else ""
    return StoredEvent(
        camera, max(at_us, 0), printable(notification.topic, limit=300), operation, source, key, fit(data)
    )
