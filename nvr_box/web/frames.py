"""Pictures at rest: the timeline with its thumbnails, and frozen frames with what is in them."""

import base64

from aiohttp import web

from nvr_box.search.frozen_frames import Pick, Still
from nvr_box.web.masking import said_of_past
from nvr_box.web.request_fields import (
    BadField,
    account_of,
    body,
    box,
    box_share,
    camera_number,
    colour,
    iso,
    isos,
    maybe_iso,
    object_class,
    time_us,
    whole,
)
from wire.features.vocabulary import ObjectClass

routes = web.RouteTableDef()

_MOST_TICKS = 500


@routes.get(r"/api/cameras/{camera:\d{1,9}}/timeline")
async def timeline(request: web.Request) -> web.Response:
    """Recorded spans that touch [start, end), and its passages counted by step; by name too while they are few."""
    camera, account = camera_number(request), account_of(request)
    start_us, end_us = time_us(request.query, "start"), time_us(request.query, "end")
    steps = whole(request.query, "steps", 1, 8192, 1024)
    if end_us <= start_us:
        raise BadField("end: must be after the start.", "end")
    spans = await box(request).recordings.spans(account, camera, start_us, end_us)
    density = await box(request).searches.density(account, camera, start_us, end_us, steps=steps)
    ticks = await box(request).searches.ticks(account, camera, start_us, end_us, limit=_MOST_TICKS + 1)
    if len(ticks) > _MOST_TICKS:
        ticks = ()
    first, best, last = (isos(getattr(tick, name) for tick in ticks) for name in ("first_us", "best_us", "last_us"))
    masked = await box(request).maskings.past(account, camera, start_us, end_us)
    names = {each: each.name.lower() for each in ObjectClass}
    return web.json_response(
        {
            "step_s": density.step_us / 1e6,
            "density": {kind.name.lower(): counts for kind, counts in density.classes.items()},
            "masking": said_of_past(masked),
            "spans": [{"start": iso(one.start_us), "end": iso(one.end_us), "locked": one.locked} for one in spans],
            "passages": [
                {
                    "passage": tick.packet,
                    "class": names[tick.object_class],
                    "first": first[n],
                    "best": best[n],
                    "last": last[n],
                }
                for n, tick in enumerate(ticks)
            ],
        }
    )


@routes.get(r"/api/cameras/{camera:\d{1,9}}/beside")
async def beside(request: web.Request) -> web.Response:
    """When the passage after or before `at` was first seen."""
    later = request.query.get("later") != "no"
    found = await box(request).searches.beside(
        account_of(request), camera_number(request), time_us(request.query, "at"), later=later
    )
    return web.json_response({"first": maybe_iso(found)})


@routes.get(r"/api/cameras/{camera:\d{1,9}}/thumbnail")
async def thumbnail(request: web.Request) -> web.Response:
    """The masked key frame nearest to `at`, as a small JPEG."""
    width = whole(request.query, "width", 32, 1280, 320)
    jpeg = await box(request).stills.jpeg(
        account_of(request), camera_number(request), time_us(request.query, "at"), width=width
    )
    return web.Response(body=jpeg, content_type="image/jpeg")


def _pick(pick: Pick) -> dict[str, object]:
    return {
        "number": pick.number,
        "box": list(pick.box),
        "class": pick.object_class.name.lower(),
        "score": pick.score,
        "colours": [colour(each) for each in pick.colours],
    }


def _still(still: Still) -> dict[str, object]:
    return {
        "key": still.key,
        "camera": still.camera,
        "at": iso(still.utc_us),
        "width": still.width,
        "height": still.height,
        "picks": [_pick(pick) for pick in still.picks],
        "picture": "data:image/jpeg;base64," + base64.b64encode(still.jpeg).decode(),
    }


@routes.post(r"/api/cameras/{camera:\d{1,9}}/freeze")
async def freeze(request: web.Request) -> web.Response:
    """The masked frame shown at `at`, with what is in it."""
    at_us = time_us(await body(request), "at")
    return web.json_response(
        _still(await box(request).stills.freeze(account_of(request), camera_number(request), at_us))
    )


@routes.post(r"/api/stills/{key:[\w-]{1,80}}/picks")
async def draw(request: web.Request) -> web.Response:
    """The same still with one more object, drawn by hand; it is the last of `picks`."""
    fields = await body(request)
    kind = object_class(fields.get("class"))
    still = await box(request).stills.draw(
        account_of(request), request.match_info["key"], box_share(fields, "box"), kind
    )
    return web.json_response({"picks": [_pick(pick) for pick in still.picks]})
