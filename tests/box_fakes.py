"""A camera of another make for the box's tests: real RTSP with digest on loopback, H.264 of a picture that moves."""

import threading
import time
from fractions import Fraction

import av
import numpy as np

from onvif.rtsp.gst import Server, Track

USER, PASSWORD = "viewer", "p@ss/word:1"


def pattern(number, width, height):
    """An RGB picture whose left columns say `number` in eight black or white blocks, for tests that read it back."""
    picture = np.full((height, width, 3), 90, np.uint8)
    side = height // 8
    for bit in range(8):
        picture[bit * side : (bit + 1) * side, :32] = 235 if number >> bit & 1 else 16
    x = 40 + number * 7 % (width - 60)
    picture[height // 3 : height // 3 + 20, x : x + 20] = (200, 40, 40)
    return picture


def read_pattern(rgb):
    side = rgb.shape[0] // 8
    return sum(int(rgb[bit * side + 4 : (bit + 1) * side - 4, 8:24].mean() > 126) << bit for bit in range(8))


class RtspCamera:
    """Serves `/main` from a thread, `rate` pictures a second, a key frame every `gop`."""

    def __init__(self, *, rate=20, gop=10, width=320, height=240, offset_s=0.0):
        self.rate, self.gop, self.width, self.height = rate, gop, width, height
        self.offset_s = offset_s
        self.server = Server("127.0.0.1", 0, lambda: {USER: (PASSWORD, "User")})
        self._want_idr = threading.Event()
        self.live = self.server.publish("main", Track(metadata=False), lambda _at: self._want_idr.set())
        self.sent = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def uri(self):
        return f"rtsp://127.0.0.1:{self.server.port}/main"

    def __enter__(self):
        self.server.start()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(10)
        self.server.stop()

    def _run(self):
        encoder = av.CodecContext.create("libx264", "w")
        encoder.width, encoder.height, encoder.pix_fmt = self.width, self.height, "yuv420p"
        encoder.time_base = Fraction(1, self.rate)
        encoder.options = {
            "preset": "ultrafast", "tune": "zerolatency",
            "x264-params": f"keyint={self.gop}:scenecut=0:bframes=0:repeat-headers=1:annexb=1:threads=1",
        }
        began = time.monotonic()
        number = 0
        while not self._stop.wait(max(0.0, began + number / self.rate - time.monotonic())):
            frame = av.VideoFrame.from_ndarray(pattern(number & 0xFF, self.width, self.height), format="rgb24")
            frame.pts = number
            if self._want_idr.is_set():
                self._want_idr.clear()
                frame.pict_type = av.video.frame.PictureType.I
            utc_us = time.time_ns() // 1000
            for packet in encoder.encode(frame):
                self.sent[number & 0xFF] = utc_us
                self.live.video(bytes(packet), utc_us=utc_us, idr=packet.is_keyframe)
            number += 1
