"""Trying a camera before it is added: reach, sign-in, profiles, stream, pairing; a step at a time."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from base.clock import utc_us
from base.errors import Conflict, Invalid, PeerError
from base.logs import printable
from nvr_box.cameras import pairing
from nvr_box.cameras.camera_store import CameraRow
from nvr_box.cameras.pairing_offer import PairingOffers
from nvr_box.cameras.status import Step
from nvr_box.record.source import RecordedStream
from onvif.client import OnvifClient as Device
from onvif.client import device_address
from onvif.errors import Fault, NotAuthorized, OnvifError, Unreachable
from onvif.replies import ProfileReply


@dataclass(frozen=True, slots=True)
class ProbedCamera:
    """A camera that passed every step; its receiver closes `device`."""

    device: Device
    profile: ProfileReply
    stream_uri: str
    paired: pairing.Paired | None


async def probe_camera(
    introduction: PairingOffers, xaddr: str, user: str, password: str
) -> AsyncIterator[tuple[Step, ProbedCamera | None]]:
    """The steps of trying a camera; the last comes with what was found when all went well.

    Raises:
        RequestError: the address is none.
    """
    try:
        address = device_address(xaddr)
    except OnvifError as error:
        raise Invalid(f"address: {error}", "address") from error
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
        information = device.information
        yield Step("reach", ok=True, detail=address), None
        yield (
            Step(
                "sign-in",
                ok=True,
                detail=printable(f"{information.manufacturer} {information.model} {information.firmware}"),
            ),
            None,
        )
        try:
            profile = best_profile(await device.profiles())
            uri = await device.stream_uri(profile)
        except PeerError as error:
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
        ok, detail = introduction.pairable(said)
        tried = ProbedCamera(device, profile, uri, said) if ok else None
        kept = tried is not None
        yield Step("pairing", ok=ok, detail=detail), tried
    finally:
        if not kept:
            await device.close()


def refuse_another(known: CameraRow, tried: ProbedCamera) -> None:
    """Raise `RequestError` when what was tried is another camera than the known one: its recordings would be mixed."""
    said, information = tried.paired, tried.device.information
    if known.camera_id is not None:
        same = said is not None and said.camera_id == known.camera_id
    else:
        reported = (
            printable(each, limit=64) for each in (information.manufacturer, information.model, information.serial)
        )
        same = said is None and all(
            not before or before == now
            for before, now in zip((known.manufacturer, known.model, known.serial), reported, strict=True)
        )
    if not same:
        raise Conflict(f"another camera than {known.name} answers there; remove this one and add that one")


def row_of(tried: ProbedCamera, said: pairing.Paired | None, user: str, name: str) -> CameraRow:
    """The row of a camera that was tried, without a number yet; `said` is its answer to our keys, None unpaired."""
    information = tried.device.information
    return CameraRow(
        camera=0,
        name=name_of(name, said.name if said else f"{information.manufacturer} {information.model}"),
        xaddr=tried.device.address,
        user=user,
        stream_uri=tried.stream_uri,
        profile=tried.profile.token,
        manufacturer=printable(information.manufacturer, limit=64),
        model=printable(information.model, limit=64),
        serial=printable(information.serial, limit=64),
        camera_id=said.camera_id if said else None,
        signing_key=said.signing_key if said else None,
        appearance_model=said.appearance_model if said else None,
        paired=said is not None,
        sealed_to=said.sealed_to if said else "",
        recording=True,
        added_utc_us=utc_us(),
    )


def name_of(wanted: str, otherwise: str) -> str:
    """A name fit for a page: the one wanted, or else the other."""
    return printable(wanted.strip() or otherwise.strip() or "camera", limit=64)


def best_profile(profiles: tuple[ProfileReply, ...]) -> ProfileReply:
    """The largest H.264 profile, since every browser plays it; else the largest H.265 one; else what there is."""
    if not profiles:
        raise PeerError("it has no media profile with video")
    order = {"H264": 2, "H265": 1}
    return max(profiles, key=lambda each: (order.get(each.encoding.upper(), 0), each.width * each.height))


def _open_once(uri: str, user: str, password: str) -> str:
    source = RecordedStream(uri, user, password)
    try:
        context = source.stream.codec_context
        return f"{context.name} {context.width}×{context.height}"
    finally:
        source.close()


def _said(error: Exception) -> str:
    """What a device or our own client says, fit for a page and a log."""
    if isinstance(error, Unreachable):
        return "it does not answer"
    if isinstance(error, Fault):
        return printable(f"it refuses: {error.reason}")
    return printable(str(error))
