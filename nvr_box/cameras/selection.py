"""Whom a camera's mask leaves open: `/veilcam/selection` (docs/design.md, “Camera ↔ box”), asked by the box."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from yarl import URL

from base.errors import PeerError
from base.logs import printable
from nvr_box.cameras.ours import signed

PATH = "/veilcam/selection"


class Mode(Enum):
    """Who is masked: everyone; only the people in the list; everybody except them."""

    EVERYONE = "everyone"
    ONLY = "only"
    EXCEPT = "except"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody's clothing on one occasion; `code` is hex, of the network `model`."""

    label: str
    model: str
    code: str


@dataclass(frozen=True, slots=True)
class Selection:
    """What a camera says, or is to do."""

    mode: Mode = Mode.EVERYONE
    people: tuple[Person, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """What the people are called."""
        return tuple(each.label for each in self.people)


async def look(xaddr: str, user: str, password: str) -> Selection:
    """What is in force; the camera looks at nobody for it.

    Raises:
        PeerError: it refuses, does not answer, or answers nonsense.
    """
    return _read((await signed("GET", _url(xaddr, attend="no"), user, password, None, what="the selection")).said)


async def choose(xaddr: str, user: str, password: str, mode: Mode, people: Sequence[Person]) -> Selection:
    """Put another selection in force; what the camera then says. Raises as `look`."""
    listed = [{"label": each.label, "model": each.model, "code": each.code} for each in people]
    body = {"version": 1, "mode": mode.value, "people": listed}
    return _read((await signed("PUT", _url(xaddr), user, password, body, what="the selection")).said)


async def end(xaddr: str, user: str, password: str) -> Selection:
    """Mask everyone again. Raises as `look`."""
    return _read((await signed("DELETE", _url(xaddr), user, password, None, what="the selection")).said)


def _read(table: Any) -> Selection:
    try:
        people = tuple(
            Person(_word(one["label"], 64), _word(one["model"], 64), _word(one["code"], 4096))
            for one in table["people"]
        )
        return Selection(Mode(table["mode"]), people)
    except (KeyError, TypeError, ValueError) as error:
        raise PeerError("the camera's selection is broken") from error


def _word(value: Any, most: int) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is needed")
    return printable(value, limit=most)


def _url(xaddr: str, **query: str) -> URL:
    return URL(xaddr).with_path(PATH).with_query(query or None)
