"""Two clocks: that of the wall says when, and may be set at any moment; the monotonic one says how long, and may not.

A lifetime that is kept as a time of day dies, or lasts for days, when a person, NTP or the first fix after a start
without a battery sets the clock. So it is kept as a deadline on the monotonic clock, and shown on the wall's.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path


def utc_now() -> datetime:
    """The wall clock of this computer, aware."""
    return datetime.now(UTC)


def utc_us() -> int:
    """The same in microseconds since 1970."""
    return time.time_ns() // 1000


def boot_us() -> int:
    """Microseconds that this machine has run, sleep included; no setting of the clock moves it."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


def boot() -> str:
    """Which start of this machine it is."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


@dataclass(frozen=True, slots=True)
class Moment:
    """Both clocks at once."""

    utc: datetime
    mono_s: float

    def deadline_s(self, life: timedelta) -> float:
        """On the monotonic clock, `life` from now."""
        return self.mono_s + life.total_seconds()

    def utc_at(self, deadline_s: float) -> datetime:
        """When a deadline is by the wall clock as it is set at this moment."""
        return self.utc + timedelta(seconds=deadline_s - self.mono_s)


@dataclass(frozen=True, slots=True)
class Clock:
    """A device's clocks.

    Args:
        utc: aware UTC; a device may show another time than its host.
        mono_s: seconds since some moment.
    """

    utc: Callable[[], datetime] = utc_now
    mono_s: Callable[[], float] = time.monotonic

    def now(self) -> Moment:
        """Both, as close together as two calls are."""
        return Moment(self.utc(), self.mono_s())
