"""Cameras for the box's tests: one of another make with real RTSP, and streams of either make read from a file."""

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction

import av
import cv2
import numpy as np

from base.errors import PeerError
from firmware.encode.protected import ProtectedEncoder
from firmware.encode.settings import EncoderSettings
from nvr_box.record.recorder import Recorder
from nvr_box.record.source import RecordedStream
from onvif import metadata
from onvif.rtsp.live import StreamTracks
from onvif.rtsp.serve import RtspServer
from wire import thumbnail
from wire.recovery.layout import Region

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
        self.server = RtspServer("127.0.0.1", 0, lambda: {USER: (PASSWORD, "User")})
        self._want_idr = threading.Event()
        self.live = self.server.publish("main", StreamTracks(metadata=False), lambda _at: self._want_idr.set())
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
            "preset": "ultrafast",
            "tune": "zerolatency",
            "x264-params": f"keyint={self.gop}:scenecut=0:bframes=0:repeat-headers=1:annexb=1:threads=1",
        }
        began, began_us = time.monotonic(), time.time_ns() // 1000
        number = 0
        while not self._stop.wait(max(0.0, began + number / self.rate - time.monotonic())):
            frame = av.VideoFrame.from_ndarray(pattern(number & 0xFF, self.width, self.height), format="rgb24")
            frame.pts = number
            if self._want_idr.is_set():
                self._want_idr.clear()
                frame.pict_type = av.video.frame.PictureType.I
            # When it was due: on a busy machine some come late and then all at once, as from behind a bad line.
            utc_us = began_us + number * 1_000_000 // self.rate
            for packet in encoder.encode(frame):
                self.sent[number & 0xFF] = utc_us
                self.live.video(bytes(packet), pts_90k=utc_us * 9 // 100, utc_us=utc_us, idr=packet.is_keyframe)
            number += 1


RATE = 25  # of raw H.264, which does not say
WIDTH, HEIGHT = 320, 240


def plain_h264(path, frames, gop=25):
    """`frames` pictures of `pattern` as raw H.264."""
    rules = f"keyint={gop}:scenecut=0:bframes=0:repeat-headers=1:annexb=1:threads=1"
    return _plain(path, frames, "libx264", {"x264-params": rules})


def plain_h265(path, frames, gop=25, *, size=(WIDTH, HEIGHT)):
    """The same as raw H.265."""
    rules = f"keyint={gop}:scenecut=0:bframes=0:repeat-headers=1:annexb=1:pools=1:frame-threads=1:log-level=error"
    return _plain(path, frames, "libx265", {"x265-params": rules}, size=size)


def _plain(path, frames, codec, options, *, size=(WIDTH, HEIGHT)):
    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt = *size, "yuv420p"
    encoder.time_base = Fraction(1, RATE)
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", **options}
    with path.open("wb") as file:
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(pattern(number & 0xFF, *size), format="rgb24")
            frame.pts = number
            for packet in encoder.encode(frame):
                file.write(bytes(packet))
        for packet in encoder.encode(None):
            file.write(bytes(packet))
    return path


CAMERA_ID = bytes.fromhex("00112233445566aa")
# Two masked people: track, macroblock box x, y, w, h.
PEOPLE = {7: (3, 4, 3, 6), 9: (12, 5, 3, 6)}


def jpeg(bright, size=(24, 12)):
    """A small picture as a JPEG file, another one for every `bright`."""
    rng = np.random.default_rng(bright)
    return cv2.imencode(".jpg", rng.integers(bright % 200, bright % 200 + 50, (*size, 3)).astype(np.uint8))[1].tobytes()


def best_shot(packet, recipients, signer, *, masked, clear, inside=(6000, 6000, 53_000, 53_000)):
    """`packet` with `masked` as its thumbnail and `clear` sealed inside."""
    label = thumbnail.Label(packet.camera_id, packet.sequence, packet.best_utc_ms, inside)
    return replace(packet, thumbnail=thumbnail.seal(masked, clear, label, recipients, signer))


def i420(rgb):
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24").to_ndarray(format="yuv420p")


def clear_picture(number):
    """What a camera of ours really sees: two people of stripes in front of `pattern`."""
    rgb = pattern(number & 0xFF, WIDTH, HEIGHT)
    for track, (x, y, w, h) in PEOPLE.items():
        stripes = np.indices((h * 16, w * 16))[0] // 6 % 2 * 150 + (20 if track == 7 else 60)
        rgb[y * 16 : (y + h) * 16, x * 16 : (x + w) * 16] = stripes[..., None]
    return rgb


def masked_h264(path, frames, recipients, signer, *, start_us, gop=25, camera_id=CAMERA_ID):
    """The same as raw H.264 with recovery data; people are grey in the base."""
    settings = EncoderSettings(preset="ultrafast", payload_preset="ultrafast", gop_frames=gop, qp=20)
    encoder = ProtectedEncoder(
        WIDTH, HEIGHT, Fraction(RATE), settings, camera_id=camera_id, signer=signer, recipients=recipients
    )
    mask = np.zeros((HEIGHT // 16, WIDTH // 16), bool)
    for x, y, w, h in PEOPLE.values():
        mask[y : y + h, x : x + w] = True
    regions = [Region(track, 0, 1, *box) for track, box in PEOPLE.items()]
    with path.open("wb") as file:
        for number in range(frames):
            clear = clear_picture(number)
            grey = clear.copy()
            grey[np.kron(mask, np.ones((16, 16), bool))] = 128
            au = encoder.encode(
                i420(grey),
                i420(clear),
                mask,
                regions,
                pts_90k=number * 3600,
                utc_us=start_us + number * 40_000,
                idr=number % gop == 0,
            )
            file.write(au.data)
    return path


def document(at_us, people=PEOPLE):
    """A metadata document: the people's boxes, normalised as ONVIF wants them."""
    objects = tuple(
        metadata.MetadataObject(
            track,
            metadata.MetadataBox.from_pixels((x * 16, y * 16, (x + w) * 16, (y + h) * 16), WIDTH, HEIGHT),
            "Human",
        )
        for track, (x, y, w, h) in people.items()
    )
    return metadata.document([metadata.MetadataFrame(datetime.fromtimestamp(at_us / 1e6, UTC), objects)])


class FileSource(RecordedStream):
    """A raw H.264 file as a camera that began at `start_us`, as fast as it is read; the second opening fails."""

    def __init__(self, path, start_us, *, documents=False):
        self._choose_track(av.open(str(path)))
        self._start_us, self._documents = start_us, documents

    def packets(self, seen):
        for timed in super().packets(seen):
            utc_us = self._start_us + timed.dts_90k * 1_000_000 // 90_000
            if self._documents:
                seen(document(utc_us))
            yield replace(timed, utc_us=utc_us, offset_s=0.0)


class OnceSource:
    """Opens `make()` the first time; afterwards the camera is gone, and `gone` is set."""

    def __init__(self, make):
        self._make = make
        self.gone = threading.Event()

    def __call__(self):
        if self._make is None:
            self.gone.set()
            raise PeerError("the camera is gone")
        source, self._make = self._make(), None
        return source


def record_file(
    segments, camera, path, start_us, *, segment_s=60, documents=False, publish=lambda *_: None, make_room=lambda: False
):
    """Record a file as `camera`; returns when every segment has its row."""
    once = OnceSource(lambda: FileSource(path, start_us, documents=documents))
    recorder = Recorder(camera, "file", once, segments, segment_s=segment_s, make_room=make_room, publish=publish)
    recorder.start()
    assert once.gone.wait(60)
    recorder.stop()
    assert recorder.join(30)
    return recorder
