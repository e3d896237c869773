"""Pictures for the encoders of a camera under test, one at a time or at its rate, as its pipeline would feed them."""

import itertools
import threading
import time

import numpy as np

from firmware.capture.frame import CapturedFrame
from firmware.mask.plan import MaskPlan
from tests.onvif_camera import HEIGHT, RATE, WIDTH
from wire import nal
from wire.nal import Codec
from wire.recovery.layout import Region

CODECS = {"H264": Codec.H264, "H265": Codec.H265}


class Sensor:
    """A scene with one masked object. `live` are the camera's encoders."""

    def __init__(self, live):
        self.live, self.number = live, 0
        self.scene = np.random.default_rng(1).integers(60, 200, (HEIGHT * 3 // 2, WIDTH), np.uint8)
        cells = np.zeros((HEIGHT // 16, WIDTH // 16), np.uint8)
        cells[2:6, 3:5] = 1
        self.plan = MaskPlan(cells, (Region(7, 0, 1, 3, 2, 2, 4),))

    def encode(self, token):
        """The access unit of one more picture of a stream; None where the rate leaves it out."""
        self.number += 1
        taken_us = self.number * 1_000_000 // int(RATE)
        return self.of(token, CapturedFrame(self.scene, taken_us * 9 // 100, taken_us))

    def of(self, token, frame):
        if token == "sub":
            return self.live.sub.encode(self.scene, frame.pts_90k, frame.utc_us)
        return self.live.main.encode(self.scene, self.scene, self.plan, frame)


class Feed:
    """Streams both encoders to whoever watches, at the sensor's rate; `sent` has what each viewer must get.

    Args:
        paths: the camera's RTSP paths.
    """

    def __init__(self, live, paths):
        self.sensor, self.paths = Sensor(live), paths
        self.sent = {"main": [], "sub": []}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self):
        self._stop.set()
        self._thread.join(30)

    def _run(self):
        began_s = time.monotonic()
        for number in itertools.count(1):
            wait_s = began_s + float(number / RATE) - time.monotonic()
            if self._stop.wait(max(0.0, wait_s)):
                return
            taken_us = time.time_ns() // 1000
            self.sensor.scene = np.roll(self.sensor.scene, 2, axis=1)
            frame = CapturedFrame(self.sensor.scene, round(number * 90_000 / RATE), taken_us)
            for token in ("sub", "main"):
                if token == "sub" and not self.paths.watched(token):
                    continue
                unit = self.sensor.of(token, frame)
                if unit is not None:
                    self.sent[token].append((unit.encoding, picture_id(unit.data, unit.encoding)))
                    self.paths.video(token, unit)


def picture_id(data, encoding):
    """What of an access unit no road may change."""
    if encoding == "JPEG":
        return len(data)
    return nal.vcl_hash(nal.split(data), CODECS[encoding])
