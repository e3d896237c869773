"""A video file as a sensor: played at its own rate, in a loop, as one endless recording.

With `follow_clock` the position in the clip is the UTC time modulo its length, so that two cameras that look at two
windows of one clip show the same instant, also after one of them was restarted.
"""

import logging
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from base.errors import ConfigError, Error
from firmware.capture.controls import SensorControls
from firmware.capture.frame import CLOCK_90K, I420, CapturedFrame, planes

log = logging.getLogger(__name__)

Window = tuple[int, int, int, int]
"""x, y, width, height in pixels of the clip; multiples of 16."""

_LATE_S, _ASLEEP_S = 1.0, 60.0


class CaptureError(Error):
    """The sensor or the file stopped giving pictures."""


class Clip:
    """A file played as a live source.

    Args:
        path: any video file that libavcodec reads.
        window: the part of the picture this camera sees; the whole picture, cut to multiples of 16, when None.
        follow_clock: start at UTC modulo the clip's length instead of at its beginning.
        paced: hand out pictures at the clip's rate; False hands them out as fast as they are taken (benchmarks).
        loop: begin again at the end.

    Raises:
        ConfigError: the file cannot be read as video, or the window does not fit it.
    """

    def __init__(
        self,
        path: Path,
        window: Window | None = None,
        *,
        follow_clock: bool = False,
        paced: bool = True,
        loop: bool = True,
    ) -> None:
        self.path = path
        self._paced, self._loop = paced, loop
        self._closed = threading.Event()
        try:
            with av.open(str(path)) as container:
                stream = container.streams.video[0]
                width, height = stream.width, stream.height
                self.rate = Fraction(stream.average_rate or stream.guessed_rate or 0)
                self.frame_count = stream.frames or sum(1 for _ in container.decode(stream))
        except (OSError, av.FFmpegError, IndexError) as error:
            raise ConfigError(f"{path}: not a video this camera can play: {error}") from error
        if not self.rate or not self.frame_count:
            raise ConfigError(f"{path}: the file states no frame rate or holds no picture")
        self.window = window or (0, 0, width // 16 * 16, height // 16 * 16)
        x, y, self.width, self.height = self.window
        if any(value % 16 for value in self.window) or self.width <= 0 or self.height <= 0 or x < 0 or y < 0:
            raise ConfigError(f"{path}: window {self.window}: x, y, width and height must be multiples of 16")
        if x + self.width > width or y + self.height > height:
            raise ConfigError(f"{path}: window {self.window} does not fit the picture of {width}x{height}")
        self.controls: SensorControls | None = None
        self._first = int(time.time() * self.rate) % self.frame_count if follow_clock else 0

    def frames(self) -> Iterator[CapturedFrame]:
        """Yield the clip as live pictures; see `FrameSource`."""
        start_s = time.monotonic()
        behind_s, late = 0.0, False
        for number, picture in enumerate(self._pictures()):
            if self._paced:
                due_s = start_s + behind_s + float(number / self.rate)
                if self._closed.wait(max(0.0, due_s - time.monotonic())):
                    return
                late_s = time.monotonic() - due_s
                if late_s > _ASLEEP_S:
                    log.warning("%s: the host slept for %.0f s; playing on from now", self.path.name, late_s)
                    behind_s += late_s
                elif late_s > _LATE_S:
                    # A sensor does not wait for a starved host: what it saw meanwhile is gone, and time has gone on.
                    if not late:
                        log.warning(
                            "%s: %.1f s behind; leaving pictures out to be in time again", self.path.name, late_s
                        )
                    late = True
                    continue
                late = False
            elif self._closed.is_set():
                return
            pts_90k = round((number / self.rate + Fraction(behind_s).limit_denominator(1000)) * CLOCK_90K)
            yield CapturedFrame(picture, pts_90k, time.time_ns() // 1000)

    def close(self) -> None:
        """End `frames`; any thread."""
        self._closed.set()

    def _pictures(self) -> Iterator[I420]:
        skip = self._first
        while True:
            shown = 0
            try:
                with av.open(str(self.path)) as container:
                    stream = container.streams.video[0]
                    stream.thread_count = 1
                    for decoded in container.decode(stream):
                        if skip:
                            skip -= 1
                            continue
                        shown += 1
                        yield self._cut(decoded)
            except (OSError, av.FFmpegError) as error:
                raise CaptureError(f"{self.path}: stopped being readable: {error}") from error
            if not shown and self._first == 0:
                raise CaptureError(f"{self.path}: holds no picture any more")
            if not self._loop:
                return
            skip = self._first = 0

    def _cut(self, decoded: av.VideoFrame) -> I420:
        x, y, width, height = self.window
        whole = decoded.reformat(format="yuv420p") if decoded.format.name != "yuv420p" else decoded
        out = np.empty((height * 3 // 2, width), np.uint8)
        for target, plane, shift in zip(planes(out), whole.planes, (0, 1, 1), strict=True):
            rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
            top, left = y >> shift, x >> shift
            target[:] = rows[top : top + (height >> shift), left : left + (width >> shift)]
        return out
