"""Which objects a module or a rule is about: the generic parameters ClassFilter and ConfidenceLevel.

ONVIF Analytics Service 26.06, A.1.2.
"""

from dataclasses import dataclass
from typing import Any

from firmware.analytics.parameters import Given, Parameter, between, number, one_of, text

CLASSES = ("Bicycle", "Human", "Vehicle")
"""The tt:ObjectType words that this camera can see."""

FILTER_PARAMETERS = (
    Parameter("ClassFilter", "tt:StringList", one_of(CLASSES)),
    Parameter("ConfidenceLevel", "xs:float", between("FloatRange", 0, 1)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectFilter:
    """The settings that every module and rule has.

    Args:
        name: of the module or rule, unique among its kind; 1 to 64 characters.
        classes: words of CLASSES.
        likelihood: the least, 0..1.
    """

    name: str
    classes: tuple[str, ...] = CLASSES
    likelihood: float = 0.0

    def __post_init__(self) -> None:
        if not self.name or len(self.name) > 64:
            raise ValueError("Name: want 1 to 64 characters")
        unknown = sorted(set(self.classes) - set(CLASSES))
        if unknown or not self.classes:
            raise ValueError(f"ClassFilter: want some of {', '.join(CLASSES)}, got {', '.join(unknown) or 'none'}")
        if not 0.0 <= self.likelihood <= 1.0:
            raise ValueError("ConfidenceLevel: want 0 to 1")

    def takes(self, type_: str, likelihood: float) -> bool:
        return type_ in self.classes and likelihood >= self.likelihood


def read_filter(given: Given) -> dict[str, Any]:
    """The fields of ObjectFilter that the parameters give.

    Raises:
        ValueError: ConfidenceLevel is no number.
    """
    fields: dict[str, Any] = {}
    if (classes := text(given, "ClassFilter")) is not None:
        fields["classes"] = tuple(dict.fromkeys(classes.split()))
    if (level := text(given, "ConfidenceLevel")) is not None:
        fields["likelihood"] = number(level, "ConfidenceLevel")
    return fields


def written_filter(settings: ObjectFilter) -> dict[str, str]:
    return {"ClassFilter": " ".join(settings.classes), "ConfidenceLevel": f"{settings.likelihood:g}"}
