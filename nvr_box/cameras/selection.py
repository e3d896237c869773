"""The people whom a camera's mask leaves open: `/veilcam/selection` (docs/design.md, “Camera ↔ box”)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from yarl import URL

from base.errors import PeerError, WireError
from base.logs import printable
from nvr_box.cameras.veilcam_client import signed
from wire.selection import PATH, ChosenPerson, Mode, SelectionDocument


@dataclass(frozen=True, slots=True)
class CameraSelection:
    """What a camera says, or is to do."""

    mode: Mode = Mode.EVERYONE
    people: tuple[ChosenPerson, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """What the people are called."""
        return tuple(each.label for each in self.people)


async def look(xaddr: str, user: str, password: str) -> CameraSelection:
    """What is in force; the camera compares no person for it.

    Raises:
        PeerError: it refuses, does not answer, or answers nonsense.
    """
    return _read((await signed("GET", _url(xaddr, attend="no"), user, password, None, what="the selection")).said)


async def choose(xaddr: str, user: str, password: str, mode: Mode, people: Sequence[ChosenPerson]) -> CameraSelection:
    """Put another selection in force; what the camera then says. Raises as `look`."""
    body = SelectionDocument(mode, tuple(people)).to_json()
    return _read((await signed("PUT", _url(xaddr), user, password, body, what="the selection")).said)


async def end(xaddr: str, user: str, password: str) -> CameraSelection:
    """Mask everyone again. Raises as `look`."""
    return _read((await signed("DELETE", _url(xaddr), user, password, None, what="the selection")).said)


def _read(table: Any) -> CameraSelection:
    try:
        said = SelectionDocument.from_json(table)
    except WireError as error:
        raise PeerError(f"the camera's selection is broken: {error}") from error
    people = (each for each in said.people if isinstance(each, ChosenPerson))
    shown = tuple(ChosenPerson(printable(each.label, limit=64), printable(each.model, limit=64),
                               printable(each.code, limit=4096)) for each in people)  # fmt: skip
    return CameraSelection(said.mode, shown)


def _url(xaddr: str, **query: str) -> URL:
    return URL(xaddr).with_path(PATH).with_query(query or None)
