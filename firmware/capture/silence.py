"""A sensor that stops without an error: noticed, closed and reported as lost.

A driver that waits for a picture that never comes looks like one that works. The limit counts only while a picture is
awaited, never while the camera is busy with the one before.
"""

import logging
import threading
import time
from collections.abc import Iterator
from fractions import Fraction

from firmware.capture.clip import CaptureError
from firmware.capture.controls import SensorControls
from firmware.capture.frame import CapturedFrame, FrameSource

log = logging.getLogger(__name__)

_PICTURES = 3  # a sensor of one picture in six seconds is not silent after five


class EndsOnSilence:
    """`source`, whose `frames` raises `CaptureError` when no picture came for `limit_s`, or for three pictures' time.

    A source whose `close` does not end a blocked `frames` keeps the capture thread; the supervisor ends such a camera,
    since it makes no progress.
    """

    def __init__(self, source: FrameSource, limit_s: float) -> None:
        self._source = source
        self._limit_s = max(limit_s, float(_PICTURES / source.rate))
        self._awaited_since_s: float | None = None
        self._silent = False
        self._over = threading.Event()

    @property
    def width(self) -> int:
        return self._source.width

    @property
    def height(self) -> int:
        return self._source.height

    @property
    def rate(self) -> Fraction:
        return self._source.rate

    @property
    def controls(self) -> SensorControls | None:
        return self._source.controls

    def frames(self) -> Iterator[CapturedFrame]:
        """As those of the source; see `FrameSource`."""
        watch = threading.Thread(target=self._watch, name="silence", daemon=True)
        watch.start()
        pictures = self._source.frames()
        try:
            while True:
                self._awaited_since_s = time.monotonic()
                frame = next(pictures, None)
                self._awaited_since_s = None
                if frame is None:
                    break
                yield frame
        finally:
            self._over.set()
        if self._silent:
            raise CaptureError(f"the sensor gave no picture for {self._limit_s:g} s")

    def close(self) -> None:
        """End `frames`; any thread."""
        self._over.set()
        self._source.close()

    def _watch(self) -> None:
        while True:
            since_s = self._awaited_since_s
            left_s = self._limit_s - (0.0 if since_s is None else time.monotonic() - since_s)
            if left_s <= 0:
                self._silent = True
                log.warning("the sensor gave no picture for %.1f s; closing it", self._limit_s)
                self._source.close()
                return
            if self._over.wait(left_s):
                return
