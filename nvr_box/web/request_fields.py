"""Reading what the browser asks for, strictly: a value of the right kind, or a sentence that names the field."""

import datetime as dt
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from aiohttp import web

from base.errors import Invalid, WireError
from base.outside_json import read_json
from nvr_box.box import BoxContext
from nvr_box.rights import Account
from nvr_box.web.sessions import WebSession, WebSessions
from onvif.connection_bounds import read_in_time
from wire.features.packet import ColourShare
from wire.features.vocabulary import ObjectClass

BOX = web.AppKey("box", BoxContext)
SESSIONS = web.AppKey("sessions", WebSessions)
ACCOUNT = web.RequestKey("account", Account)
SESSION = web.RequestKey("session", WebSession)

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_FIRST_US, _LAST_US = -62_135_596_800_000_000, 253_402_300_799_999_999  # the years 1 to 9999
_MOST_BODY_BYTES = 64 * 1024
_BODY_S = 20.0
_MOST_TEXT = 500
_HALF = re.compile("[\ud800-\udfff]")


class BadField(Invalid):
    """The browser sent a value that does not fit."""


def box(request: web.Request) -> BoxContext:
    """The box behind this page."""
    return request.app[BOX]


def account_of(request: web.Request) -> Account:
    """The account that asks; the session check has put it there."""
    return request[ACCOUNT]


async def body(request: web.Request) -> dict[str, Any]:
    """The JSON object of the request."""
    try:
        said = await read_in_time(request, most=_MOST_BODY_BYTES, limit_s=_BODY_S)
    except web.HTTPRequestEntityTooLarge as error:
        raise BadField("The request is too long.", "body") from error
    return fields_of(said or b"{}")


def fields_of(said: bytes) -> dict[str, Any]:
    """The JSON object in a request, or in a message of a page."""
    try:
        value = read_json(said, limit=_MOST_BODY_BYTES, what="the request")
    except WireError as error:
        raise BadField("The request is not JSON.", "body") from error
    if not isinstance(value, dict):
        raise BadField("The request must be a JSON object.", "body")
    return value


def text(fields: Mapping[str, Any], name: str, default: str | None = None, *, most: int = _MOST_TEXT) -> str:
    """A string of at most `most` characters; required unless there is a default.

    JSON can spell halves of characters (U+D800), which no database, no log and no key derivation takes.
    """
    value = fields.get(name, default)
    if not isinstance(value, str):
        raise BadField(f"{name}: a text is needed.", name)
    if len(value) > most:
        raise BadField(f"{name}: at most {most} characters.", name)
    if _HALF.search(value):
        raise BadField(f"{name}: there is half a character in it (U+D800 to U+DFFF).", name)
    return value


def number(fields: Mapping[str, Any], name: str, low: float, high: float, default: float | None = None) -> float:
    """A number in [low, high]; a query's digits count as one."""
    value: Any = fields.get(name, default)
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            value = None
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or (
            isinstance(value, float) and not math.isfinite(value)  # an int may be too long for that question
        )
    ):
        raise BadField(f"{name}: a number is needed.", name)
    if not low <= value <= high:
        raise BadField(f"{name}: must be {low:g} to {high:g}.", name)
    return float(value)


def whole(fields: Mapping[str, Any], name: str, low: int, high: int, default: int | None = None) -> int:
    """A whole number in [low, high]."""
    value = number(fields, name, low, high, default)
    if value != int(value):
        raise BadField(f"{name}: a whole number is needed.", name)
    return int(value)


def time_us(fields: Mapping[str, Any], name: str) -> int:
    """A time, `2026-11-21T21:15:04.123456Z`, as UTC microseconds."""
    value = maybe_time_us(fields, name)
    if value is None:
        raise BadField(f"{name}: a time is needed.", name)
    return value


def maybe_time_us(fields: Mapping[str, Any], name: str) -> int | None:
    """The same, or None when the field is absent, empty or null."""
    value = fields.get(name)
    if value in (None, ""):
        return None
    try:
        at = dt.datetime.fromisoformat(str(value)[:40])
        return (at - _EPOCH) // dt.timedelta(microseconds=1)
    except (ValueError, TypeError, OverflowError) as error:
        raise BadField(f"{name}: a time with its zone is needed, such as 2026-11-21T21:15:04Z.", name) from error


def box_share(fields: Mapping[str, Any], name: str) -> tuple[float, float, float, float]:
    """x0, y0, x1, y1 as shares 0..1 of the picture, with an area."""
    value = fields.get(name)
    if not isinstance(value, list) or len(value) != 4:
        raise BadField(f"{name}: four numbers are needed.", name)
    x0, y0, x1, y1 = (number({name: each}, name, 0.0, 1.0) for each in value)
    if x1 <= x0 or y1 <= y0:
        raise BadField(f"{name}: the box has no area.", name)
    return x0, y0, x1, y1


def maybe_point(fields: Mapping[str, Any]) -> tuple[float, float] | None:
    """`point`: x, y as shares 0..1 of the picture, None when it is absent or null."""
    value = fields.get("point")
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2:
        raise BadField("point: two numbers are needed.", "point")
    return number({"point": value[0]}, "point", 0, 1), number({"point": value[1]}, "point", 0, 1)


def object_class(value: object, name: str = "class") -> ObjectClass:
    """A class by its word."""
    if isinstance(value, str) and value.upper() in ObjectClass.__members__:
        return ObjectClass[value.upper()]
    raise BadField(f"{name}: one of {', '.join(each.name.lower() for each in ObjectClass)}.", name)


def camera_number(request: web.Request) -> int:
    """The camera in the path."""
    return int(request.match_info["camera"])


def iso(utc_us: int) -> str:
    """UTC with microseconds and `Z`, so that the same frame is found again by it; within the years that can be said."""
    within = min(max(utc_us, _FIRST_US), _LAST_US)
    at = _EPOCH + dt.timedelta(microseconds=within)
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def isos(utc_us: Iterable[int]) -> list[str]:
    """The same of thousands."""
    times = np.clip(np.fromiter(utc_us, np.int64), _FIRST_US, _LAST_US).astype("datetime64[us]")
    return [f"{each}Z" for each in np.datetime_as_string(times).tolist()]


def maybe_iso(utc_us: int | None) -> str | None:
    """The same for what may be absent."""
    return None if utc_us is None else iso(utc_us)


def colour(share: ColourShare) -> dict[str, object]:
    """A share of an object's colour in words."""
    return {"part": share.part.name.lower(), "name": share.colour.name.lower(), "share": share.share}
