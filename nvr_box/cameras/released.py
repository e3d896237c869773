"""Places that a camera need not mask: `/veilcam/released-places` (docs/design.md, “Camera ↔ box”), for the box."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from yarl import URL

from base.errors import PeerError
from base.logs import printable
from nvr_box.cameras.veilcam_client import signed

PATH = "/veilcam/released-places"
MOST_PLACES = 64


@dataclass(frozen=True, slots=True)
class ReleasedPlaceRow:
    """A box in the picture, as shares of it, that an operator released; `by` is their name."""

    id: str
    box: tuple[float, float, float, float]
    reason: str
    by: str
    at_utc_us: int


async def look(xaddr: str, user: str, password: str) -> tuple[ReleasedPlaceRow, ...]:
    """What is released.

    Raises:
        PeerError: the camera refuses, does not answer, or answers nonsense.
    """
    return read((await signed("GET", _url(xaddr), user, password, None, what="the released places")).said)


async def save(
    xaddr: str, user: str, password: str, places: Sequence[ReleasedPlaceRow]
) -> tuple[ReleasedPlaceRow, ...]:
    """Release these places and no others; what the camera then says. Raises as `look`."""
    answer = await signed("PUT", _url(xaddr), user, password, document(places), what="the released places")
    return read(answer.said)


def document(places: Sequence[ReleasedPlaceRow]) -> dict[str, Any]:
    """The places as JSON values."""
    listed = [
        {"id": each.id, "box": list(each.box), "reason": each.reason, "by": each.by, "at_utc_us": each.at_utc_us}
        for each in places
    ]
    return {"places": listed}


def read(table: Any) -> tuple[ReleasedPlaceRow, ...]:
    """The places of a document, in which there may be more. Raises `PeerError` where they are broken."""
    try:
        if len(table["places"]) > MOST_PLACES:
            raise ValueError("too many")
        return tuple(_place(one) for one in table["places"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise PeerError("the camera's list of released places is broken") from error


def _place(one: Any) -> ReleasedPlaceRow:
    x0, y0, x1, y1 = (float(value) for value in one["box"])
    if not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1):
        raise ValueError("box")
    reason, by = printable(str(one["reason"]), limit=300), printable(str(one["by"]), limit=64)
    return ReleasedPlaceRow(printable(str(one["id"]), limit=64), (x0, y0, x1, y1), reason, by, int(one["at_utc_us"]))


def _url(xaddr: str) -> URL:
    return URL(xaddr).with_path(PATH).with_query(None)
