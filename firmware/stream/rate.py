"""Which of the sensor's pictures an encoder takes, and which of them start a group of pictures."""

import threading
from fractions import Fraction

from firmware.capture.frame import CLOCK_90K


class FrameDropper:
    """Leaves pictures out so that an encoder's own rate comes out, spaced as evenly as the sensor's allow. One thread.

    Args:
        rate: wanted, pictures per second.
        source_rate: what the sensor gives.
    """

    def __init__(self, rate: Fraction, source_rate: Fraction) -> None:
        self._step_90k = CLOCK_90K / rate
        self._early_90k = CLOCK_90K / source_rate / 2
        self._all = rate >= source_rate
        self._next_90k: Fraction | None = None

    def due(self, pts_90k: int) -> bool:
        """Whether the picture at `pts_90k` is one of those; called for every picture in turn."""
        if self._all:
            return True
        if self._next_90k is None:
            self._next_90k = Fraction(pts_90k)
        if pts_90k + self._early_90k < self._next_90k:
            return False
        self._next_90k += self._step_90k
        if self._next_90k <= pts_90k:  # pictures were missing
            self._next_90k = pts_90k + self._step_90k
        return True


class IdrRequests:
    """Requested IDR pictures, each from a moment on; any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._from_us: list[int] = []

    def request(self, from_utc_us: int = 0) -> None:
        """The first picture taken at or after `from_utc_us` shall be an IDR picture."""
        with self._lock:
            self._from_us.append(from_utc_us)

    def due(self, utc_us: int) -> bool:
        """Whether the picture taken at `utc_us` fulfils a wish; those it fulfils are forgotten."""
        with self._lock:
            left = [moment for moment in self._from_us if moment > utc_us]
            fulfilled = len(left) < len(self._from_us)
            self._from_us = left
            return fulfilled
