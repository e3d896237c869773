"""The seam of the sensors: kinds in the configuration, a second kind that runs, controls, time stamps, silence."""

import itertools
import re
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from base import config
from base.errors import ConfigError
from firmware.capture.clip import CaptureError
from firmware.capture.frame import CLOCK_90K, CapturedFrame, planes
from firmware.capture.pattern import TestPattern
from firmware.capture.sensor_clock import utc_us_of
from firmware.capture.silence import EndsOnSilence
from firmware.capture.sources import ClipSource, PatternSource, open_source
from firmware.config import Config
from firmware.imaging import Adjustment, Sensor
from onvif.events import Bus, topics

ROOT = Path(__file__).parent.parent
CAMERA = '[[camera]]\nname = "west"\nserial = "VC-1"\nstate = "/tmp/west"\n[camera.source]\n'
LIMIT_S = 0.5
PATIENCE_S = 30


def source_of(tmp_path, lines):
    path = tmp_path / "camera.toml"
    path.write_text(CAMERA + lines)
    return config.load(Config, path).camera[0].source


class Scripted:
    """Gives some pictures, then nothing until it is closed, as a driver does that waits for a dead sensor."""

    def __init__(self, pictures, rate=Fraction(50), controls=None):
        self.width, self.height, self.rate, self.controls = 64, 64, rate, controls
        self._pictures = pictures
        self.closed = threading.Event()

    def frames(self):
        for number in range(self._pictures):
            yield CapturedFrame(np.zeros((96, 64), np.uint8), number * 1800, time.time_ns() // 1000)
        assert self.closed.wait(PATIENCE_S)

    def close(self):
        self.closed.set()


def test_the_kind_decides_which_keys_there_are(tmp_path):
    assert source_of(tmp_path, 'clip = "a.avi"') == ClipSource(clip=Path("a.avi"))
    assert source_of(tmp_path, 'kind = "clip"\nclip = "a.avi"\nsilence_s = 9') == ClipSource(
        clip=Path("a.avi"), silence_s=9
    )
    assert source_of(tmp_path, 'kind = "pattern"\nwidth = 320') == PatternSource(width=320)


@pytest.mark.parametrize(("lines", "names"), [
    ('kind = "webcam"', "kind.*clip, pattern"),
    ('kind = "pattern"\nclip = "a.avi"', "clip"),
    ("kind = 3", "kind"),
    ('kind = "clip"', "clip"),
    ('kind = "pattern"\nwidth = 321', "width"),
    ('kind = "pattern"\nrate_fps = 0', "rate_fps"),
    ('kind = "pattern"\nsilence_s = 0', "silence_s"),
])  # fmt: skip
def test_a_mistake_in_the_source_is_named(tmp_path, lines, names):
    with pytest.raises(ConfigError, match=names):
        source_of(tmp_path, lines)


def test_a_silent_sensor_is_lost_and_closed():
    sensor = Scripted(3)
    frames = EndsOnSilence(sensor, LIMIT_S).frames()
    assert len(list(itertools.islice(frames, 3))) == 3
    began_s = time.monotonic()
    with pytest.raises(CaptureError, match=r"no picture for 0\.5 s"):
        next(frames)
    assert LIMIT_S * 0.9 <= time.monotonic() - began_s < PATIENCE_S
    assert sensor.closed.is_set()


def test_a_busy_camera_is_not_a_silent_sensor():
    frames = EndsOnSilence(Scripted(3), LIMIT_S).frames()
    for _ in range(3):
        next(frames)
        time.sleep(2 * LIMIT_S)
    frames.close()


def test_a_slow_sensor_has_three_of_its_own_pictures_to_answer():
    sensor = Scripted(0, rate=Fraction(1))
    began_s = time.monotonic()
    with pytest.raises(CaptureError, match="no picture for 3 s"):
        next(EndsOnSilence(sensor, LIMIT_S).frames())
    assert time.monotonic() - began_s >= 3


def test_closing_is_not_silence():
    source = EndsOnSilence(Scripted(1), PATIENCE_S)
    frames = source.frames()
    next(frames)
    source.close()
    assert next(frames, None) is None


def test_a_stamp_of_the_boot_clock_becomes_the_time_the_picture_was_taken():
    assert utc_us_of(7_800_000_000, boot_now_ns=lambda: 8_000_000_000, utc_now_ns=lambda: 1_000_000_000_000) == (
        1_000_000_000 - 200_000
    )
    ahead = utc_us_of(9_000_000_000, boot_now_ns=lambda: 8_000_000_000, utc_now_ns=lambda: 1_000_000_000_000)
    assert ahead == 1_000_000_000


def test_the_pattern_is_a_picture_that_moves_in_time():
    source = open_source(PatternSource(width=320, height=240, rate_fps=30))
    pictures = list(itertools.islice(source.frames(), 4))
    source.close()
    assert (source.width, source.height, source.rate) == (320, 240, Fraction(30))
    stamps = [frame.pts_90k for frame in pictures]
    assert all(b > a and (b - a) % (CLOCK_90K // 30) == 0 for a, b in itertools.pairwise(stamps))
    assert abs(pictures[-1].utc_us - time.time_ns() // 1000) < PATIENCE_S * 1_000_000
    assert pictures[0].i420.shape == (360, 320)
    assert not np.array_equal(pictures[0].i420, pictures[1].i420)


def mean_luma(source, sensor):
    """Of the next picture as it goes into the pipeline."""
    frame = next(iter(source.frames()))
    return float(planes(sensor.process(frame.i420, frame.pts_90k))[0].mean())


def test_a_sensor_sets_what_it_advertises_and_the_picture_is_not_adjusted_twice(tmp_path):
    sensor = Sensor(tmp_path, Bus(topics.CAMERA))
    neutral = mean_luma(sensor.attached(TestPattern(320, 240, Fraction(10))), sensor)
    sensor.settings.set(Adjustment(brightness=75.0, contrast=60.0))
    source = sensor.attached(TestPattern(320, 240, Fraction(10)))
    raw = next(iter(source.frames())).i420
    assert float(planes(raw)[0].mean()) == pytest.approx(neutral + 20, abs=3)  # done in the sensor
    seen = sensor.process(raw, 0)
    assert not np.array_equal(seen, raw)  # contrast, which it does not advertise, is done on the picture
    sensor.settings.set(Adjustment(brightness=75.0))
    assert sensor.process(raw, 0) is raw


class Refuses:
    advertised = frozenset({"brightness"})

    def apply(self, values):
        raise CaptureError("brightness: the driver answers EBUSY")


def test_a_setting_that_the_sensor_refuses_is_done_on_the_picture(tmp_path):
    sensor = Sensor(tmp_path, Bus(topics.CAMERA))
    sensor.settings.set(Adjustment(brightness=75.0))
    source = sensor.attached(Scripted(1, controls=Refuses()))
    raw = next(iter(source.frames())).i420
    assert float(planes(sensor.process(raw, 0))[0].mean()) > 10


def test_a_camera_serves_the_pattern(tmp_path):
    (tmp_path / "password").write_text("first-password\n")
    path = tmp_path / "camera.toml"
    path.write_text(
        f'[[camera]]\nname = "attic"\nserial = "VC-9"\nstate = "{tmp_path}/state"\naddress = "127.0.0.1"\n'
        f'web_port = 0\nrtsp_port = 0\ndiscovery = false\npassword_file = "{tmp_path}/password"\n'
        '[camera.source]\nkind = "pattern"\nwidth = 320\nheight = 240\n'
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "firmware", "--config", str(path)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        line = process.stdout.readline()
        found = re.fullmatch(r"READY attic web=(\d+) rtsp=(\d+)\n", line)
        assert found, line + process.stderr.read()
        url = f"rtsp://admin:first-password@127.0.0.1:{found[2]}/main"
        with av.open(url, options={"rtsp_transport": "tcp"}) as container:
            picture = next(container.decode(video=0))
            assert (picture.width, picture.height) == (320, 240)
    finally:
        process.kill()
        process.communicate()
