"""Now, in the box's unit of time."""

import time
from pathlib import Path


def utc_us() -> int:
    """UTC in microseconds since 1970."""
    return time.time_ns() // 1000


def boot_us() -> int:
    """Microseconds that this machine has run, sleep included; no setting of the clock moves it."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


def boot() -> str:
    """Which start of this machine it is."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
