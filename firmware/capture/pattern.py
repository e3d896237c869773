"""A test picture as a sensor: colour bars, a sweep and a running number, for commissioning without a camera module.

It is drawn at its own rate, stamped with the boot-time clock as a sensor stamps, and sets its brightness itself.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from fractions import Fraction

import cv2
import numpy as np

from firmware.capture.controls import SensorControls
from firmware.capture.frame import CLOCK_90K, I420, CapturedFrame, planes
from firmware.capture.sensor_clock import utc_us_of

# Luma and chroma of the bars of a test card at 75 %, ITU-R BT.601, limited range.
_BARS = ((180, 128, 128), (162, 44, 142), (131, 156, 44), (112, 72, 58), (84, 184, 198), (65, 100, 212), (35, 212, 114))
_SWEEP_S = 4.0
_WHITE, _STEPS = 235, 40.0


class PatternControls:
    """Brightness, done while the picture is drawn."""

    advertised = frozenset({"brightness"})

    def __init__(self) -> None:
        self.offset = 0.0

    def apply(self, values: Mapping[str, float]) -> None:
        if "brightness" in values:
            self.offset = _STEPS * (values["brightness"] - 50.0) / 50.0


class TestPattern:
    """Draws `rate` pictures a second of `width` by `height`, multiples of 16."""

    def __init__(self, width: int, height: int, rate: Fraction) -> None:
        self.width, self.height, self.rate = width, height, rate
        self._controls = PatternControls()
        self._closed = threading.Event()
        self._card = np.empty((height * 3 // 2, width), np.uint8)
        for index, plane in enumerate(planes(self._card)):
            edges = np.linspace(0, plane.shape[1], len(_BARS) + 1).astype(int)
            for bar, left, right in zip(_BARS, edges[:-1], edges[1:], strict=True):
                plane[:, left:right] = bar[index]

    @property
    def controls(self) -> SensorControls | None:
        return self._controls

    def frames(self) -> Iterator[CapturedFrame]:
        """Pictures at the pattern's rate; see `FrameSource`."""
        start_s = time.monotonic()
        number = 0
        while not self._closed.wait(max(0.0, start_s + float(number / self.rate) - time.monotonic())):
            taken_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
            picture = self._draw(number)
            yield CapturedFrame(picture, round(number / self.rate * CLOCK_90K), utc_us_of(taken_ns))
            # A sensor does not wait for a busy host: pictures that fell due meanwhile are gone.
            number = max(number + 1, int((time.monotonic() - start_s) * self.rate))

    def close(self) -> None:
        """End `frames`; any thread."""
        self._closed.set()

    def _draw(self, number: int) -> I420:
        picture = self._card.copy()
        luma = planes(picture)[0]
        column = int(float(number / self.rate) % _SWEEP_S / _SWEEP_S * self.width)
        luma[:, column : column + 8] = _WHITE
        cv2.putText(
            luma, str(number), (16, self.height - 16), cv2.FONT_HERSHEY_SIMPLEX, self.height / 240, (_WHITE,), 2
        )
        if self._controls.offset:
            luma[:] = np.clip(luma + self._controls.offset, 16, _WHITE).astype(np.uint8)
        return picture
