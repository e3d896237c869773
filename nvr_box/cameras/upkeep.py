"""What goes on by itself with the cameras: counting what is kept, telling them new keys, finding them again."""

import asyncio
import itertools
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from nvr_box.cameras import pairing
from nvr_box.cameras.feeds import Feeds
from nvr_box.cameras.introduction import Introduction
from nvr_box.cameras.recorders import Recorders
from nvr_box.cameras.rekey import rekeyed
from nvr_box.cameras.roster import Camera, Roster
from nvr_box.cameras.trial import best_profile
from nvr_box.record.segments import Segments
from onvif.client import Camera as Device
from onvif.errors import OnvifError
from wire.base.errors import ConfigError, PeerError, StoreError
from wire.base.logs import printable

log = logging.getLogger(__name__)
_COUNT_EVERY_S = 5.0
# A lost camera is asked anew over ONVIF after this many counts.
_LOOK_EVERY = 3
_LONGEST_VISIT_S = 60.0
_BOX = "the box"


@dataclass(frozen=True, slots=True)
class _Rest:
    """Until when a camera is left alone that answered with what nothing here expects."""

    seconds: float = 0.0
    until_mono_s: float = 0.0

    def longer(self) -> "_Rest":
        seconds = min(600.0, max(30.0, self.seconds * 2))
        return _Rest(seconds, time.monotonic() + seconds)


class Upkeep:
    """Belongs to the event loop.

    Args:
        start: begins to record a camera, from wherever it is to be recorded now.
    """

    def __init__(
        self,
        roster: Roster,
        introduction: Introduction,
        segments: Segments,
        *,
        feeds: Feeds,
        recorders: Recorders,
        start: Callable[[Camera], None],
    ) -> None:
        self._roster, self._segments, self._introduction = roster, segments, introduction
        self._feeds, self._recorders, self._start = feeds, recorders, start
        self._usage: dict[int, tuple[int, int | None, int]] = {}
        self._visits: dict[int, asyncio.Task[None]] = {}
        self._rests: dict[int, _Rest] = {}

    def usage(self, camera: int) -> tuple[int, int | None, int]:
        """Bytes, oldest picture (UTC microseconds) and passages of a camera; up to five seconds old."""
        return self._usage.get(camera, (0, None, 0))

    async def run(self) -> None:
        """Until cancelled."""
        try:
            for turn in itertools.count(1):
                try:
                    await self._count()
                except StoreError as error:
                    # Recording goes on without the numbers; the next turn may find the disk well again.
                    log.error("cameras: %s", error)  # noqa: TRY400 - an operator's sentence, not a bug's trace
                if turn % _LOOK_EVERY == 0:
                    self._visit_all()
                await asyncio.sleep(_COUNT_EVERY_S)
        finally:
            visits = tuple(self._visits.values())
            for visit in visits:
                visit.cancel()
            await asyncio.gather(*visits, return_exceptions=True)

    def _visit_all(self) -> None:
        """Each camera in a task of its own, so that one that answers slowly or oddly keeps nobody waiting."""
        for camera in self._roster.all():
            number = camera.camera
            if number in self._visits or time.monotonic() < self._rests.get(number, _Rest()).until_mono_s:
                continue
            visit = asyncio.create_task(self._visit(camera), name=f"visit-{number}")
            self._visits[number] = visit
            visit.add_done_callback(lambda _, number=number: self._visits.pop(number, None))  # type: ignore[misc]  # mypy cannot infer a lambda with a default

    async def _visit(self, camera: Camera) -> None:
        try:
            async with asyncio.timeout(_LONGEST_VISIT_S):
                await self._tell_keys(camera)
                await self._look_after(camera)
        except (StoreError, TimeoutError) as error:
            log.warning("%s: %s", camera.name, error or "it answers too slowly to be looked after")
        except Exception:
            # Whatever a camera answers: it is left alone for a while, the others and the recorders go on.
            rest = self._rests.get(camera.camera, _Rest()).longer()
            self._rests[camera.camera] = rest
            log.exception("%s: looking after it failed; next try in %g s", camera.name, rest.seconds)
        else:
            self._rests.pop(camera.camera, None)

    async def _count(self) -> None:
        for camera in self._roster.all():
            size, oldest = await self._segments.usage(camera.camera)
            self._usage[camera.camera] = size, oldest, await self._roster.packets(camera.camera)

    async def _tell_keys(self, camera: Camera) -> None:
        """Every day, and whenever an operator's key came or went, cameras are given the keys anew."""
        wanted = self._introduction.sealed_to
        now = self._recorders.now(camera.camera)
        told = not wanted or not camera.paired or camera.sealed_to == wanted
        if told or now is None or not now.connected:
            return
        try:
            await rekeyed(self._roster, self._introduction, _BOX, camera)
            log.info("%s: seals to the keys of today", camera.name)
        except (PeerError, ConfigError) as error:
            log.warning("%s: keeps its old keys: %s", camera.name, printable(str(error)))

    async def _look_after(self, camera: Camera) -> None:
        """A camera may come back at another address of its stream, or reset: ask it again while it is lost."""
        now = self._recorders.now(camera.camera)
        if now is None or now.connected or not camera.device:
            return
        try:
            camera = await self._followed(camera)
            if camera.paired:
                said = await pairing.look(camera.xaddr)
                if said and said.camera_id == camera.camera_id and said.paired_with is None:
                    await rekeyed(self._roster, self._introduction, _BOX, camera)
        except (OnvifError, PeerError, OSError) as error:
            log.debug("%s: still lost: %s", camera.name, printable(str(error)))

    async def _followed(self, camera: Camera) -> Camera:
        """The camera with the address that its stream has now; whatever records that stream begins there."""
        async with await Device.connect(camera.xaddr, camera.user, self._roster.password(camera.camera)) as device:
            profile = best_profile(await device.profiles())
            uri = await device.stream_uri(profile)
        if uri == camera.stream_uri:
            return camera
        log.info("%s: its stream moved", camera.name)
        camera = replace(self._roster.get(camera.camera), stream_uri=uri, profile=profile.token)
        await self._roster.put(camera, None)
        for each in self._roster.all():
            if self._feeds.camera_of(each.camera) == camera.camera:
                await self._recorders.stop(each.camera)
                if each.recording:
                    self._start(each)
        return camera
