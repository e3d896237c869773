"""The cameras of this box: discovery, trying, adding over ONVIF, pairing, state."""

import asyncio
import itertools
import logging
import secrets
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from yarl import URL

from nvr_box import audit
from nvr_box.cameras import pairing
from nvr_box.cameras.roster import Camera, Roster
from nvr_box.clock import utc_us
from nvr_box.record.recorder import Recorder, Recording
from nvr_box.record.recordings import Recordings
from nvr_box.record.retention import Retention
from nvr_box.record.segments import Segments
from nvr_box.record.source import CLOCK_TOLERANCE_S, Source
from nvr_box.rights import Account, Right
from nvr_box.search.intake import token_hash
from onvif.client import Camera as Device
from onvif.client import device_address
from onvif.discovery import discover
from onvif.errors import Fault, NotAuthorized, OnvifError, Unreachable
from onvif.replies import Profile
from wire.base.errors import ConfigError, PeerError, StoreError
from wire.base.logs import printable
from wire.keys import Recipient

__all__ = ["Camera", "Cameras", "Found", "Introduction", "State", "Status", "Step"]

log = logging.getLogger(__name__)
_COUNT_EVERY_S = 5.0
# A lost camera is asked anew over ONVIF after this many counts.
_LOOK_EVERY = 3
_STOP_S = 8.0
_AHEAD_S = 0.5


@dataclass(frozen=True, slots=True)
class Found:
    """A device that answered on the network."""

    address: str
    xaddrs: tuple[str, ...]
    name: str
    hardware: str
    added: bool


@dataclass(frozen=True, slots=True)
class Step:
    """One step of trying a camera, in order: reach, sign-in, profiles, stream, pairing."""

    name: str
    ok: bool
    detail: str


class State(Enum):
    """What the recorder of one camera is doing."""

    CONNECTING = "connecting"
    RECORDING = "recording"
    LOST = "lost"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Status:
    """How one camera is doing now. `message` names what is wrong, empty when nothing is."""

    camera: int
    state: State
    since_utc_us: int
    message: str
    clock_offset_s: float | None
    codec: str
    width: int
    height: int
    rate_fps: float
    last_frame_utc_us: int | None
    recorded_bytes: int
    oldest_utc_us: int | None
    packets: int


@dataclass(frozen=True, slots=True)
class Introduction:
    """What the box tells a camera when they are paired.

    Attributes:
        box_id: 16 hex digits.
        feature_key: packets are sealed to it.
        recipients: the reveal keys as they are now.
        fingerprint: SHA-256 of the page's DER certificate, hex; empty when the page has no TLS.
        host: how cameras reach the box; empty to use the address that faces the camera.
        port: of the page; known once it listens.
    """

    box_id: str
    feature_key: Recipient
    recipients: Callable[[], tuple[Recipient, ...]]
    fingerprint: str
    host: str
    port: Callable[[], int]


@dataclass(frozen=True, slots=True)
class _Tried:
    device: Device
    profile: Profile
    stream_uri: str
    paired: pairing.Paired | None


class Cameras:
    """The list and what can be done with it. Reading needs `VIEW` (per camera), changing needs `ADMIN`."""

    def __init__(
        self,
        roster: Roster,
        log_: audit.Audit,
        *,
        recordings: Recordings,
        segments: Segments,
        retention: Retention,
        introduction: Introduction,
        segment_s: int,
    ) -> None:
        self._roster, self._log = roster, log_
        self._recordings, self._segments, self._retention = recordings, segments, retention
        self._introduction = introduction
        self._segment_s = segment_s
        self._recorders: dict[int, Recorder] = {}
        self._usage: dict[int, tuple[int, int | None, int]] = {}
        self._loop = asyncio.get_running_loop()

    def list(self, by: Account) -> tuple[Camera, ...]:
        """The added cameras that `by` may view, in order of adding."""
        return tuple(each for each in self._roster.all() if by.may(Right.VIEW, each.camera))

    def get(self, by: Account, camera: int) -> Camera:
        """One camera; `Refused` when it may not be viewed, `StoreError` when there is none."""
        by.demand(Right.VIEW, camera)
        return self._roster.get(camera)

    def status(self, by: Account, camera: int) -> Status:
        """How it is doing; cheap, for polling. Sizes and counts are up to five seconds old."""
        by.demand(Right.VIEW, camera)
        known = self._roster.get(camera)
        recorder = self._recorders.get(camera)
        now = recorder.now if recorder else Recording(since_utc_us=known.added_utc_us)
        size, oldest, packets = self._usage.get(camera, (0, None, 0))
        return Status(
            camera=camera,
            state=_state(now) if recorder else State.OFF,
            since_utc_us=now.since_utc_us,
            message=now.message or _clock_message(now.clock_offset_s),
            clock_offset_s=now.clock_offset_s,
            codec=now.codec,
            width=now.width,
            height=now.height,
            rate_fps=now.rate_fps,
            last_frame_utc_us=now.last_frame_utc_us,
            recorded_bytes=size,
            oldest_utc_us=oldest,
            packets=packets,
        )

    def clock_offset_s(self, camera: int) -> float | None:
        """The camera's clock minus the box's, None while unknown."""
        recorder = self._recorders.get(camera)
        return recorder.now.clock_offset_s if recorder else None

    async def discover(self, by: Account, *, wait_s: float = 3.0) -> tuple[Found, ...]:
        """Probe the network and wait `wait_s` for answers.

        Raises:
            PeerError: the network refuses multicast.
        """
        by.demand(Right.ADMIN)
        known = {URL(each.xaddr).authority for each in self._roster.all()}
        try:
            answers = await discover(wait_s)
        except OSError as error:
            raise PeerError(f"the network cannot be asked for cameras: {error.strerror or error}") from error
        return tuple(
            Found(
                each.address,
                each.xaddrs,
                printable(each.scope("name"), limit=64),
                printable(each.scope("hardware"), limit=64),
                any(_authority(xaddr) in known for xaddr in each.xaddrs),
            )
            for each in answers
        )

    async def test(self, by: Account, xaddr: str, user: str, password: str) -> AsyncIterator[Step]:
        """Try a camera without adding it, a step at a time; ends after the first step that fails."""
        by.demand(Right.ADMIN)
        async for step, tried in self._try(xaddr, user, password):
            yield step
            if tried:
                await tried.device.close()

    async def add(self, by: Account, xaddr: str, user: str, password: str, *, name: str = "") -> Camera:
        """Add a camera by its device service address or `host[:port]`, pair it if it is ours, start recording.

        Raises:
            PeerError: unreachable, wrong password, no usable profile; or ours but paired with another box.
            ConfigError: it is already added, or the address is no address.
        """
        await self._log.demand(by, Right.ADMIN, "camera-add")
        tried = None
        async for step, result in self._try(xaddr, user, password):
            if not step.ok:
                await self._log.write(by.name, "camera-add", granted=False, xaddr=xaddr[:200], why=step.detail)
                raise PeerError(f"{step.name}: {step.detail}")
            tried = result
        assert tried is not None
        try:
            return await self._add(by, tried, user, password, name)
        finally:
            await tried.device.close()

    async def pair(self, by: Account, camera: int) -> Camera:
        """Exchange keys again (after a reset of the camera, or when recipients changed).

        Raises:
            PeerError: it is of another make, does not answer, refuses, or is another camera than before.
        """
        await self._log.demand(by, Right.ADMIN, "pair", camera=camera)
        return await self._pair_again(by.name, self._roster.get(camera))

    async def change(
        self, by: Account, camera: int, *, name: str | None = None, recording: bool | None = None
    ) -> Camera:
        """Rename it, or switch its recording on or off."""
        await self._log.demand(by, Right.ADMIN, "camera-change", camera=camera)
        known = self._roster.get(camera)
        changed = replace(
            known,
            name=known.name if name is None else _name(name, known.name),
            recording=known.recording if recording is None else recording,
        )
        details: dict[str, audit.Detail] = {"name": changed.name, "recording": changed.recording}
        await self._roster.put(changed, _entry(by.name, "camera-change", camera, details))
        if changed.recording != known.recording:
            await (self._start(changed) if changed.recording else self._stop(camera))
        return changed

    async def remove(self, by: Account, camera: int, *, recordings_too: bool = False) -> None:
        """Unpair and forget it; its recordings stay on disk until retention takes them, unless `recordings_too`."""
        await self._log.demand(by, Right.ADMIN, "camera-remove", camera=camera)
        known = self._roster.get(camera)
        await self._stop(camera)
        self._recordings.forget(camera)
        if known.paired:
            try:
                await pairing.unpair(known.xaddr, known.user, self._roster.password(camera))
            except PeerError as error:
                log.warning("%s: could not be unpaired: %s", known.name, error)
        details: dict[str, audit.Detail] = {"name": known.name, "recordings_too": recordings_too}
        await self._roster.remove(
            camera, recordings_too=recordings_too, entry=_entry(by.name, "camera-remove", camera, details)
        )
        if recordings_too:
            await self._retention.sweep()

    async def run(self) -> None:
        """Record what is to be recorded and keep an eye on it, until cancelled."""
        for camera in self._roster.all():
            if camera.recording:
                await self._start(camera)
        try:
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
        finally:
            for recorder in self._recorders.values():
                recorder.stop()
            joins = [asyncio.to_thread(recorder.join, _STOP_S) for recorder in self._recorders.values()]
            for number, ended in zip(tuple(self._recorders), await asyncio.gather(*joins), strict=True):
                if not ended:
                    log.warning(
                        "camera %d: its recorder did not end in time; the next start finishes its segment", number
                    )

    async def _count(self) -> None:
        for camera in self._roster.all():
            size, oldest = await self._segments.usage(camera.camera)
            self._usage[camera.camera] = size, oldest, await self._roster.packets(camera.camera)

    def _sealed_to(self) -> str:
        return " ".join(each.kid.hex() for each in self._introduction.recipients())

    async def _tell_keys(self) -> None:
        """Every day, and whenever an operator's key came or went, cameras are given the keys anew."""
        wanted = self._sealed_to()
        for camera in self._roster.all():
            recorder = self._recorders.get(camera.camera)
            if (
                not wanted
                or not camera.paired
                or camera.sealed_to == wanted
                or not (recorder and recorder.now.connected)
            ):
                continue
            try:
                await self._pair_again("the box", camera)
                log.info("%s: seals to the keys of today", camera.name)
            except (PeerError, ConfigError) as error:
                log.warning("%s: keeps its old keys: %s", camera.name, printable(str(error)))

    async def _look_after(self, camera: Camera) -> None:
        """A camera may come back at another address of its stream, or reset: ask it again while it is lost."""
        recorder = self._recorders.get(camera.camera)
        if recorder is None or recorder.now.connected:
            return
        password = self._roster.password(camera.camera)
        try:
            async with await Device.connect(camera.xaddr, camera.user, password) as device:
                profile = _best(await device.profiles())
                uri = await device.stream_uri(profile)
            if uri != camera.stream_uri:
                log.info("%s: its stream moved", camera.name)
                camera = replace(camera, stream_uri=uri, profile=profile.token)
                await self._roster.put(camera, None)
                await self._stop(camera.camera)
                await self._start(camera)
            if camera.paired:
                said = await pairing.look(camera.xaddr)
                if said and said.camera_id == camera.camera_id and said.paired_with is None:
                    await self._pair_again("the box", camera)
        except (OnvifError, PeerError, OSError) as error:
            log.debug("%s: still lost: %s", camera.name, printable(str(error)))

    async def _start(self, camera: Camera) -> None:
        hub = self._recordings.hub(camera.camera)
        password = self._roster.password(camera.camera)

        def publish(*fragment: Any) -> None:
            """On the recorder's thread."""
            self._loop.call_soon_threadsafe(hub.publish, *fragment)

        recorder = Recorder(
            camera.camera,
            camera.name,
            lambda: Source(camera.stream_uri, camera.user, password),
            self._segments,
            segment_s=self._segment_s,
            make_room=self._retention.make_room,
            publish=publish,
        )
        self._recorders[camera.camera] = recorder
        recorder.start()

    async def _stop(self, camera: int) -> None:
        recorder = self._recorders.pop(camera, None)
        if recorder:
            recorder.stop()
            await asyncio.to_thread(recorder.join, _STOP_S)

    async def _try(self, xaddr: str, user: str, password: str) -> AsyncIterator[tuple[Step, _Tried | None]]:
        """The steps of trying a camera; the last comes with what was found when all went well."""
        try:
            address = device_address(xaddr)
        except OnvifError as error:
            raise ConfigError(f"address: {error}") from error
        try:
            device = await Device.connect(address, user, password)
        except NotAuthorized as error:
            yield Step("reach", ok=True, detail=address), None
            yield Step("sign-in", ok=False, detail=_said(error)), None
            return
        except OnvifError as error:
            yield Step("reach", ok=False, detail=_said(error)), None
            return
        kept = False
        try:
            who = device.information
            yield Step("reach", ok=True, detail=address), None
            yield Step("sign-in", ok=True, detail=printable(f"{who.manufacturer} {who.model} {who.firmware}")), None
            try:
                profile = _best(await device.profiles())
                uri = await device.stream_uri(profile)
            except (OnvifError, PeerError) as error:
                yield Step("profiles", ok=False, detail=_said(error)), None
                return
            sides = f"{profile.width}×{profile.height}"
            yield Step("profiles", ok=True, detail=f"{profile.token}: {profile.encoding} {sides}"), None
            try:
                codec = await asyncio.to_thread(_open_once, uri, user, password)
            except PeerError as error:
                yield Step("stream", ok=False, detail=_said(error)), None
                return
            yield Step("stream", ok=True, detail=codec), None
            try:
                said = await pairing.look(address)
            except PeerError as error:
                yield Step("pairing", ok=False, detail=_said(error)), None
                return
            ok, detail = self._pairable(said)
            tried = _Tried(device, profile, uri, said) if ok else None
            kept = tried is not None
            yield Step("pairing", ok=ok, detail=detail), tried
        finally:
            if not kept:
                await device.close()

    def _pairable(self, said: pairing.Paired | None) -> tuple[bool, str]:
        if said is None:
            return True, "of another make: it records and plays, without search and reveal"
        if said.paired_with not in (None, self._introduction.box_id):
            return False, f"it is paired with another box ({said.paired_with}); unpair it there first"
        return True, "ours"

    async def _add(self, by: Account, tried: _Tried, user: str, password: str, name: str) -> Camera:
        said, device = tried.paired, tried.device
        self._refuse_twice(device.address, said)
        token = secrets.token_urlsafe(32)
        if said:
            said = await pairing.pair(device.address, user, password, self._offer(device.address, token))
        who = device.information
        fresh = Camera(
            camera=0,
            name=_name(name, said.name if said else f"{who.manufacturer} {who.model}"),
            xaddr=device.address,
            user=user,
            stream_uri=tried.stream_uri,
            profile=tried.profile.token,
            manufacturer=printable(who.manufacturer, limit=64),
            model=printable(who.model, limit=64),
            serial=printable(who.serial, limit=64),
            camera_id=said.camera_id if said else None,
            signing_key=said.signing_key if said else None,
            appearance_model=said.appearance_model if said else None,
            paired=said is not None,
            sealed_to=self._sealed_to() if said else "",
            recording=True,
            added_utc_us=utc_us(),
        )
        camera = await self._roster.add(fresh, password, token_hash(token) if said else None, by.name)
        await self._start(camera)
        return camera

    def _refuse_twice(self, xaddr: str, said: pairing.Paired | None) -> None:
        for each in self._roster.all():
            same = each.camera_id == said.camera_id if said and each.camera_id else each.xaddr == xaddr
            if same:
                raise ConfigError(f"this camera is already added as {each.name!r}")

    async def _pair_again(self, who: str, camera: Camera) -> Camera:
        token = secrets.token_urlsafe(32)
        password = self._roster.password(camera.camera)
        seen = await pairing.look(camera.xaddr)
        if seen is None:
            raise PeerError(f"{camera.name} is of another make and cannot be paired")
        if camera.camera_id not in (None, seen.camera_id):
            raise PeerError(f"another camera answers at the address of {camera.name}; remove it and add it afresh")
        ok, why = self._pairable(seen)
        if not ok:
            raise PeerError(why)
        said = await pairing.pair(camera.xaddr, camera.user, password, self._offer(camera.xaddr, token))
        changed = replace(
            camera,
            paired=True,
            sealed_to=self._sealed_to(),
            camera_id=said.camera_id,
            signing_key=said.signing_key,
            appearance_model=said.appearance_model,
        )
        entry = _entry(who, "pair", camera.camera, {"camera_id": said.camera_id})
        await self._roster.put(changed, entry, push_token=token_hash(token))
        return changed

    def _offer(self, xaddr: str, token: str) -> pairing.Offer:
        introduction = self._introduction
        if not introduction.fingerprint:
            raise ConfigError("web.tls: cameras deliver their packets over TLS only; switch it on to pair with one")
        recipients = introduction.recipients()
        if not recipients:
            raise ConfigError("no reveal key yet: make one with `python -m nvr_box keys create` before pairing")
        host = introduction.host or _facing(URL(xaddr).host or "127.0.0.1")
        url = URL.build(scheme="https", host=host, port=introduction.port(), path="/api/packets")
        return pairing.Offer(
            introduction.box_id, introduction.feature_key, recipients, str(url), introduction.fingerprint, token
        )


def _state(now: Recording) -> State:
    if now.connected:
        return State.RECORDING
    return State.LOST if now.ever_connected or now.message else State.CONNECTING


def _clock_message(offset_s: float | None) -> str:
    """Pictures arrive some time after they were taken, so only a clock that is ahead, or far behind, is wrong."""
    if offset_s is None or -CLOCK_TOLERANCE_S <= offset_s <= _AHEAD_S:
        return ""
    direction = "ahead of" if offset_s > 0 else "behind"
    return f"its clock is {abs(offset_s):.1f} s {direction} the box's"


def _best(profiles: tuple[Profile, ...]) -> Profile:
    """The largest H.264 profile, since every browser plays it; else the largest H.265 one; else what there is."""
    if not profiles:
        raise PeerError("it has no media profile with video")
    order = {"H264": 2, "H265": 1}
    return max(profiles, key=lambda each: (order.get(each.encoding.upper(), 0), each.width * each.height))


def _open_once(uri: str, user: str, password: str) -> str:
    source = Source(uri, user, password)
    try:
        context = source.stream.codec_context
        return f"{context.name} {context.width}×{context.height}"
    finally:
        source.close()


def _facing(host: str) -> str:
    """Our address on the way to `host`; connecting a datagram socket sends nothing."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as link:
        try:
            link.connect((host, 9))
        except OSError as error:
            raise PeerError(f"{host} cannot be reached from here: {error.strerror or error}") from error
        return str(link.getsockname()[0])


def _authority(xaddr: str) -> str:
    try:
        return URL(xaddr).authority
    except ValueError:
        return ""


def _said(error: Exception) -> str:
    """What a device or our own client says, fit for a page and a log."""
    if isinstance(error, Unreachable):
        return "it does not answer"
    if isinstance(error, Fault):
        return printable(f"it refuses: {error.reason}")
    return printable(str(error))


def _name(wanted: str, otherwise: str) -> str:
    return printable(wanted.strip() or otherwise.strip() or "camera", limit=64)


def _entry(
    who: str, action: str, camera: int, details: dict[str, audit.Detail]
) -> Callable[[sqlite3.Connection], audit.Entry]:
    """An audit entry to be written in the same transaction as the change."""
    return lambda link: audit.append(link, who, action, camera=camera, reason="", granted=True, details=details)
