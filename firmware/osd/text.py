"""On-screen displays: the configured texts and what they say at a moment.

ONVIF Media Service 26.06, 5.9 (OSD), tt:OSDConfiguration. Date and time formats are written with the standard's own
pattern letters; the moment is the picture's capture time, not that of drawing.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

MOST = 8
LONGEST_TEXT = 128
SIZES = (8, 64)
"""Least and largest font size in pixels of a picture 720 lines high; other heights scale it."""


class OsdTextKind(StrEnum):
    """tt:OSDTextConfiguration/Type."""

    PLAIN = "Plain"
    DATE = "Date"
    TIME = "Time"
    DATE_AND_TIME = "DateAndTime"


class OsdPosition(StrEnum):
    """tt:OSDPosConfiguration/Type."""

    UPPER_LEFT = "UpperLeft"
    UPPER_RIGHT = "UpperRight"
    LOWER_LEFT = "LowerLeft"
    LOWER_RIGHT = "LowerRight"
    CUSTOM = "Custom"


DATE_FORMATS = {"yyyy-MM-dd": "%Y-%m-%d", "yyyy/MM/dd": "%Y/%m/%d", "dd/MM/yyyy": "%d/%m/%Y", "MM/dd/yyyy": "%m/%d/%Y"}
TIME_FORMATS = {"HH:mm:ss": "%H:%M:%S", "hh:mm:ss tt": "%I:%M:%S %p"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Osd:
    """One text.

    Args:
        token: names it.
        kind: what it says.
        text: for PLAIN.
        position: where; `x` and `y` in -1..1 with y up are the text's upper left corner when it is CUSTOM.
        size: font size, see SIZES.
        date_format, time_format: keys of DATE_FORMATS and TIME_FORMATS.
    """

    token: str
    kind: OsdTextKind = OsdTextKind.PLAIN
    text: str = ""
    position: OsdPosition = OsdPosition.UPPER_LEFT
    x: float = 0.0
    y: float = 0.0
    size: int = 24
    date_format: str = "yyyy-MM-dd"
    time_format: str = "HH:mm:ss"

    def __post_init__(self) -> None:
        if len(self.text) > LONGEST_TEXT:
            raise ValueError(f"a text has at most {LONGEST_TEXT} characters")
        if not SIZES[0] <= self.size <= SIZES[1]:
            raise ValueError(f"the font size is {SIZES[0]} to {SIZES[1]}")
        if not (-1 <= self.x <= 1 and -1 <= self.y <= 1):
            raise ValueError("a position is -1 to 1")
        if self.date_format not in DATE_FORMATS:
            raise ValueError(f"the date format is one of {', '.join(DATE_FORMATS)}")
        if self.time_format not in TIME_FORMATS:
            raise ValueError(f"the time format is one of {', '.join(TIME_FORMATS)}")

    def at(self, moment: datetime) -> str:
        """What it says at that moment, one line."""
        match self.kind:
            case OsdTextKind.PLAIN:
                # Control characters would be drawn as boxes, and a line break is none in one line.
                return "".join(letter if letter.isprintable() else " " for letter in self.text)
            case OsdTextKind.DATE:
                return moment.strftime(DATE_FORMATS[self.date_format])
            case OsdTextKind.TIME:
                return moment.strftime(TIME_FORMATS[self.time_format])
            case OsdTextKind.DATE_AND_TIME:
                return moment.strftime(f"{DATE_FORMATS[self.date_format]} {TIME_FORMATS[self.time_format]}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OsdSettings:
    """All texts, in drawing order."""

    osds: tuple[Osd, ...] = ()
