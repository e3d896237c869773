"""What goes on by itself with the cameras: counting what is kept, telling them new keys, finding them again."""

import asyncio
import itertools
import logging
from collections.abc import Callable
from dataclasses import replace

from nvr_box.cameras import pairing
from nvr_box.cameras.feeds import Feeds
from nvr_box.cameras.introduction import Introduction
from nvr_box.cameras.recorders import Recorders
from nvr_box.cameras.rekey import rekeyed, same_camera
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
_BOX = "the box"


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
        self._strange: set[int] = set()

    def usage(self, camera: int) -> tuple[int, int | None, int]:
        """Bytes, oldest picture (UTC microseconds) and passages of a camera; up to five seconds old."""
        return self._usage.get(camera, (0, None, 0))

    async def run(self) -> None:
        """Until cancelled."""
        for turn in itertools.count(1):
            try:
                await self._count()
                if turn % _LOOK_EVERY == 0:
                    await self._tell_keys()
                    for camera in self._roster.all():
                        await self._look_after(camera)
            except StoreError as error:
                # Recording goes on without the numbers; the next turn may find the disk well again.
                log.error("cameras: %s", error)  # noqa: TRY400 - an operator's sentence, not a bug's trace
            await asyncio.sleep(_COUNT_EVERY_S)

    async def _count(self) -> None:
        for camera in self._roster.all():
            size, oldest = await self._segments.usage(camera.camera)
            self._usage[camera.camera] = size, oldest, await self._roster.packets(camera.camera)

    async def _tell_keys(self) -> None:
        """Every day, and whenever an operator's key came or went, cameras are given the keys anew."""
        for camera in self._roster.all():
            wanted = self._introduction.sealed_to(camera.camera_id) if camera.paired and camera.camera_id else ""
            now = self._recorders.now(camera.camera)
            told = not wanted or not camera.paired or camera.sealed_to == wanted
            if told or now is None or not now.connected:
                continue
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
            # Before anything is believed that it says: a paired camera is its key, whatever answers at its address.
            said = await pairing.look(camera.xaddr) if camera.paired else None
            if said is not None:
                same_camera(camera, said)
            camera = await self._followed(camera)
            account = self._roster.stream_account(camera.camera)[0]
            if said is not None and (said.paired_with, said.sealed_to, said.stream_user or camera.user) != (
                self._introduction.box_id, camera.sealed_to, account,
            ):  # fmt: skip
                await rekeyed(self._roster, self._introduction, _BOX, camera)
            self._strange.discard(camera.camera)
        except (OnvifError, PeerError, OSError) as error:
            known = camera.camera in self._strange or not isinstance(error, PeerError)
            level = logging.DEBUG if known else logging.WARNING
            log.log(level, "%s: still lost: %s", camera.name, printable(str(error)))
            self._strange.add(camera.camera)

    async def _followed(self, camera: Camera) -> Camera:
        """The camera with the address that its stream has now; whatever records that stream begins there."""
        async with await Device.connect(camera.xaddr, camera.user, self._roster.password(camera.camera)) as device:
            profile = best_profile(await device.profiles())
            uri = await device.stream_uri(profile)
        if uri == camera.stream_uri:
            return camera
        log.info("%s: its stream moved", camera.name)
        camera = replace(camera, stream_uri=uri, profile=profile.token)
        await self._roster.put(camera, None)
        for each in self._roster.all():
            if self._feeds.camera_of(each.camera) == camera.camera:
                await self._recorders.stop(each.camera)
                if each.recording:
                    self._start(each)
        return camera
