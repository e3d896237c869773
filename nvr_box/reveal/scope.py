"""What one reveal may show: fixed when it is granted, and checked by every route instead of its caller's wish."""

from dataclasses import dataclass
from datetime import UTC, datetime

from base.errors import RightRefused

FOREVER_US = 1 << 60
# Without a stated end a reveal reaches so far around the time that was requested: one may go back and forth in it.
AROUND_US = 3_600_000_000
LONGEST_US = 3_600_000_000
Point = tuple[float, float]
_LAST_S = 253_402_300_799  # in the year 9999


@dataclass(frozen=True, slots=True)
class Scope:
    """One camera from `start_us` on and before `end_us`, UTC in microseconds.

    Attributes:
        begin_us: where showing begins, and when `point` says which person is meant.
        point: x, y as shares of the picture: only the person seen there; None for the whole picture.
        limited: a second person, a person or an end was set: only the box can enforce that.
    """

    camera: int
    start_us: int = 0
    end_us: int = FOREVER_US
    begin_us: int = 0
    point: Point | None = None
    limited: bool = False

    @property
    def whole(self) -> bool:
        """Whether the whole picture may be shown, not one person only."""
        return self.point is None

    @property
    def dates(self) -> tuple[str, str]:
        """Its first and last day (UTC), YYYY-MM-DD."""
        return _date(self.start_us), _date(self.end_us - 1)

    def demand(self, start_us: int, end_us: int | None = None) -> None:
        """Raise `RightRefused` unless [start_us, end_us), or the one moment, lies in it."""
        if not self.start_us <= start_us < self.end_us or (end_us is not None and end_us > self.end_us):
            raise RightRefused(f"this reveal covers {_iso(self.start_us)} to {_iso(self.end_us)} only; ask for another")


def requested(camera: int, from_us: int, until_us: int | None, point: Point | None, minutes: float) -> Scope:
    """The scope of a request that needs no approval.

    Without an end it is an hour around, or for one person `minutes` from then on.

    Raises:
        Refused: it ends before it begins, or is longer than an hour.
    """
    if until_us is None and point is None:
        return Scope(camera, from_us - AROUND_US, from_us + AROUND_US, from_us)
    until_us = from_us + round(minutes * 60e6) if until_us is None else until_us
    sound(from_us, until_us)
    return Scope(camera, from_us, until_us, from_us, point, limited=True)


def sound(from_us: int, until_us: int) -> None:
    """Raise `RightRefused` unless this is a stretch of time that can be revealed."""
    if not 0 < until_us - from_us <= LONGEST_US:
        raise RightRefused("a reveal ends after it begins and covers at most an hour")


def _date(utc_us: int) -> str:
    return _iso(utc_us)[:10]


def _iso(utc_us: int) -> str:
    seconds = min(max(utc_us // 1_000_000, 0), _LAST_S)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%SZ}"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Which stretch of a camera's recording, and which person, a request is to show.

    Attributes:
        from_us: None for everything of the camera.
        until_us: None for as long as a reveal without an end covers.
        point: x, y as shares of the picture at `from_us`: only the person there; None for the whole picture.
    """

    from_us: int | None = None
    until_us: int | None = None
    point: Point | None = None

    def scope(self, camera: int, minutes: float) -> Scope:
        """What it comes to where no approval is needed; raises `RightRefused` for a stretch that is none."""
        if self.from_us is None:
            return Scope(camera)
        return requested(camera, self.from_us, self.until_us, self.point, minutes)


EVERYTHING = Stretch()
