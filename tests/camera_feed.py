"""A live recoverable stream behind a real RTSP server, for tests of what viewers get."""

import subprocess
import threading
import time
from fractions import Fraction

import numpy as np

from firmware.encode.jpeg import jpeg
from firmware.encode.protected import ProtectedEncoder
from firmware.encode.settings import EncoderSettings
from onvif.rtsp.live import StreamTracks
from onvif.rtsp.serve import RtspServer
from wire.keys import Identity, SigningKey

WIDTH, HEIGHT, RATE = 320, 240, Fraction(20)
DOCUMENT = b'<tt:MetadataStream xmlns:tt="http://www.onvif.org/ver10/schema"/>'
LATE_US = 250_000
REVEAL = Identity.generate()


def certified(folder):
    """A file with a device's own certificate and its key."""
    key, certificate, both = folder / "key.pem", folder / "certificate.pem", folder / "both.pem"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", "/CN=camera", "-days", "2"]  # fmt: skip
    subprocess.run([*make, "-keyout", key, "-out", certificate], check=True, capture_output=True, timeout=60)
    both.write_text(certificate.read_text() + key.read_text())
    return both


class Feed:
    """A live recoverable stream of noise with a masked corner, pictures a quarter second old when they are sent.

    It goes to `live` and `plain`, and to every stream in `more`; those in `pictures` get the same as JPEG. `sent` has
    the access units by their time of exposure, when `remember`.
    """

    def __init__(self, users, *, remember=False, gop_frames=40, address="127.0.0.1", interface=""):
        self.wishes = []
        self.step_us = 0
        self.gop_frames = gop_frames
        self.sent = {} if remember else None
        self.server = RtspServer(address, 0, users, interface=interface)
        self.live = self.server.publish("main", StreamTracks(), self.wishes.append)
        self.plain = self.server.publish("sub", StreamTracks(metadata=False), self.wishes.append)
        self.more, self.pictures = [], []
        self.server.start()
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        encoder = ProtectedEncoder(
            WIDTH,
            HEIGHT,
            RATE,
            EncoderSettings(preset="ultrafast", gop_frames=self.gop_frames),
            camera_id=b"camera01",
            signer=SigningKey.generate(),
            recipients=[REVEAL.recipient],
        )
        rng = np.random.default_rng(3)
        clear = rng.integers(40, 200, (HEIGHT * 3 // 2, WIDTH), np.uint8)
        masked = clear.copy()
        masked[:64, :64] = 112
        mask = np.zeros((HEIGHT // 16, WIDTH // 16), bool)
        mask[:4, :4] = True
        still = jpeg(masked)
        while not self.stop.wait(float(1 / RATE)):
            taken_us = time.time_ns() // 1000 - LATE_US
            pts_90k = taken_us * 9 // 100
            due = [moment for moment in list(self.wishes) if moment <= taken_us]
            for moment in due:
                self.wishes.remove(moment)
            unit = encoder.encode(masked, clear, mask, (), pts_90k=pts_90k, utc_us=taken_us, idr=bool(due))
            if self.sent is not None:
                self.sent[taken_us] = unit.data
            times = {"pts_90k": pts_90k, "utc_us": taken_us + self.step_us}
            self.live.video(unit.data, **times, idr=unit.idr)
            self.plain.video(unit.data, **times, idr=unit.idr)
            self.live.metadata(DOCUMENT, **times)
            for stream in list(self.more):
                stream.video(unit.data, **times, idr=unit.idr)
                stream.metadata(DOCUMENT, **times)
            for stream in list(self.pictures):
                stream.video(still, **times, idr=True)
        encoder.close()

    def close(self):
        self.stop.set()
        self.thread.join()
        self.server.stop()
