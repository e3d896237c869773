"""The cameras: list and state, discovery, trying, adding, changing, removing."""

import json

from aiohttp import web

from base.errors import Error
from nvr_box.cameras.cameras import CameraRow, Step
from nvr_box.web import refusals
from nvr_box.web.masking import said_of
from nvr_box.web.request_fields import BadField, account_of, body, box, camera_number, iso, maybe_iso, text

routes = web.RouteTableDef()


def described(request: web.Request, camera: CameraRow) -> dict[str, object]:
    """A camera as the page lists it."""
    account, maskings = account_of(request), box(request).maskings
    status = box(request).cameras.status(account, camera.camera)
    masking, whole = maskings.now(account, camera.camera), maskings.whole(account, camera.camera)
    return {
        "id": camera.camera,
        "name": camera.name,
        "xaddr": camera.xaddr,
        "by_client": not camera.device,
        "source": box(request).cameras.source(account_of(request), camera.camera),
        "manufacturer": camera.manufacturer,
        "model": camera.model,
        "serial": camera.serial,
        "profile": camera.profile,
        "veilcam": camera.veilcam,
        "paired": camera.paired,
        "fingerprint": camera.fingerprint if camera.veilcam else None,
        "recording": camera.recording,
        "added": iso(camera.added_utc_us),
        "state": status.state.value,
        "since": iso(status.since_utc_us),
        "message": status.message,
        "codec": status.codec,
        "width": status.width,
        "height": status.height,
        "rate_fps": status.rate_fps,
        "clock_offset_s": status.clock_offset_s,
        "last_frame": maybe_iso(status.last_frame_utc_us),
        "recorded_bytes": status.recorded_bytes,
        "oldest": maybe_iso(status.oldest_utc_us),
        "packets": status.packets,
        "asked": maybe_iso(status.asked_utc_us),
        "masked_whole": None if whole is None else {"reason": whole.reason, "behind_s": whole.behind_s},
        "masking": None if masking is None else said_of(masking),
    }


@routes.get("/api/cameras")
async def listed(request: web.Request) -> web.Response:
    """The cameras that the account may view, with their state, and what is wrong with the box itself."""
    cameras, account = box(request).cameras, account_of(request)
    found = [described(request, each) for each in cameras.list(account)]
    notices = [{"kind": each.kind, "text": each.text} for each in box(request).notices()]
    return web.json_response({"cameras": found, "notices": notices})


@routes.post("/api/clock")
async def clock(request: web.Request) -> web.Response:
    """An administrator says that the box's clock is right: what goes by age goes on."""
    await box(request).timekeeper.agree(account_of(request))
    return web.Response(status=204)


@routes.post("/api/cameras/discover")
async def discover(request: web.Request) -> web.Response:
    """The devices that answer a WS-Discovery probe within three seconds."""
    found = await box(request).cameras.discover(account_of(request))
    return web.json_response(
        {
            "found": [
                {
                    "address": each.address,
                    "xaddrs": list(each.xaddrs),
                    "name": each.name,
                    "hardware": each.hardware,
                    "added": each.added,
                }
                for each in found
            ]
        }
    )


def _step(step: Step) -> dict[str, object]:
    return {"name": step.name, "ok": step.ok, "detail": step.detail}


async def _lines(request: web.Request, *, add: bool) -> web.StreamResponse:
    """Try a camera a line a step and, when every step went well and `add` is set, add it."""
    fields = await body(request)
    address, user = text(fields, "address").strip(), text(fields, "user", most=64)
    password, name = text(fields, "password"), text(fields, "name", "", most=64)
    if not address:
        raise BadField("address: a host, host:port or device service address is needed.", "address")
    cameras, account = box(request).cameras, account_of(request)
    steps = cameras.test(account, address, user, password)
    first = await anext(aiter(steps), None)  # a refusal still gets its own status
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)

    async def say(value: dict[str, object]) -> None:
        await response.write(json.dumps(value).encode() + b"\n")

    well = first is not None and first.ok
    if first is not None:
        await say(_step(first))
    try:
        async for step in steps:
            well = well and step.ok
            await say(_step(step))
        if add and well:
            camera = await cameras.add(account, address, user, password, name=name)
            await say({"camera": described(request, camera)})
    except Error as error:
        await say({"error": refusals.sentence(error)})
    await response.write_eof()
    return response


@routes.post("/api/cameras/test")
async def test(request: web.Request) -> web.StreamResponse:
    """Try a camera without adding it."""
    return await _lines(request, add=False)


@routes.post("/api/cameras")
async def add(request: web.Request) -> web.StreamResponse:
    """Try a camera and add it."""
    return await _lines(request, add=True)


@routes.patch(r"/api/cameras/{camera:\d{1,9}}")
async def change(request: web.Request) -> web.Response:
    """Rename a camera, switch its recording, or reach it by another address, user or password, tried first."""
    fields = await body(request)
    name = text(fields, "name", most=64).strip() if "name" in fields else None
    recording = fields.get("recording")
    if recording is not None and not isinstance(recording, bool):
        raise BadField("recording: true or false.", "recording")
    if name == "":
        raise BadField("name: must not be empty.", "name")
    xaddr, user, password = (
        text(fields, field) if fields.get(field) is not None else None for field in ("address", "user", "password")
    )
    cameras, account = box(request).cameras, account_of(request)
    if xaddr is not None and not xaddr.strip():
        raise BadField("address: a host, host:port or device service address is needed.", "address")
    if (xaddr, user, password) != (None, None, None):
        where = None if xaddr is None else xaddr.strip()
        camera = await cameras.move(account, camera_number(request), xaddr=where, user=user, password=password)
    if name is not None or recording is not None or (xaddr, user, password) == (None, None, None):
        camera = await cameras.change(account, camera_number(request), name=name, recording=recording)
    return web.json_response(described(request, camera))


@routes.post(r"/api/cameras/{camera:\d{1,9}}/pair")
async def pair(request: web.Request) -> web.Response:
    """Exchange keys with one of our cameras again."""
    cameras, account = box(request).cameras, account_of(request)
    camera = await cameras.pair(account, camera_number(request))
    return web.json_response(described(request, camera))


@routes.delete(r"/api/cameras/{camera:\d{1,9}}")
async def remove(request: web.Request) -> web.Response:
    """Unpair and forget a camera; its recordings stay until they are too old."""
    await box(request).cameras.remove(account_of(request), camera_number(request))
    return web.Response(status=204)
