"""What a rule type is, and what its rules see of a picture.

A rule type is one file of this folder and a line in the registry (`__init__.py`). The services, the topic set, the
stored settings and the engine take everything from there.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from firmware.analytics.parameters import ConfigType, Named
from onvif.events.bus import Value
from onvif.events.topics import RULE_SOURCE, Items, Topic
from onvif.metadata import MetadataBox


@dataclass(frozen=True, slots=True)
class TrackedObject:
    """One confirmed track in one picture.

    Args:
        id: stays with the object.
        type_: a tt:ObjectType word.
        likelihood: 0..1 of its last sighting.
        box: normalised, cut to the picture.
        sighted: False when the box is a prediction: it shows that the object is there still, not where.
    """

    id: int
    type_: str
    likelihood: float
    box: MetadataBox
    sighted: bool = True

    @property
    def foot(self) -> tuple[float, float]:
        """X and y of the middle of the lower edge, normalised: where it stands."""
        return (self.box.left + self.box.right) / 2, self.box.bottom


@dataclass(frozen=True, slots=True)
class TrackedPicture:
    """What rules judge.

    Args:
        utc: the picture's own time, aware; rules have no other clock.
        objects: every confirmed track.
        width, height: of the picture in pixels, for distances: the normalised coordinates are not square.
        moved: the camera moved, so that earlier positions mean nothing any more.
    """

    utc: datetime
    objects: tuple[TrackedObject, ...]
    width: int
    height: int
    moved: bool = False


Finding = Mapping[str, Value]
"""The data items of one event. Of a lasting topic it is the state, which is an event only when it differs."""


class Judge(Protocol):
    """One rule at work, with what it remembers of its tracks. Encode thread."""

    def judge(self, picture: TrackedPicture) -> Iterable[Finding]:
        """What the rule finds in the next picture."""
        ...


class RuleSettings(Named, Protocol):
    """Settings of one rule, as they are stored: `kind` says which type they are of."""

    @property
    def kind(self) -> str: ...


R = TypeVar("R", bound=RuleSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleType(ConfigType[R]):
    """A type of rule.

    Args:
        topic: of its events; a lasting one has a state for every rule.
        judge: a rule put to work, afresh after each change of its settings.
        initial: the rules of this type that a new camera has.
    """

    topic: Topic
    judge: Callable[[R], Judge]
    initial: tuple[R, ...] = ()


def rule_topic(path: str, *, lasting: bool, data: Items) -> Topic:
    """A topic below tns1:RuleEngine, with the source items of every rule's events (ONVIF Analytics 26.06, A.1.1)."""
    return Topic(f"tns1:RuleEngine/{path}", lasting, RULE_SOURCE, data=data)
