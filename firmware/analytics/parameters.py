"""Types of tt:Config, which is what a module and a rule are in the protocol: their parameters and how these are read.

ONVIF Analytics Service 26.06, 5.2 and 5.3. A parameter is a simple item, a name and a text, or an element item, a name
and an XML element. Every parameter has a default, so that a client may create a rule that names none.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from lxml import etree

from onvif.names import TT, q

Given = Mapping[str, str | etree._Element]
"""Parameters by name: the text of a simple item, the only child of an element item."""

_FLOAT = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Options:
    """What a parameter may be: one element of the tt namespace, as GetRuleOptions shows it.

    Args:
        element: its local name.
        text: its text.
        parts: local name and text of each child, in order.
    """

    element: str
    text: str = ""
    parts: tuple[tuple[str, str], ...] = ()


def one_of(words: tuple[str, ...]) -> Options:
    """Some of several words, or one."""
    return Options("StringList", " ".join(words))


def between(element: str, least: float, most: float) -> Options:
    """A tt:FloatRange or tt:IntRange: of a number, or of how many points a tt:Polyline has."""
    return Options(element, parts=(("Min", f"{least:g}"), ("Max", f"{most:g}")))


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter.

    Args:
        type_: its type with the prefix tt or xs: `xs:float`.
        element: whether it is an element item; those come after the simple ones in a description.
    """

    name: str
    type_: str
    options: Options
    element: bool = False


class Named(Protocol):
    """Settings of one module or rule."""

    @property
    def name(self) -> str: ...


C = TypeVar("C", bound=Named)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigType(Generic[C]):
    """A type of module or rule.

    Args:
        type_: its name in Clark notation.
        settings: the frozen dataclass of one of this type.
        parameters: in the order of the descriptions.
        read: the settings of that name from the parameters that a client gave; the others are as in the third
            argument, the settings so far, or by default. Raises ValueError, its text beginning with the parameter.
        written: every parameter of the settings, in the order of `parameters`; the texts or fresh elements.
        most: how many there may be of it.
    """

    type_: str
    settings: type[C]
    parameters: tuple[Parameter, ...]
    read: Callable[[str, Given, C | None], C]
    written: Callable[[C], Given]
    most: int


def text(given: Given, parameter: str) -> str | None:
    """A simple item's text without the white space around it, None when it was not given."""
    value = given.get(parameter)
    return None if value is None else str(value).strip()


def number(value: str, parameter: str) -> float:
    """An xs:float that is finite.

    Raises:
        ValueError: it is not.
    """
    if not _FLOAT.fullmatch(value) or not math.isfinite(found := float(value)):
        raise ValueError(f"{parameter}: want a number, got {value[:40]!r}")
    return found


Point = tuple[float, float]
"""x and y in ONVIF's normalised coordinates: -1..1, y upwards."""


def polyline(element: Any, parameter: str) -> tuple[Point, ...]:
    """The points of a tt:Polyline.

    Raises:
        ValueError: it is another element, or a coordinate is missing, no number or outside -1..1.
    """
    if not isinstance(element, etree._Element) or element.tag != q(TT, "Polyline"):
        raise ValueError(f"{parameter}: want a tt:Polyline")
    points = tuple(
        (number(point.get("x", ""), parameter), number(point.get("y", ""), parameter))
        for point in element.iterfind(q(TT, "Point"))
    )
    if any(abs(value) > 1 for point in points for value in point):
        raise ValueError(f"{parameter}: coordinates are -1 to 1")
    return points


def polyline_element(points: tuple[Point, ...]) -> etree._Element:
    """A tt:Polyline, its coordinates to the last digit that was given."""
    element = etree.Element(q(TT, "Polyline"), nsmap={"tt": TT})
    for x, y in points:
        etree.SubElement(element, q(TT, "Point"), x=_written(x), y=_written(y))
    return element


def _written(value: float) -> str:
    return repr(value).removesuffix(".0")
