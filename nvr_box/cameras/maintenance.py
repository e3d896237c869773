"""What goes on by itself with the cameras: counting what is kept, telling them new keys, finding them again."""

import asyncio
import itertools
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from base.errors import PeerError, RequestError, StoreError
from base.logs import printable
from nvr_box.audit.log import Audit, AuditEntry
from nvr_box.cameras import pairing
from nvr_box.cameras.camera_store import CameraRow, CameraStore, entry
from nvr_box.cameras.device import signed_in
from nvr_box.cameras.impostors import Impostors
from nvr_box.cameras.onboarding import best_profile
from nvr_box.cameras.pairing_offer import PairingOffers
from nvr_box.cameras.recorders import Recorders
from nvr_box.cameras.rekey import rekeyed, same_camera
from nvr_box.cameras.sign_ins import SignIn
from nvr_box.cameras.stream_sources import StreamSources
from nvr_box.cameras.whereabouts import Whereabouts
from nvr_box.db.link import Link
from nvr_box.record.segments import Segments
from onvif.errors import OnvifError

log = logging.getLogger(__name__)
_COUNT_EVERY_S = 5.0
# A lost camera is queried again over ONVIF after this many counts.
_LOOK_EVERY = 3
_LONGEST_VISIT_S = 60.0
_KEY_EVERY_S = 5.0
_BOX = "the box"


@dataclass(frozen=True, slots=True)
class _Rest:
    """Until when a camera is left alone that answered with what nothing here expects."""

    seconds: float = 0.0
    until_mono_s: float = 0.0

    def longer(self) -> "_Rest":
        seconds = min(600.0, max(30.0, self.seconds * 2))
        return _Rest(seconds, time.monotonic() + seconds)


class Maintenance:
    """Belongs to the event loop.

    Args:
        start: begins to record a camera, from wherever it is to be recorded now.
    """

    def __init__(
        self,
        roster: CameraStore,
        introduction: PairingOffers,
        segments: Segments,
        *,
        feeds: StreamSources,
        recorders: Recorders,
        start: Callable[[CameraRow], None],
        whereabouts: Whereabouts | None = None,
    ) -> None:
        self._whereabouts = whereabouts or Whereabouts(segments.store, roster)
        self._roster, self._segments, self._introduction = roster, segments, introduction
        self._feeds, self._recorders, self._start = feeds, recorders, start
        self._usage: dict[int, tuple[int, int | None, int]] = {}
        self._strange: set[int] = set()
        self._visits: dict[int, asyncio.Task[None]] = {}
        self._rests: dict[int, _Rest] = {}
        self._keys_wanted: dict[int, float] = {}
        self._asking: set[asyncio.Task[None]] = set()
        self._elsewhere: dict[tuple[int, str], SignIn] = {}
        self.impostors = Impostors(Audit(segments.store), self._stop_from, self._start_from)

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
            visits = (*self._visits.values(), *self._asking)
            for visit in visits:
                visit.cancel()
            await asyncio.gather(*visits, return_exceptions=True)

    def _visit_all(self) -> None:
        """Each camera in a task of its own, so that one that answers slowly or oddly delays no other."""
        for camera in self._roster.all():
            number = camera.camera
            if number in self._visits or time.monotonic() < self._rests.get(number, _Rest()).until_mono_s:
                continue
            visit = asyncio.create_task(self._visit(camera), name=f"visit-{number}")
            self._visits[number] = visit
            visit.add_done_callback(lambda _, number=number: self._visits.pop(number, None))  # type: ignore[misc]  # mypy cannot infer a lambda with a default

    def want_key(self, camera: int) -> None:
        """Ask a camera that refreshes its picture gradually for a whole one, unless one was requested just now."""
        now_mono_s = time.monotonic()
        if now_mono_s - self._keys_wanted.get(camera, -_KEY_EVERY_S) < _KEY_EVERY_S:
            return
        self._keys_wanted[camera] = now_mono_s
        task = asyncio.create_task(self._ask_for_key(camera), name=f"key-{camera}")
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _ask_for_key(self, number: int) -> None:
        try:
            camera, password = self._roster.get(number), self._roster.password(number)
            if not camera.device:
                return
            async with await signed_in(camera.xaddr, camera.user, password, self._roster.sign_in(number)) as device:
                for profile in await device.profiles():
                    if profile.token == camera.profile:
                        await device.synchronisation_point(profile)
        except (PeerError, RequestError, StoreError, OSError, KeyError) as error:
            log.debug("camera %d: sends no whole picture: %s", number, printable(str(error)))

    async def _visit(self, camera: CameraRow) -> None:
        try:
            async with asyncio.timeout(_LONGEST_VISIT_S):
                await self.impostors.look(camera, self._recorders.now(camera.camera))
                if self.impostors.words(camera.camera):
                    await self._find(camera)  # its address may have gone to another one
                    return
                await self._renew_keys(camera)
                await self._look_after(camera)
        except (RequestError, StoreError, TimeoutError) as error:
            log.warning("%s: %s", camera.name, error or "it answers too slowly for maintenance")
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

    async def _renew_keys(self, camera: CameraRow) -> None:
        """Every day, and whenever an operator's key came or went, cameras are given the keys again."""
        wanted = self._introduction.sealed_to(camera.camera_id) if camera.paired and camera.camera_id else ""
        now = self._recorders.now(camera.camera)
        up_to_date = not wanted or not camera.paired or camera.sealed_to == wanted
        if up_to_date or now is None or not now.connected:
            return
        try:
            await rekeyed(self._roster, self._introduction, _BOX, camera)
            log.info("%s: seals to the keys of today", camera.name)
        except (PeerError, RequestError) as error:
            log.warning("%s: keeps its old keys: %s", camera.name, printable(str(error)))

    async def _look_after(self, camera: CameraRow) -> None:
        """A camera may come back at another address of its stream, or reset: ask it again while it is lost."""
        now = self._recorders.now(camera.camera)
        if now is None or not camera.device:
            return
        if now.connected:
            await self._whereabouts.note()
            return
        try:
            # Before anything is believed that it says: a paired camera is its key, whatever answers at its address.
            said = await pairing.look(camera.xaddr) if camera.paired else None
            if said is not None:
                same_camera(camera, said)
            camera = await self._with_present_stream(camera)
            account = self._roster.stream_account(camera.camera)[0]
            if said is not None and (said.paired_with, said.sealed_to, said.stream_user or camera.user) != (
                self._introduction.box_id, camera.sealed_to, account,
            ):  # fmt: skip
                await rekeyed(self._roster, self._introduction, _BOX, camera)
            self._strange.discard(camera.camera)
        except (PeerError, OSError) as error:
            known = camera.camera in self._strange or isinstance(error, OnvifError | OSError)
            level = logging.DEBUG if known else logging.WARNING
            log.log(level, "%s: still lost: %s", camera.name, printable(str(error)))
            self._strange.add(camera.camera)
            await self._find(camera)

    async def _find(self, camera: CameraRow) -> None:
        """A camera that is not at its address may have been given another one: look for its identity."""
        for xaddr in await self._whereabouts.of(camera):
            try:
                stream_uri, profile = await self._at(camera, xaddr)
            except (PeerError, OSError) as error:
                log.debug("%s: not at %s: %s", camera.name, printable(xaddr), printable(str(error)))
                continue
            log.warning("%s: found again at %s", camera.name, printable(xaddr))
            there = {"xaddr": xaddr, "stream_uri": stream_uri, "profile": profile}
            await self._apply_move(camera, entry(_BOX, "camera-change", camera.camera, {"xaddr": xaddr}), **there)
            return

    async def _at(self, camera: CameraRow, xaddr: str) -> tuple[str, str]:
        """(stream address, profile) of the camera at another address; `PeerError` when another one answers there."""
        said = await pairing.look(xaddr)
        if camera.camera_id != (said.camera_id if said else None):
            raise PeerError("another camera")
        if said is not None:
            same_camera(camera, said)
        # What was refused at the old address may have been another device; here it may be refused for itself.
        sign_in = self._elsewhere.setdefault((camera.camera, xaddr), SignIn())
        password, known = self._roster.password(camera.camera), (camera.manufacturer, camera.model, camera.serial)
        async with await signed_in(xaddr, camera.user, password, sign_in) as device:
            found = device.information
            if known != tuple(printable(each, limit=64) for each in (found.manufacturer, found.model, found.serial)):
                raise PeerError("another camera")
            profile = best_profile(await device.profiles())
            return await device.stream_uri(profile), profile.token

    async def _with_present_stream(self, camera: CameraRow) -> CameraRow:
        """The camera with the address that its stream has now; whatever records that stream begins there."""
        password, sign_in = self._roster.password(camera.camera), self._roster.sign_in(camera.camera)
        async with await signed_in(camera.xaddr, camera.user, password, sign_in) as device:
            profile = best_profile(await device.profiles())
            uri = await device.stream_uri(profile)
        if uri == camera.stream_uri:
            return camera
        log.info("%s: its stream moved", camera.name)
        return await self._apply_move(camera, None, stream_uri=uri, profile=profile.token)

    async def _apply_move(
        self, camera: CameraRow, written: Callable[[Link], AuditEntry] | None, **changes: str
    ) -> CameraRow:
        """Keep what changed of a camera and record from there."""
        camera = replace(self._roster.get(camera.camera), **changes)  # type: ignore[arg-type]  # texts of the fields named
        await self._roster.save(camera, written)
        self._roster.sign_in(camera.camera).accepted()
        await self._stop_from(camera)
        await self._start_from(camera)
        return camera

    async def _stop_from(self, camera: CameraRow) -> None:
        """Whatever records the camera's stream."""
        for each in self._roster.all():
            if self._feeds.camera_of(each.camera) == camera.camera:
                await self._recorders.stop(each.camera)

    async def _start_from(self, camera: CameraRow) -> None:
        for each in self._roster.all():
            if each.recording and self._feeds.camera_of(each.camera) == camera.camera:
                self._start(each)
