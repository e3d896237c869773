"""Masks that an ONVIF client draws: polygons that are always covered, joined to the mask plan as zones.

ONVIF Media 2 26.06, 5.10. They are covered as everything else is, in the one pattern of the plan, on its grid, and
their originals travel sealed like all others.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from base.settings_file import Stored
from firmware.mask.settings import MaskSettings, Zone

MOST = 8
MOST_POINTS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Polygon:
    """One mask.

    Args:
        token: names it.
        points: x0, y0, x1, y1, … in -1..1 with y up; three points or more.
        enabled: whether it covers now.
    """

    token: str
    points: tuple[float, ...]
    enabled: bool = True

    def __post_init__(self) -> None:
        if not 6 <= len(self.points) <= 2 * MOST_POINTS or len(self.points) % 2:
            raise ValueError(f"a mask has 3 to {MOST_POINTS} points")
        if not all(-1 <= value <= 1 for value in self.points):
            raise ValueError("the points of a mask are -1 to 1")

    def zone(self) -> Zone:
        """The same place as a zone of the mask plan: 0..1 from the upper left."""
        corners = [(1 - value) / 2 if index % 2 else (1 + value) / 2 for index, value in enumerate(self.points)]
        return Zone(corners=tuple(corners), rule="always")


@dataclass(frozen=True, slots=True, kw_only=True)
class PolygonSettings:
    """All masks of clients."""

    masks: tuple[Polygon, ...] = ()


_LOST = "settings-were-lost"
LOST = PolygonSettings(masks=(Polygon(token=_LOST, points=(-1, -1, 1, -1, 1, 1, -1, 1)),))
"""Where the masks cannot be read: all of the picture, until a client deletes this one and draws its own again."""


def stored(state: Path) -> Stored[PolygonSettings]:
    """The masks in the camera's state directory (`masks.json`)."""
    return Stored(state / "masks.json", PolygonSettings(), lost=LOST)


def joined(configured: MaskSettings, polygons: PolygonSettings) -> MaskSettings:
    """The mask settings of the configuration with the enabled masks as further zones.

    A `never` zone of the configuration stays open even under a mask: the operator's file stands above a client's wish.
    """
    zones = tuple(mask.zone() for mask in polygons.masks if mask.enabled)
    return replace(configured, zones=(*configured.zones, *zones))
