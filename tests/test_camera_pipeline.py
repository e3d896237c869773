"""From a sensor to an access unit: fail closed, never lose an access unit, never wait for vision past the deadline."""

import threading
import time
from fractions import Fraction

import numpy as np
import pytest

from base.errors import ModelError
from firmware.capture.frame import CapturedFrame
from firmware.encode.protected import ProtectedEncoder
from firmware.encode.settings import EncoderSettings
from firmware.mask.paint import Painter
from firmware.mask.plan import Planner
from firmware.mask.settings import MaskSettings
from firmware.stream.channels import MainChannel
from firmware.stream.pipeline import Pipeline, Stages
from firmware.vision.frame_detections import FrameDetections, TrackBox
from models.detections import Detections
from wire.features.vocabulary import ObjectClass
from wire.keys import Identity, SigningKey
from wire.nal import Codec
from wire.recovery.reader import Reader

WIDTH, HEIGHT, RATE = 192, 128, Fraction(25)
PATIENCE_S = 60


class Sensor:
    """Pictures with a bright square that walks; as fast as `gate` lets them through."""

    width, height, rate = WIDTH, HEIGHT, RATE

    def __init__(self, count, pace_s=0.01):
        self.count, self.pace_s = count, pace_s
        self.stop = threading.Event()

    def frames(self):
        for number in range(self.count):
            if self.stop.wait(self.pace_s):
                return
            yield CapturedFrame(picture(number), number * 3600, 1_700_000_000_000_000 + number * 40_000)
        self.stop.wait(PATIENCE_S)

    def close(self):
        self.stop.set()


def square(number):
    x = 16 + number % 100
    return np.array([x, 40, x + 20, 90], np.float32)


def picture(number):
    rng = np.random.default_rng(7)
    i420 = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
    i420[:HEIGHT] = rng.integers(60, 120, (HEIGHT, WIDTH), np.uint8)
    x0, y0, x1, y1 = square(number).astype(int)
    i420[y0:y1, x0:x1] = rng.integers(180, 250, (y1 - y0, x1 - x0), np.uint8)
    return i420


def sight(number):
    track = TrackBox(1, ObjectClass.PERSON, square(number), 0.9, True, number + 1)
    return FrameDetections(number * 3600, (track,), Detections.none(), np.zeros((0, 4), np.float32))


class Eyes:
    def __init__(self, script=lambda number: None):
        self.script = script

    def detect(self, _i420, pts_90k):
        self.script(pts_90k // 3600)
        return sight(pts_90k // 3600)


class Catch:
    def __init__(self):
        self.units, self.pictures, self.signals = [], [], []
        self.changed = threading.Condition()

    def masked(self, masked):
        self.pictures.append(masked)

    def access_unit(self, unit):
        with self.changed:
            self.units.append(unit)
            self.changed.notify_all()

    def signal(self, *, lost, why):
        with self.changed:
            self.signals.append((lost, why))
            self.changed.notify_all()

    def wait(self, test):
        with self.changed:
            assert self.changed.wait_for(lambda: test(self), PATIENCE_S), "the pipeline did not get there"


@pytest.fixture(scope="module")
def reveal():
    return Identity.generate()


@pytest.fixture
def run(reveal):
    running = []

    def start(eyes, count=30, settings=None, source=None, open_eyes=None):
        settings = settings or MaskSettings(look_back_s=0.08, deadline_s=10, settle_s=0)
        encoder = ProtectedEncoder(
            WIDTH,
            HEIGHT,
            RATE,
            EncoderSettings(preset="ultrafast", gop_frames=10),
            camera_id=b"camera01",
            signer=SigningKey.generate(),
            recipients=[reveal.recipient],
        )
        stages = Stages(
            open_source=source or (lambda: Sensor(count)),
            open_eyes=open_eyes or (lambda: eyes),
            adjust=lambda i420, _pts_90k: i420,
            examined=lambda frame, sight: None,
            encoder=MainChannel(WIDTH, HEIGHT, RATE, encoder),
        )
        out = Catch()
        planner, painter = Planner(WIDTH, HEIGHT, settings), Painter(WIDTH, HEIGHT, settings)
        pipeline = Pipeline(stages, planner, painter, out, RATE)
        running.append((pipeline, encoder))
        pipeline.start()
        return pipeline, out

    yield start
    for pipeline, encoder in running:
        pipeline.stop()
        encoder.close()
        assert pipeline.failed is None


def covered(masked):
    """Whether no macroblock that the walking square touches shows the original."""
    x0, y0, x1, y1 = square(masked.pts_90k // 3600).astype(int)
    return masked.plan.mask[y0 // 16 : -(-y1 // 16), x0 // 16 : -(-x1 // 16)].all()


def test_every_picture_leaves_masked_in_order_and_recoverable(run, reveal):
    pipeline, out = run(Eyes())
    out.wait(lambda c: len(c.units) >= 27)
    pipeline.stop()
    assert [unit.pts_90k for unit in out.units] == [number * 3600 for number in range(len(out.units))]
    assert all(covered(masked) for masked in out.pictures)
    assert not all(masked.plan.full for masked in out.pictures)
    reader = Reader([reveal], Codec.H264)
    opened = [reader.open(unit.data) for unit in out.units]
    assert all(found.payload_au for found in opened), [found.reason for found in opened]
    assert pipeline.counters.dropped_raw == 0
    assert pipeline.counters.encoded == len(out.units)


def test_the_painted_picture_shows_nothing_of_what_is_masked(run):
    pipeline, out = run(Eyes())
    out.wait(lambda c: len(c.units) >= 20)
    pipeline.stop()
    for masked in out.pictures:
        number = masked.pts_90k // 3600
        x0, y0, x1, y1 = square(number).astype(int)
        shown, original = masked.picture[y0:y1, x0:x1], picture(number)[y0:y1, x0:x1]
        assert (shown == original).mean() < 0.1
        if not masked.plan.full:
            clear = ~np.kron(masked.plan.mask, np.ones((16, 16), bool))
            assert (masked.picture[:HEIGHT][clear] == picture(number)[:HEIGHT][clear]).all()


def test_a_hung_detector_masks_the_whole_picture_and_the_stream_goes_on(run, reveal):
    hang = threading.Event()

    def script(number):
        if number >= 8:
            hang.wait(PATIENCE_S)

    settings = MaskSettings(look_back_s=0.04, deadline_s=0.3, settle_s=0)
    paced = float(1 / RATE)
    _pipeline, out = run(Eyes(script), settings=settings, source=lambda: Sensor(40, paced))
    out.wait(lambda c: len(c.units) >= 38)
    hang.set()
    late = [masked for masked in out.pictures if masked.pts_90k // 3600 > 20]
    assert late
    assert all(masked.plan.full and masked.plan.mask.all() for masked in late)
    assert late[0].plan.why == "the detector is late"
    reader = Reader([reveal], Codec.H264)
    assert all(reader.open(unit.data).payload_au for unit in out.units)


def test_a_failed_detector_masks_everything_until_it_is_back(run):
    def script(number):
        if number == 10:
            raise ModelError("the network gave NaN")

    pipeline, out = run(Eyes(script), count=400)
    out.wait(lambda c: len(c.pictures) > 30 and c.pictures[-1].pts_90k > 20 * 3600 and not c.pictures[-1].plan.full)
    pipeline.stop()
    assert all(covered(masked) for masked in out.pictures)
    assert any(masked.plan.full for masked in out.pictures if masked.pts_90k >= 9 * 3600)


def test_start_up_is_masked_whole(run):
    pipeline, out = run(Eyes(), settings=MaskSettings(look_back_s=0.08, deadline_s=10, settle_s=0.4))
    out.wait(lambda c: len(c.units) >= 20)
    pipeline.stop()
    early = [masked.plan.full for masked in out.pictures if masked.pts_90k < 5 * 3600]  # six looks
    assert early
    assert all(early)
    assert not out.pictures[-1].plan.full


def test_a_sensor_that_gives_out_is_opened_again_and_time_goes_on(run):
    opened = []

    class Brittle(Sensor):
        def frames(self):
            for frame in super().frames():
                if len(opened) == 1 and frame.pts_90k == 5 * 3600:
                    raise ModelError("cable pulled")
                yield frame

    def source():
        opened.append(time.monotonic())
        return Brittle(20)

    pipeline, out = run(Eyes(), source=source)
    out.wait(lambda c: len(c.units) >= 15)
    pipeline.stop()
    assert len(opened) == 2
    times = [unit.pts_90k for unit in out.units]
    assert times == sorted(set(times))
    assert [lost for lost, _ in out.signals] == [False, True, False]
    assert "cable pulled" in out.signals[1][1]


def test_a_bug_in_a_thread_ends_the_pipeline(run):
    def script(number):
        if number == 3:
            raise ZeroDivisionError

    pipeline, _out = run(Eyes(script))
    assert pipeline.ended.wait(PATIENCE_S)
    assert isinstance(pipeline.failed, ZeroDivisionError)
    pipeline.failed = None


def test_stop_is_quick_while_everything_runs(run):
    pipeline, out = run(Eyes(), count=10_000)
    out.wait(lambda c: len(c.units) >= 5)
    began = time.monotonic()
    pipeline.stop()
    assert time.monotonic() - began < 5
