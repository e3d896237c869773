"""Analytics modules and rules at work: what of the seen is described, and what of it becomes an event.

ONVIF Analytics Service 26.06, 5.2 and 5.3. Modules describe tracked objects in the metadata stream, rules judge them.
Without a module nothing is described, without a rule there is no rule event: deleting them is how a client switches
them off. What types of either there are is said in `modules.py` and `rules/`.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from base.settings_file import Stored
from firmware.analytics.modules import DEFAULT_MODULES, Module
from firmware.analytics.parameters import Named
from firmware.analytics.rules import DEFAULT_RULES, KIND_OF_VERSION_1, Rule, type_of
from firmware.analytics.rules.base import Judge, TrackedPicture
from onvif.events import Bus
from onvif.events.settings_damage import publish_damage
from onvif.metadata import MetadataFrame, MetadataObject

CONFIGURATION = "analytics"
VIDEO_SOURCE = SOURCE_CONFIGURATION = "source"
MOST_MODULES = 4
MOST_RULES = 8
SETTINGS_VERSION = 2

Watcher = Callable[[str, MetadataFrame], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """The whole configuration; the default is what a new camera does."""

    modules: tuple[Module, ...] = DEFAULT_MODULES
    rules: tuple[Rule, ...] = DEFAULT_RULES


def _with_kinds(table: dict[str, Any]) -> dict[str, Any]:
    """Version 1 as version 2: each rule says its kind."""
    if "rules" not in table:
        return table
    return {**table, "rules": [{"kind": KIND_OF_VERSION_1, **rule} for rule in table["rules"]]}


class Engine:
    """The configuration in force.

    Args:
        state: the camera's state directory; `analytics.json` in it holds the configuration.
        bus: where rules publish; it has to know the topics of `firmware.camera_topics`.
    """

    def __init__(self, state: Path, bus: Bus) -> None:
        self._bus = bus
        self._watchers: list[Watcher] = []
        self._lock = threading.Lock()
        self._judges: dict[str, tuple[Rule, Judge]] = {}
        self.settings = Stored(
            state / "analytics.json", EngineSettings(), version=SETTINGS_VERSION, upgrades={1: _with_kinds}
        )
        publish_damage(bus, self.settings)
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

    def judge(self, picture: TrackedPicture) -> None:
        """Publish what each rule finds in a picture. Encode thread."""
        # Under the lock: a rule that is deleted meanwhile would say its state once more after it was retired.
        with self._lock:
            rules = self.settings.value.rules
            self._judges = {rule.name: self._judge_of(rule) for rule in rules}
            for rule, judge in self._judges.values():
                for finding in judge.judge(picture):
                    self._bus.publish(type_of(rule).topic.path, _source(rule), finding, at=picture.utc)

    def _judge_of(self, rule: Rule) -> tuple[Rule, Judge]:
        present = self._judges.get(rule.name)
        return present if present is not None and present[0] == rule else (rule, type_of(rule).judge(rule))

    def _changed(self, old: EngineSettings, new: EngineSettings) -> None:
        kept = {(rule.name, rule.kind) for rule in new.rules}
        with self._lock:
            for rule in old.rules:
                if (rule.name, rule.kind) not in kept:
                    self._bus.retire(type_of(rule).topic.path, _source(rule))


_N = TypeVar("_N", bound=Named)


def with_changed(kept: tuple[_N, ...], changed: Iterable[_N]) -> tuple[_N, ...]:
    """The same ones in the same order, those of equal name replaced."""
    by_name = {item.name: item for item in changed}
    return tuple(by_name.get(item.name, item) for item in kept)


def _taken(frame: MetadataFrame, modules: Iterable[Module]) -> tuple[MetadataObject, ...]:
    return tuple(seen for seen in frame.objects if any(module.takes(seen.type_, seen.likelihood) for module in modules))


def _source(rule: Rule) -> dict[str, str]:
    return {"VideoSource": VIDEO_SOURCE, "AnalyticsConfiguration": CONFIGURATION, "Rule": rule.name}
