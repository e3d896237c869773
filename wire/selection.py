"""The people that a camera's mask leaves open, as the document that camera and box exchange (`wire/selection.md`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from base.errors import WireError

PATH = "/veilcam/selection"
VERSION = 1
MOST_PEOPLE = 32
_KEYS = {"version", "mode", "people", "alike", "unlike"}
_OF_A_CAMERA = {"followed"}
_CHOSEN = {"label", "model", "code"}


class Mode(StrEnum):
    """Which people are masked: all; those in the list, and any in doubt; all but those in the list."""

    EVERYONE = "everyone"
    ONLY = "only"
    EXCEPT = "except"


@dataclass(frozen=True, slots=True)
class ChosenPerson:
    """A person's clothing on one occasion; `code` is hex, of the network `model`."""

    label: str
    model: str
    code: str


@dataclass(frozen=True, slots=True)
class FollowedPerson:
    """A person that the camera tracks now, by the number of the track; only from a box to a camera."""

    label: str
    track: int


@dataclass(frozen=True, slots=True)
class SelectionDocument:
    """The document, its form checked; what a code or a track means is the camera's to judge.

    Args:
        alike, unlike: limits of likeness; None for the camera's own.
    """

    mode: Mode = Mode.EVERYONE
    people: tuple[ChosenPerson | FollowedPerson, ...] = ()
    alike: float | None = None
    unlike: float | None = None

    def to_json(self) -> dict[str, Any]:
        """As it is sent; limits that are None are left out."""
        limits = {"alike": self.alike, "unlike": self.unlike}
        return {
            "version": VERSION,
            "mode": self.mode.value,
            "people": [_table(person) for person in self.people],
            **{name: value for name, value in limits.items() if value is not None},
        }

    @classmethod
    def from_json(cls, table: Any) -> "SelectionDocument":
        """Read a document from outside.

        Raises:
            WireError: which names what is wrong.
        """
        if not isinstance(table, Mapping) or table.get("version") != VERSION:
            raise WireError(f"version: want a JSON object of version {VERSION}")
        if unknown := set(table) - _KEYS - _OF_A_CAMERA:
            raise WireError(f"unknown key {min(unknown)!r}; known: {', '.join(sorted(_KEYS))}")
        people = table.get("people", [])
        if not isinstance(people, list) or len(people) > MOST_PEOPLE:
            raise WireError(f"people: want a list of at most {MOST_PEOPLE}")
        if table.get("mode") not in list(Mode):
            raise WireError(f"mode: want one of {', '.join(Mode)}")
        limits = {key: table[key] for key in ("alike", "unlike") if key in table}
        if any(isinstance(value, bool) or not isinstance(value, int | float) for value in limits.values()):
            raise WireError("alike, unlike: want numbers")
        return cls(Mode(table["mode"]), tuple(_person(person) for person in people), **limits)


def _table(person: ChosenPerson | FollowedPerson) -> dict[str, Any]:
    if isinstance(person, FollowedPerson):
        return {"label": person.label, "track": person.track}
    return {"label": person.label, "model": person.model, "code": person.code}


def _person(table: Any) -> ChosenPerson | FollowedPerson:
    if not isinstance(table, dict) or not isinstance(table.get("label"), str):
        raise WireError("people: want objects with a label")
    if set(table) == {"label", "track"} and type(table["track"]) is int:
        return FollowedPerson(table["label"], table["track"])
    if set(table) != _CHOSEN or not all(isinstance(value, str) for value in table.values()):
        raise WireError("people: want label and track, or label, model and code")
    return ChosenPerson(**table)
