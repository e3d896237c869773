"""tt:ObjectDetection: which classes of objects are in the picture (ONVIF Analytics 26.06, Annex A).

A state: the classes, none when nothing is left.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal

from firmware.analytics.object_filter import FILTER_PARAMETERS, ObjectFilter, read_filter, written_filter
from firmware.analytics.parameters import Given
from firmware.analytics.rules.base import Finding, RuleType, TrackedPicture, rule_topic
from onvif.names import TT, q

KIND: Final = "ObjectDetection"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectDetectionRule(ObjectFilter):
    """One rule."""

    kind: Literal["ObjectDetection"] = KIND


@dataclass(frozen=True, slots=True)
class _Judge:
    rule: ObjectDetectionRule

    def judge(self, picture: TrackedPicture) -> Iterable[Finding]:
        # A prediction counts: an object that is hidden for a moment has not left.
        classes = sorted({seen.type_ for seen in picture.objects if self.rule.takes(seen.type_, seen.likelihood)})
        return ({"ClassTypes": " ".join(classes)},)


def _read(name: str, given: Given, before: ObjectDetectionRule | None) -> ObjectDetectionRule:
    return replace(before or ObjectDetectionRule(name=name), **read_filter(given))


OBJECT_DETECTION: RuleType[ObjectDetectionRule] = RuleType(
    type_=q(TT, "ObjectDetection"),
    settings=ObjectDetectionRule,
    parameters=FILTER_PARAMETERS,
    read=_read,
    written=written_filter,
    most=8,
    topic=rule_topic("ObjectDetection/Object", lasting=True, data=(("ClassTypes", "tt:StringList"),)),
    judge=_Judge,
    initial=(ObjectDetectionRule(name="ObjectDetection"),),
)
