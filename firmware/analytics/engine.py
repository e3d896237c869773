"""Analytics modules and rules: what of the seen is described, and what of it is told as events.

ONVIF Analytics Service 26.06, 5.2 and 5.3. One module type describes tracked objects in the metadata stream; one rule
type (tt:ObjectDetection, Annex A) tells which classes are in the picture. Both choose by class and likelihood. Without
a module nothing is described, without a rule no object event is told: deleting them is how a client switches them off.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from base.settings_file import Stored
from onvif.events import Bus, topics
from onvif.events.settings_damage import tell_damage
from onvif.metadata import MetadataFrame, MetadataObject
from onvif.names import TT, VC, q

CLASSES = ("Bicycle", "Human", "Vehicle")
"""The tt:ObjectType words that this camera can see."""

CONFIGURATION = "analytics"
VIDEO_SOURCE = SOURCE_CONFIGURATION = "source"
MODULE_TYPE = q(VC, "ObjectTracker")
RULE_TYPE = q(TT, "ObjectDetection")
MOST_MODULES = 4
MOST_RULES = 8

Watcher = Callable[[str, MetadataFrame], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectFilter:
    """Which objects are meant.

    Args:
        name: of the module or rule, unique among its kind.
        classes: words of CLASSES.
        likelihood: the least, 0..1.
    """

    name: str
    classes: tuple[str, ...] = CLASSES
    likelihood: float = 0.0

    def __post_init__(self) -> None:
        if not self.name or len(self.name) > 64:
            raise ValueError("a name has 1 to 64 characters")
        unknown = sorted(set(self.classes) - set(CLASSES))
        if unknown or not self.classes:
            raise ValueError(f"classes: want some of {', '.join(CLASSES)}, got {', '.join(unknown) or 'none'}")
        if not 0.0 <= self.likelihood <= 1.0:
            raise ValueError("the confidence level is 0 to 1")

    def takes(self, type_: str, likelihood: float) -> bool:
        return type_ in self.classes and likelihood >= self.likelihood


class Module(ObjectFilter):
    """A module of type MODULE_TYPE: describes what it takes."""


class Rule(ObjectFilter):
    """A rule of type RULE_TYPE: tells the classes of what it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """The whole configuration; the default is what a new camera does."""

    modules: tuple[Module, ...] = (Module(name="ObjectTracker"),)
    rules: tuple[Rule, ...] = (Rule(name="ObjectDetection"),)


class Engine:
    """The configuration in force.

    Args:
        state: the camera's state directory; `analytics.json` in it holds the configuration.
        bus: where rules tell.
    """

    def __init__(self, state: Path, bus: Bus) -> None:
        self._bus = bus
        self._watchers: list[Watcher] = []
        self.settings = Stored(state / "analytics.json", EngineSettings())
        tell_damage(bus, self.settings)
        self.settings.listen(self._changed)

    def watch(self, watcher: Watcher) -> None:
        """Show `watcher` what each module describes in each picture: its name and the frame. Encode thread."""
        self._watchers.append(watcher)

    def describe(self, frame: MetadataFrame) -> MetadataFrame:
        """What is described of a picture: the objects that some module takes. Watchers see each module's own part."""
        modules = self.settings.value.modules
        for module in modules if self._watchers else ():
            part = replace(frame, objects=_taken(frame, (module,)))
            for watcher in self._watchers:
                watcher(module.name, part)
        return replace(frame, objects=_taken(frame, modules))

    def tell(self, seen: Iterable[tuple[str, float]], at: datetime) -> None:
        """Say what each rule finds in a picture. Encode thread.

        Args:
            seen: (tt:ObjectType, likelihood) of each object.
            at: the picture's time.
        """
        present = tuple(seen)
        for rule in self.settings.value.rules:
            classes = sorted({type_ for type_, likelihood in present if rule.takes(type_, likelihood)})
            self._bus.publish(
                topics.OBJECT_DETECTION.path, _source(rule.name), {"ClassTypes": " ".join(classes)}, at=at
            )

    def _changed(self, old: EngineSettings, new: EngineSettings) -> None:
        for name in {rule.name for rule in old.rules} - {rule.name for rule in new.rules}:
            self._bus.retire(topics.OBJECT_DETECTION.path, _source(name))


_Kind = TypeVar("_Kind", bound=ObjectFilter)


def with_changed(kept: tuple[_Kind, ...], changed: Iterable[_Kind]) -> tuple[_Kind, ...]:
    """The same choices in the same order, those of equal name replaced."""
    by_name = {choice.name: choice for choice in changed}
    return tuple(by_name.get(choice.name, choice) for choice in kept)


def _taken(frame: MetadataFrame, modules: Iterable[Module]) -> tuple[MetadataObject, ...]:
    return tuple(seen for seen in frame.objects if any(module.takes(seen.type_, seen.likelihood) for module in modules))


def _source(rule: str) -> dict[str, str]:
    return {"VideoSource": VIDEO_SOURCE, "AnalyticsConfiguration": CONFIGURATION, "Rule": rule}
