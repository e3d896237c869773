"""The time at which a sensor took a picture, on the wall clock.

Drivers stamp pictures with the boot-time clock, which is never set; the stamp is older than the moment at
which the picture is handed out by readout, image processing and queueing. What counts is the stamp.
"""

import time
from collections.abc import Callable

_US = 1000


def utc_us_of(
    boot_ns: int,
    *,
    boot_now_ns: Callable[[], int] = lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME),
    utc_now_ns: Callable[[], int] = time.time_ns,
) -> int:
    """Microseconds since 1970 for a stamp of CLOCK_BOOTTIME; a stamp of the future counts as now."""
    age_ns = max(0, boot_now_ns() - boot_ns)
    return (utc_now_ns() - age_ns) // _US
