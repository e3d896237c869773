"""tt:LineDetector: an object crosses a line (ONVIF Analytics 26.06, A.2).

An event without a state. The path of an object's foot point has to cut the drawn line itself, not its prolongation, and
the object has to hold either side: in two sightings in a row, clear of the line by more than a foot point wavers.
Predicted boxes never cross. A step that is faster than people run is a box that jumped or an identity that went over to
another object, and breaks the path.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Final, Literal

from firmware.analytics.object_filter import FILTER_PARAMETERS, ObjectFilter, read_filter, written_filter
from firmware.analytics.parameters import (
    Given,
    Options,
    Parameter,
    Point,
    between,
    polyline,
    polyline_element,
    text,
)
from firmware.analytics.rules.base import Finding, RuleType, TrackedObject, TrackedPicture, rule_topic
from onvif.names import TT, q

DIRECTIONS: Final = ("Any", "Left", "Right")
MOST_POINTS: Final = 16

_BAND: Final = 0.1
"""Of the object's size: how far off the line a side is held. On seven lines across a street it takes away the crossings
that are none, 0 to 4 of 15 to 34; at 0.3 up to 4 of 17 true ones are gone as well."""
_BAND_PX: Final = 4.0
_HELD_SIGHTINGS: Final = 2
_FASTEST: Final = 2.5
"""Object sizes a second. With the slack of every step it is 7.5 at ten pictures a second, 13 m/s for a person."""
_SLACK: Final = 0.5
"""Object sizes that a foot point may be off by in any step."""
_LONGEST_GAP_S: Final = 1.0
"""No more than this is granted for the way between two sightings, however long nothing was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineDetectorRule(ObjectFilter):
    """One rule.

    Args:
        segments: the line's points, 2 to 16; by default the upright middle of the picture.
        direction: where an object has to go: to the left or to the right of the drawn line, seen from its first point
            to its second.
    """

    segments: tuple[Point, ...] = ((0.0, 1.0), (0.0, -1.0))
    direction: Literal["Any", "Left", "Right"] = "Any"
    kind: Literal["LineDetector"] = "LineDetector"

    def __post_init__(self) -> None:
        ObjectFilter.__post_init__(self)
        if not 2 <= len(self.segments) <= MOST_POINTS:
            raise ValueError(f"Segments: want 2 to {MOST_POINTS} points, got {len(self.segments)}")
        if not all(math.isfinite(value) and abs(value) <= 1 for point in self.segments for value in point):
            raise ValueError("Segments: coordinates are -1 to 1")
        if self.direction not in DIRECTIONS:
            raise ValueError(f"Direction: want one of {', '.join(DIRECTIONS)}, got {self.direction[:40]!r}")


@dataclass(slots=True)
class _Side:
    """Where a track stands to one segment.

    Args:
        held: 1 left, -1 right, 0 not known yet.
        candidate, sightings: the side that it may be about to hold, and for how long.
        cut: whether its path has cut the segment an odd number of times since a side was held.
    """

    held: int = 0
    candidate: int = 0
    sightings: int = 0
    cut: bool = False

    def sighted(self, side: int) -> int:
        """Take the side of the next sighting, 0 within the band; the side that was crossed to, or 0."""
        self.sightings = self.sightings + 1 if side == self.candidate else 1
        self.candidate = side
        if side == 0 or self.sightings < _HELD_SIGHTINGS:
            return 0
        crossed = side if self.cut and self.held == -side else 0
        self.held, self.cut = side, False
        return crossed


@dataclass(slots=True)
class _Path:
    """One track: its last sighting in units of half the picture's height, its best likelihood, its sides."""

    sides: list[_Side]
    at_s: float = 0.0
    foot: Point | None = None
    size: float = 0.0
    likelihood: float = 0.0


@dataclass(slots=True)
class _Judge:
    rule: LineDetectorRule
    _paths: dict[int, _Path] = field(default_factory=dict)

    def judge(self, picture: TrackedPicture) -> Iterable[Finding]:
        if picture.moved:
            self._paths.clear()
        present = {seen.id for seen in picture.objects}
        self._paths = {id_: path for id_, path in self._paths.items() if id_ in present}
        return [
            {"ObjectId": seen.id, "ClassTypes": seen.type_}
            for seen in picture.objects
            if seen.sighted and self._crosses(seen, picture)
        ]

    def _crosses(self, seen: TrackedObject, picture: TrackedPicture) -> bool:
        aspect = picture.width / picture.height
        line = [(x * aspect, y) for x, y in self.rule.segments]
        path = self._paths.setdefault(seen.id, _Path([_Side() for _ in pairwise(line)]))
        foot = (seen.foot[0] * aspect, seen.foot[1])
        size, at_s = _size(seen, aspect), picture.utc.timestamp()
        path.likelihood = max(path.likelihood, seen.likelihood)
        before = path.foot
        if before is not None and math.dist(before, foot) > _reach(min(path.size, size), at_s - path.at_s):
            before = None
            path.sides = [_Side() for _ in path.sides]
        path.at_s, path.foot, path.size = at_s, foot, size
        band = max(_BAND * size, _BAND_PX * 2 / picture.height)
        crossed = set()
        for side, (start, end) in zip(path.sides, pairwise(line), strict=True):
            if before is not None and _cuts(before, foot, start, end):
                side.cut = not side.cut
            crossed.add(side.sighted(_side(foot, start, end, band)))
        return self.rule.takes(seen.type_, path.likelihood) and bool(crossed & _WANTED[self.rule.direction])


_WANTED: Final[dict[str, set[int]]] = {"Any": {1, -1}, "Left": {1}, "Right": {-1}}


def _size(seen: TrackedObject, aspect: float) -> float:
    """What distances are measured by: a body's height, a vehicle's longer side."""
    across, up = (seen.box.right - seen.box.left) * aspect, seen.box.top - seen.box.bottom
    return max(across, up) if seen.type_ == "Vehicle" else up


def _reach(size: float, gap_s: float) -> float:
    return size * (_FASTEST * min(max(gap_s, 0.0), _LONGEST_GAP_S) + _SLACK)


def _left_of(point: Point, start: Point, end: Point) -> float:
    """Positive on the left of the way from `start` to `end`, y upwards; zero on its prolongation."""
    return (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (point[0] - start[0])


def _side(foot: Point, start: Point, end: Point, band: float) -> int:
    length = math.dist(start, end)
    distance = _left_of(foot, start, end) / length if length else 0.0
    return 0 if abs(distance) <= band else 1 if distance > 0 else -1


def _cuts(before: Point, foot: Point, start: Point, end: Point) -> bool:
    """Whether the step cuts the segment; of two that share a point, a step through that point cuts one."""
    return (_left_of(before, start, end) > 0) != (_left_of(foot, start, end) > 0) and (
        _left_of(start, before, foot) > 0
    ) != (_left_of(end, before, foot) > 0)


def _read(name: str, given: Given, before: LineDetectorRule | None) -> LineDetectorRule:
    fields: dict[str, Any] = read_filter(given)
    if (segments := given.get("Segments")) is not None:
        fields["segments"] = polyline(segments, "Segments")
    if (direction := text(given, "Direction")) is not None:
        fields["direction"] = direction
    return replace(before or LineDetectorRule(name=name), **fields)


def _written(rule: LineDetectorRule) -> Given:
    return {"Direction": rule.direction, **written_filter(rule), "Segments": polyline_element(rule.segments)}


LINE_DETECTOR: RuleType[LineDetectorRule] = RuleType(
    type_=q(TT, "LineDetector"),
    settings=LineDetectorRule,
    parameters=(
        Parameter(
            "Direction", "tt:Direction", Options("StringItems", parts=tuple(("Item", word) for word in DIRECTIONS))
        ),
        *FILTER_PARAMETERS,
        Parameter("Segments", "tt:Polyline", between("IntRange", 2, MOST_POINTS), element=True),
    ),
    read=_read,
    written=_written,
    most=8,
    topic=rule_topic(
        "LineDetector/Crossed", lasting=False, data=(("ObjectId", "xs:integer"), ("ClassTypes", "tt:StringList"))
    ),
    judge=_Judge,
)
