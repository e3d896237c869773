"""Searching for similar appearance, and the masked best shots of what was found."""

from collections import defaultdict
from typing import Any

from aiohttp import web

from nvr_box.cameras.masking_history import PastMasking
from nvr_box.rights import Right
from nvr_box.search.search import Filters, Match
from nvr_box.web.masking import said_of
from nvr_box.web.request_fields import (
    BadField,
    account_of,
    body,
    box,
    colour,
    iso,
    maybe_time_us,
    number,
    object_class,
    text,
    whole,
)
from wire.features.vocabulary import CHOICES, Attribute, BodyPart, Colour

routes = web.RouteTableDef()

_MOST_CHOICES = 256


def _filters(fields: dict[str, Any]) -> Filters:
    return Filters(
        cameras=tuple(whole({"cameras": each}, "cameras", 0, 1 << 31) for each in _list(fields, "cameras")),
        start_us=maybe_time_us(fields, "start"),
        end_us=maybe_time_us(fields, "end"),
        classes=tuple(object_class(each, "classes") for each in _list(fields, "classes")),
        colours=tuple(_colour(each) for each in _list(fields, "colours")),
        attributes=tuple(_attribute(each) for each in _list(fields, "attributes")),
        threshold=number(fields, "threshold", 0.0, 1.0, 0.5),
        limit=whole(fields, "limit", 1, 1000, 100),
    )


def _list(fields: dict[str, Any], name: str) -> list[Any]:
    value = fields.get(name, [])
    if not isinstance(value, list) or len(value) > _MOST_CHOICES:
        raise BadField(f"{name}: a list of at most {_MOST_CHOICES} is needed.", name)
    return value


def _colour(value: object) -> tuple[BodyPart, Colour]:
    if not isinstance(value, dict):
        raise BadField("colours: each has a part and a name.", "colours")
    part, name = text(value, "part", most=16).upper(), text(value, "name", most=16).upper()
    if part not in BodyPart.__members__ or name not in Colour.__members__:
        raise BadField("colours: there is no such part or colour.", "colours")
    return BodyPart[part], Colour[name]


def _attribute(value: object) -> tuple[Attribute, int]:
    if not isinstance(value, dict):
        raise BadField("attributes: each has a name and a word.", "attributes")
    name, word = text(value, "name", most=32).upper(), text(value, "word", most=32)
    choices = CHOICES.get(Attribute[name], ()) if name in Attribute.__members__ else ()
    if word not in choices:
        raise BadField("attributes: there is no such attribute or word.", "attributes")
    return Attribute[name], choices.index(word)


def _match(match: Match, held: tuple[PastMasking, ...]) -> dict[str, object]:
    at_us = match.best_us
    then = (one for one in held if one.start_us <= at_us and (one.end_us is None or at_us <= one.end_us))
    return {
        "passage": match.packet,
        "camera": match.camera,
        "class": match.object_class.name.lower(),
        "first": iso(match.first_us),
        "best": iso(match.best_us),
        "last": iso(match.last_us),
        "similarity": match.similarity,
        "colours": [colour(each) for each in match.colours],
        "masking": [said_of(one.masking) for one in then],
        "attributes": [
            {"name": each.attribute.name.lower(), "word": each.word, "confidence": each.confidence}
            for each in match.attributes
        ],
    }


async def _held(request: web.Request, matches: tuple[Match, ...]) -> dict[int, tuple[PastMasking, ...]]:
    """What the cameras' masks left open around the matches, by camera."""
    times: defaultdict[int, list[int]] = defaultdict(list)
    for match in matches:
        times[match.camera].append(match.best_us)
    maskings, account = box(request).maskings, account_of(request)
    return {
        camera: await maskings.past(account, camera, min(each), max(each) + 1)
        for camera, each in times.items()
        if account.may(Right.VIEW, camera)
    }


@routes.post("/api/searches")
async def search(request: web.Request) -> web.Response:
    """Search by a pick of a frozen picture, by a stored passage, or by filters alone."""
    fields = await body(request)
    filters, searches, account = _filters(fields), box(request).searches, account_of(request)
    if fields.get("still") is not None:
        results = await searches.by_pick(account, text(fields, "still"), whole(fields, "pick", 0, 10_000), filters)
    elif fields.get("passage") is not None:
        results = await searches.by_packet(account, whole(fields, "passage", 0, 1 << 53), filters)
    else:
        results = await searches.by_attributes(account, filters)
    held = await _held(request, results.matches)
    return web.json_response(
        {
            "matches": [_match(match, held.get(match.camera, ())) for match in results.matches],
            "compared": results.compared,
            "stored": results.stored,
            "took_ms": results.took_ms,
            "histogram": list(results.histogram),
            "other_model": results.other_model,
            "narrowest": results.narrowest,
        }
    )


@routes.get(r"/api/passages/{passage:\d{1,15}}/shot")
async def shot(request: web.Request) -> web.Response:
    """The masked best shot of a passage."""
    jpeg = await box(request).searches.best_shot(account_of(request), int(request.match_info["passage"]))
    return web.Response(body=jpeg, content_type="image/jpeg")
