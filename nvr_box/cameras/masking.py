"""What a camera's mask leaves open: `/veilcam/masking` (docs/design.md, “Camera ↔ box”), queried by the box."""

import math
from dataclasses import dataclass
from typing import Any

from yarl import URL

from base.errors import PeerError
from base.logs import printable
from nvr_box.cameras import released
from nvr_box.cameras.veilcam_client import signed
from wire.selection import Mode

PATH = "/veilcam/masking"
WAIT_S = 10.0
"""The longest that a camera keeps an answer back; `ours.TIMEOUT` leaves room for it."""
EXTENTS = ("faces", "heads", "bodies")
_MOST_ZONES, _MOST_CORNERS, _MOST_PEOPLE = 64, 256, 64


@dataclass(frozen=True, slots=True)
class Masking:
    """What is left open, for any person.

    Attributes:
        people: whether people are masked at all.
        extent: how much of one is: faces, heads or bodies.
        never: polygons in which nothing is masked, x0, y0, x1, y1, … as shares of the picture.
        mode, labels: the people left open by choice, or the only ones masked.
        places: what an operator released.
    """

    people: bool = True
    extent: str = "bodies"
    never: tuple[tuple[float, ...], ...] = ()
    mode: Mode = Mode.EVERYONE
    labels: tuple[str, ...] = ()
    places: tuple[released.ReleasedPlaceRow, ...] = ()


@dataclass(frozen=True, slots=True)
class WholeMaskReason:
    """Why the whole picture is masked, in the camera's words; by how much its detection is late, as far as it says."""

    reason: str
    behind_s: float | None = None


@dataclass(frozen=True, slots=True)
class MaskingAnswer:
    """One answer; `mark` is another one after every change."""

    masking: Masking
    whole: WholeMaskReason | None
    mark: str


async def look(xaddr: str, user: str, password: str, *, mark: str = "", wait_s: float = 0.0) -> MaskingAnswer:
    """What holds now; with the `mark` of the answer before, when that has changed or after `wait_s` (at most WAIT_S).

    Raises:
        PeerError: the camera refuses, does not answer, or answers nonsense.
    """
    url = URL(xaddr).with_path(PATH).with_query({"mark": mark, "wait_s": f"{wait_s:g}"} if wait_s else None)
    return read((await signed("GET", url, user, password, None, what="what it masks")).said)


def read(table: Any) -> MaskingAnswer:
    """The answer's document. Raises `PeerError` where it is none."""
    try:
        return MaskingAnswer(masking(table), _whole(table["whole"]), printable(str(table["mark"]), limit=64))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise PeerError("what the camera says of its mask is broken") from error


def masking(table: Any) -> Masking:
    """The lasting part of a document. Raises `KeyError`, `TypeError`, `ValueError` or `PeerError`."""
    if not isinstance(table["people"], bool) or table["extent"] not in EXTENTS:
        raise ValueError("people, extent")
    never, chosen = table["never"], table["selection"]
    if len(never) > _MOST_ZONES or len(chosen["people"]) > _MOST_PEOPLE:
        raise ValueError("too much")
    labels = tuple(printable(str(label), limit=64) for label in chosen["people"])
    zones = tuple(_corners(each) for each in never)
    return Masking(table["people"], table["extent"], zones, Mode(chosen["mode"]), labels, released.read(table))


def document(what: Masking) -> dict[str, Any]:
    """The same as JSON values, as `masking` reads them."""
    return {
        "people": what.people,
        "extent": what.extent,
        "never": [list(each) for each in what.never],
        "selection": {"mode": what.mode.value, "people": list(what.labels)},
        "places": released.document(what.places)["places"],
    }


def _corners(zone: Any) -> tuple[float, ...]:
    if not 6 <= len(zone) <= _MOST_CORNERS or len(zone) % 2:
        raise ValueError("never")
    corners = tuple(float(value) for value in zone)
    if not all(0 <= value <= 1 for value in corners):
        raise ValueError("never")
    return corners


def _whole(said: Any) -> WholeMaskReason | None:
    if said is None:
        return None
    behind = None if said["behind_s"] is None else float(said["behind_s"])
    if behind is not None and not (math.isfinite(behind) and behind >= 0):
        raise ValueError("behind_s")
    return WholeMaskReason(printable(str(said["reason"]), limit=120), behind)
