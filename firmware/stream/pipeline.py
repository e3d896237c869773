"""The camera as a frame sees it: capture, vision, mask, encode, each in a thread of its own.

The heavy calls (decoding, inference, encoding) release the interpreter lock, so threads suffice. The clear picture is
known to four places only: synchroniser, vision, painter and the payload encoder. All else starts from the masked
one, which is why `Outputs` has no way to receive another.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol

from base.errors import Error
from firmware.capture.frame import CLOCK_90K, I420, CapturedFrame, FrameSource
from firmware.encode.access_unit import AccessUnit
from firmware.mask.background import Background
from firmware.mask.grid import MB
from firmware.mask.paint import Painter
from firmware.mask.plan import MaskPlan, Planner
from firmware.stream.counters import Counters
from firmware.stream.detection_pace import DetectionPace
from firmware.stream.frame_sync import FrameSynchronizer
from firmware.vision.frame_detections import FrameDetections

log = logging.getLogger(__name__)

_RETRY_S = (0.5, 1.0, 2.0, 5.0, 10.0)


class Vision(Protocol):
    """Vision: one call per picture, on one thread."""

    def detect(self, i420: I420, pts_90k: int) -> FrameDetections:
        """What is in the picture.

        Raises:
            ModelError: the networks cannot be trusted any more.
        """
        ...


class MainEncoder(Protocol):
    """The recoverable stream."""

    def encode(self, masked: I420, clear: I420, plan: MaskPlan, frame: CapturedFrame) -> AccessUnit | None:
        """One picture in, its access unit out; None where the stream's rate leaves this picture out."""
        ...


@dataclass(frozen=True, slots=True)
class Masked:
    """One picture as it may leave the camera, and all that is known about it."""

    picture: I420
    plan: MaskPlan
    sight: FrameDetections | None
    pts_90k: int
    utc_us: int


class Outputs(Protocol):
    """Where pictures go; called on the encode thread, must not block."""

    def masked(self, masked: Masked) -> None:
        """A masked picture, before its access unit."""
        ...

    def access_unit(self, unit: AccessUnit) -> None:
        """The main stream's next access unit."""
        ...

    def signal(self, *, lost: bool, why: str) -> None:
        """The sensor went away, or is back; called on the capture thread when it changes."""
        ...


@dataclass(frozen=True, slots=True)
class Stages:
    """What the pipeline is made of; the callables are called on the thread that uses the result.

    Args:
        open_source: opens the sensor; called again after it failed.
        open_eyes: loads the models; called again after they failed.
        adjust: picture adjustment (brightness and so on) of the raw picture of a media time; capture thread.
        examined: called with the clear picture and its detections, for the describer; vision thread.
        encoder: of the main stream.
        pace: how often the detector runs, for an `open_eyes` that has to know.
        overlay: writes texts into the masked picture itself; given its capture time in µs.
    """

    open_source: Callable[[], FrameSource]
    open_eyes: Callable[[], Vision]
    adjust: Callable[[I420, int], I420]
    examined: Callable[[CapturedFrame, FrameDetections], None]
    encoder: MainEncoder
    pace: DetectionPace = field(default_factory=DetectionPace)
    overlay: Callable[[I420, int], None] = lambda _masked, _utc_us: None


class Pipeline:
    """Runs the stages until `stop`; `failed` is set to the first error that is a bug, for the application to raise."""

    def __init__(self, stages: Stages, planner: Planner, painter: Painter, outputs: Outputs, rate: Fraction) -> None:
        self.counters = Counters()
        self.failed: BaseException | None = None
        self.ended = threading.Event()
        self._stages, self._planner, self._painter, self._outputs = stages, planner, painter, outputs
        room = int(planner.settings.deadline_s * rate) + 8
        self._synchroniser = FrameSynchronizer(room, lambda: planner.settings.deadline_s, self.counters)
        self._sights: dict[int, FrameDetections] = {}
        self._background = Background(planner.columns * MB, planner.rows * MB)
        self._source: FrameSource | None = None
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._guarded, args=(body,), name=name, daemon=True)
            for name, body in (("capture", self._capture), ("vision", self._run_vision), ("encode", self._encode))
        ]

    def start(self) -> None:
        """Begin; returns at once."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float = 3.0) -> None:
        """End the threads; what is in the delay line is not encoded any more."""
        self._stopping.set()
        if self._source is not None:
            self._source.close()
        self._synchroniser.close()
        until_s = time.monotonic() + timeout_s
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, until_s - time.monotonic()))

    def _guarded(self, body: Callable[[], None]) -> None:
        try:
            body()
        except BaseException as error:  # a thread's bug must end the camera: half a pipeline would leak or freeze
            log.exception("%s ended", threading.current_thread().name)
            self.failed = self.failed or error
        finally:
            self._synchroniser.close()
            self.ended.set()

    def _capture(self) -> None:
        last_90k, left_s = -1, time.monotonic()
        for attempt in range(1 << 30):
            try:
                self._source = source = self._stages.open_source()
                if self._stopping.is_set():
                    return
                began_s = time.thread_time()
                offset_90k = 0
                for number, frame in enumerate(source.frames()):
                    if number == 0:
                        if last_90k >= 0:
                            # A sensor that was opened again counts from zero; media time goes on.
                            gone_s = time.monotonic() - left_s
                            offset_90k = last_90k + 1 + round(gone_s * CLOCK_90K) - frame.pts_90k
                        self._outputs.signal(lost=False, why="")
                    last_90k, left_s = frame.pts_90k + offset_90k, time.monotonic()
                    self._synchroniser.add(
                        CapturedFrame(self._stages.adjust(frame.i420, last_90k), last_90k, frame.utc_us)
                    )
                    began_s = self.counters.spend("capture", began_s)
                return
            except Error as error:
                log.error("no picture from the sensor: %s", error)  # noqa: TRY400  # the sentence says it all
                self._outputs.signal(lost=True, why=str(error))
            if self._stopping.wait(_RETRY_S[min(attempt, len(_RETRY_S) - 1)]):
                return

    def _run_vision(self) -> None:
        for attempt in range(1 << 30):
            self.counters.taken_up += 1
            try:
                eyes = self._stages.open_eyes()
                self._detect(eyes)
                return
            except Error as error:
                self._synchroniser.detection_failed()
                log.error("vision failed, the whole picture is masked: %s", error)  # noqa: TRY400
            if self._stopping.wait(_RETRY_S[min(attempt, len(_RETRY_S) - 1)]):
                return

    def _detect(self, eyes: Vision) -> None:
        while (frame := self._synchroniser.next_for_detection()) is not None:
            self.counters.taken_up += 1
            self._stages.pace.observe(self._synchroniser.waited(), self.counters.skipped_by_vision, time.monotonic())
            self.counters.detect_interval_ms = round(self._stages.pace.interval_s() * 1000)
            began_s = time.thread_time()
            sight = eyes.detect(frame.i420, frame.pts_90k)
            began_s = self.counters.spend("vision", began_s)
            self._synchroniser.add_result(sight)
            self._stages.examined(frame, sight)
            self.counters.spend("describe", began_s)

    def _encode(self) -> None:
        while (frame := self._synchroniser.next_for_encoding(self._apply_result, self._planner.ready)) is not None:
            began_s = time.thread_time()
            plan = self._planner.plan(frame.pts_90k, self._background.update(frame.i420, frame.pts_90k))
            masked = self._painter.paint(frame.i420, plan, frame.pts_90k)
            self._stages.overlay(masked, frame.utc_us)
            began_s = self.counters.spend("mask", began_s)
            self.counters.masked_whole += plan.full
            sight = self._sights.pop(frame.pts_90k, None)
            self._outputs.masked(Masked(masked, plan, sight, frame.pts_90k, frame.utc_us))
            began_s = self.counters.spend("outputs", began_s)
            unit = self._stages.encoder.encode(masked, frame.i420, plan, frame)
            began_s = self.counters.spend("encode", began_s)
            if unit is not None:
                self.counters.encoded += 1
                self._outputs.access_unit(unit)
                self.counters.spend("outputs", began_s)

    def _apply_result(self, sight: FrameDetections | None) -> None:
        if sight is None:
            self._planner.failed()
            self._sights.clear()
            return
        self._planner.saw(sight)
        self._sights[sight.pts_90k] = sight
        for old in [pts for pts in self._sights if pts < sight.pts_90k - 900_000]:
            del self._sights[old]
