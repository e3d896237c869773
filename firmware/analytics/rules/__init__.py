"""The rule types of this camera. A further one is a file of this folder and a row of each of the two lists below.

With every further one `firmware.analytics.engine.SETTINGS_VERSION` goes up by one, so that an older program leaves out
the rules that it does not know.
"""

from typing import Any

from firmware.analytics.rules.base import RuleType
from firmware.analytics.rules.line_detector import LINE_DETECTOR, LineDetectorRule
from firmware.analytics.rules.object_detection import KIND, OBJECT_DETECTION, ObjectDetectionRule
from onvif.events.topics import Topic

RULE_TYPES: tuple[RuleType[Any], ...] = (OBJECT_DETECTION, LINE_DETECTOR)
Rule = ObjectDetectionRule | LineDetectorRule
"""A rule as it is stored; `kind` selects the type, the first where it is not given."""

DEFAULT_RULES: tuple[Rule, ...] = tuple(rule for type_ in RULE_TYPES for rule in type_.initial)
KIND_OF_VERSION_1 = KIND
"""Of the stored settings, which had one type of rule and did not name it."""
RULE_TOPICS: tuple[Topic, ...] = tuple(type_.topic for type_ in RULE_TYPES)
_BY_SETTINGS = {type_.settings: type_ for type_ in RULE_TYPES}


def type_of(rule: Rule) -> RuleType[Any]:
    return _BY_SETTINGS[type(rule)]
