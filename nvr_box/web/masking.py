"""What a camera's mask leaves open: said of now and of the past, chosen by person, released by place."""

from aiohttp import web

from nvr_box.cameras import released
from nvr_box.cameras.masking import Masking
from nvr_box.cameras.masking_history import PastMasking
from nvr_box.cameras.selections import SelectionChoice
from nvr_box.web.request_fields import (
    BadField,
    account_of,
    body,
    box,
    box_share,
    camera_number,
    iso,
    maybe_iso,
    text,
    whole,
)
from wire.selection import Mode

routes = web.RouteTableDef()


def said_of(masking: Masking) -> dict[str, object]:
    """What a mask leaves open; `selection` is null while everyone is masked."""
    everyone = masking.mode is Mode.EVERYONE
    return {
        "people": masking.people,
        "extent": masking.extent,
        "never": [list(zone) for zone in masking.never],
        "selection": None if everyone else {"mode": masking.mode.value, "people": list(masking.labels)},
        "places": [_place(each) for each in masking.places],
    }


def said_of_past(past: tuple[PastMasking, ...]) -> list[dict[str, object]]:
    """The same of a time gone by, oldest first; `end` is null while it lasts."""
    return [{"start": iso(one.start_us), "end": maybe_iso(one.end_us), **said_of(one.masking)} for one in past]


def _place(place: released.ReleasedPlaceRow) -> dict[str, object]:
    at = iso(place.at_utc_us)
    return {"id": place.id, "box": list(place.box), "reason": place.reason, "who": place.by, "at": at}


@routes.put(r"/api/cameras/{camera:\d{1,9}}/selection")
async def choose(request: web.Request) -> web.Response:
    """Leave one person open, or mask one only: a person of a frozen picture or of a search result."""
    fields = await body(request)
    try:
        mode = Mode(text(fields, "mode", most=16))
    except ValueError as error:
        raise BadField("mode: only or except.", "mode") from error
    choice = SelectionChoice(mode, text(fields, "label", most=64))
    camera, selections = camera_number(request), box(request).selections
    if "passage" in fields:
        passage = whole(fields, "passage", 0, 1 << 53)
        await selections.choose_passage(account_of(request), camera, choice, passage=passage)
    else:
        still, pick = text(fields, "still", most=64), whole(fields, "pick", 0, 10_000)
        await selections.choose_pick(account_of(request), camera, choice, still=still, pick=pick)
    return web.json_response(_now(request, camera))


@routes.delete(r"/api/cameras/{camera:\d{1,9}}/selection")
async def mask_everyone(request: web.Request) -> web.Response:
    """End a selection."""
    await box(request).selections.end(account_of(request), camera_number(request))
    return web.Response(status=204)


@routes.post(r"/api/cameras/{camera:\d{1,9}}/released-places")
async def release(request: web.Request) -> web.Response:
    """Mask no longer what is doubtful in a place, where a thing stands that looks like a person."""
    fields, camera = await body(request), camera_number(request)
    where, reason = box_share(fields, "box"), text(fields, "reason", most=300)
    await box(request).released_places.release(account_of(request), camera, where, reason=reason)
    return web.json_response(_now(request, camera), status=201)


@routes.delete(r"/api/cameras/{camera:\d{1,9}}/released-places/{place:[0-9A-Za-z-]{1,64}}")
async def take_back(request: web.Request) -> web.Response:
    """Mask there again whatever looks like a person."""
    camera, place = camera_number(request), request.match_info["place"]
    await box(request).released_places.take_back(account_of(request), camera, place)
    return web.Response(status=204)


def _now(request: web.Request, camera: int) -> dict[str, object]:
    masking = box(request).maskings.now(account_of(request), camera)
    return {"masking": None if masking is None else said_of(masking)}
