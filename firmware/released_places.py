"""Places where a mask is not wanted, since a thing stands there that looks like a person: `/veilcam/released-places`.

Each is a box in the picture that an operator released, with their name, their reason and the time. GET shows the
places, PUT replaces them: `{"places": [{"id", "box": [x0, y0, x1, y1], "reason", "by", "at_utc_us"}]}`, boxes as
shares 0..1 of the picture. For administrators; every change is written to the log.
"""

import json
import logging
import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from aiohttp import web
from numpy.typing import NDArray

from base.errors import WireError
from base.settings_file import Stored
from firmware.bound import Authorise, Bound, refused

log = logging.getLogger(__name__)

PATH = "/veilcam/released-places"
FILE = "released-places.json"
MOST_PLACES = 64
_KEYS = {"id", "box", "reason", "by", "at_utc_us"}
_LONGEST = {"id": 64, "reason": 300, "by": 64}
_LATEST_US = 1 << 53


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedPlace:
    """One place.

    Args:
        id: what it is called by the box, unique in the list.
        box: x0, y0, x1, y1 as shares of the picture.
        reason, by, at_utc_us: why, by which account and when it was released.
    """

    id: str
    box: tuple[float, ...]
    reason: str
    by: str
    at_utc_us: int

    def __post_init__(self) -> None:
        for name, longest in _LONGEST.items():
            value = getattr(self, name)
            if not isinstance(value, str) or not 0 < len(value) <= longest or not value.isprintable():
                raise ValueError(f"{name}: want 1 to {longest} printable characters")
        if type(self.at_utc_us) is not int or not 0 <= self.at_utc_us < _LATEST_US:
            raise ValueError("at_utc_us: want microseconds since 1970")
        numbers = all(type(value) is int or (type(value) is float and math.isfinite(value)) for value in self.box)
        if len(self.box) != 4 or not numbers:
            raise ValueError("box: want four numbers")
        x0, y0, x1, y1 = self.box
        if not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1):
            raise ValueError("box: want shares x0 < x1 and y0 < y1 of the picture, from 0 to 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedPlaces:
    """All that are released on this camera."""

    places: tuple[ReleasedPlace, ...] = ()

    @property
    def boxes(self) -> NDArray[np.float32]:
        """(n, 4) shares of the picture."""
        return np.array([place.box for place in self.places], np.float32).reshape(-1, 4)

    def __post_init__(self) -> None:
        if len(self.places) > MOST_PLACES:
            raise ValueError(f"places: want at most {MOST_PLACES}")
        if len({place.id for place in self.places}) != len(self.places):
            raise ValueError("id: two places of the same")


def document(released: ReleasedPlaces) -> dict[str, Any]:
    """The places as JSON values."""
    return {"places": [{**asdict(place), "box": list(place.box)} for place in released.places]}


def read(table: Any) -> ReleasedPlaces:
    """The places of a document.

    Raises:
        WireError: it does not fit; the message names what.
    """
    if not isinstance(table, dict) or set(table) != {"places"} or not isinstance(table["places"], list):
        raise WireError("places: want a JSON object with a list of places and nothing else")
    if len(table["places"]) > MOST_PLACES:
        raise WireError(f"places: want at most {MOST_PLACES}")
    try:
        return ReleasedPlaces(places=tuple(_place(place) for place in table["places"]))
    except ValueError as error:
        raise WireError(str(error)) from error


def _place(table: Any) -> ReleasedPlace:
    if not isinstance(table, dict) or set(table) != _KEYS or not isinstance(table["box"], list):
        raise WireError(f"places: want objects with {', '.join(sorted(_KEYS))}")
    return ReleasedPlace(**{**table, "box": tuple(table["box"])})


@dataclass(frozen=True, slots=True)
class ReleasedPlacesEndpoint:
    """The HTTP side; event-loop thread. `stored` is what is in force; the mask plan listens to it."""

    stored: Stored[ReleasedPlaces]

    def routes(self, authorise: Authorise) -> list[web.RouteDef]:
        """To be added to the camera's web application; `authorise` raises unless an administrator calls."""

        async def show(request: web.Request) -> web.Response:
            return (await authorise(request)).answer(document(self.stored.value))

        async def replace(request: web.Request) -> web.Response:
            return self._replace(await authorise(request))

        return [web.get(PATH, show), web.put(PATH, replace)]

    def _replace(self, bound: Bound) -> web.Response:
        try:
            released = read(json.loads(bound.body))
        except WireError as error:
            return refused(400, str(error))
        except (ValueError, RecursionError) as error:
            return refused(400, f"not JSON: {error}")
        self.stored.set(released)
        log.warning("%d places are released from the mask now", len(released.places))
        return bound.answer(document(released))
