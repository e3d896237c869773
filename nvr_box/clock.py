"""Now, in the box's unit of time."""

import time


def utc_us() -> int:
    """UTC in microseconds since 1970."""
    return time.time_ns() // 1000
