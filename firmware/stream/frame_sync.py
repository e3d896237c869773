"""Where pictures wait for their detections.

The sensor never waits: when too many pictures wait, the oldest is dropped and counted. Vision gets its own short queue
with the same rule. A picture leaves when the detections that its mask needs are there, or when it reaches the
deadline: then it leaves all the same and will be masked whole.

What holds of one picture, P, and of vision:

| event | P waits, vision works | P waits, vision is down (also before its first result) |
|---|---|---|
| its detections suffice (`ready`) | P leaves, masked by them | - |
| P reaches the deadline | P leaves, masked whole | - |
| `detection_failed` | all that waits leaves, masked whole; older results are forgotten | stays so |
| `add_result` | taken in order, P may be ready by it | vision works from here on |
| `add` into a full room | the oldest picture is dropped and counted | the same; it leaves at once anyway |
| `add` while vision has three to look at | it skips the oldest, which is masked and encoded | the same |
| `close` | P is not encoded any more; all waiting calls end | the same |
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from firmware.capture.frame import CapturedFrame
from firmware.stream.counters import Counters
from firmware.vision.frame_detections import FrameDetections

_FOR_VISION = 3


@dataclass(frozen=True, slots=True)
class PendingFrame:
    """A picture and the monotonic second it was taken."""

    frame: CapturedFrame
    taken_s: float


class FrameSynchronizer:
    """Hands pictures to vision and, with its detections, on to the encoder. Any thread.

    Args:
        room: how many pictures may wait for their mask.
        deadline_s: called each time; a picture of this age leaves without its sightings.
        counters: where dropped pictures are counted.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        room: int,
        deadline_s: Callable[[], float],
        counters: Counters,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._room, self._deadline_s, self._counters, self._clock = room, deadline_s, counters, clock
        self._changed = threading.Condition()
        self._frames: deque[PendingFrame] = deque()
        self._for_vision: deque[CapturedFrame] = deque()
        self._sights: deque[FrameDetections | None] = deque()
        self._down = True
        self._closed = False

    def add(self, frame: CapturedFrame) -> None:
        """A picture from the sensor; never waits."""
        with self._changed:
            self._counters.captured += 1
            if len(self._frames) >= self._room:
                self._frames.popleft()
                self._counters.dropped_raw += 1
            self._frames.append(PendingFrame(frame, self._clock()))
            if len(self._for_vision) >= _FOR_VISION:
                self._for_vision.popleft()
                self._counters.skipped_by_vision += 1
            self._for_vision.append(frame)
            self._counters.waiting = len(self._frames)
            self._changed.notify_all()

    def next_for_detection(self) -> CapturedFrame | None:
        """The next picture for vision; waits for it; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._for_vision or self._closed)
            return None if self._closed else self._for_vision.popleft()

    def add_result(self, sight: FrameDetections) -> None:
        """What vision found."""
        with self._changed:
            self._down = False
            self._sights.append(sight)
            self._changed.notify_all()

    def detection_failed(self) -> None:
        """Vision does not work: pictures no longer wait for it, and old sightings no longer count."""
        with self._changed:
            self._down = True
            self._sights.clear()
            self._sights.append(None)
            self._changed.notify_all()

    def next_for_encoding(
        self, apply_result: Callable[[FrameDetections | None], None], ready: Callable[[int], bool]
    ) -> CapturedFrame | None:
        """The next picture whose mask can be drawn; waits for it; None at the end.

        Args:
            apply_result: given every new sighting, in order; None when vision failed.
            ready: whether the sightings taken suffice for the picture at this `pts_90k`.
        """
        with self._changed:
            while not self._closed:
                while self._sights:
                    apply_result(self._sights.popleft())
                wait_s: float | None = None
                if self._frames:
                    oldest = self._frames[0]
                    wait_s = oldest.taken_s + self._deadline_s() - self._clock()
                    if self._down or wait_s <= 0 or ready(oldest.frame.pts_90k):
                        self._frames.popleft()
                        self._counters.waiting = len(self._frames)
                        return oldest.frame
                self._changed.wait(wait_s)
            return None

    def waited(self) -> float:
        """How long the oldest picture has waited, as a share of its deadline."""
        with self._changed:
            if not self._frames:
                return 0.0
            return (self._clock() - self._frames[0].taken_s) / self._deadline_s()

    def close(self) -> None:
        """Wake all waiting threads and end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
