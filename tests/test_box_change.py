"""A camera that is set to another size and codec while the box records it: every picture kept, both sides revealed."""

import asyncio
import contextlib
import io
import itertools
import threading
import time
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from box_fakes import PASSWORD, PEOPLE, USER, clear_picture, i420, read_pattern

from firmware.capture.frame import CapturedFrame
from firmware.encode.protected import ProtectedEncoder
from firmware.encode.settings import EncoderSettings
from firmware.mask.plan import MaskPlan
from firmware.stream.channels import MainChannel
from nvr_box.audit.log import Audit
from nvr_box.db.database import Store
from nvr_box.record.recorder import Recorder
from nvr_box.record.recordings import Recordings
from nvr_box.record.segments import Segments
from nvr_box.record.source import RecordedStream
from nvr_box.reveal.render import Renderer
from nvr_box.rights import Account, Right
from onvif.rtsp.live import StreamTracks
from onvif.rtsp.serve import RtspServer
from wire.keys import Identity, SigningKey

WIDTH, HEIGHT, RATE, GOP = 320, 240, Fraction(20), 10
GUARD = Account("guard", frozenset({Right.VIEW, Right.OPERATE}))
OFFICER, SIGNER = Identity.generate(), SigningKey.generate()
SMALLER = (256, 192)


class Camera:
    """The real main channel behind a real RTSP server, a numbered picture with two masked people 20 times a second."""

    def __init__(self):
        coding = EncoderSettings(gop_frames=GOP)
        encoder = ProtectedEncoder(WIDTH, HEIGHT, RATE, coding, camera_id=b"camera01", signer=SIGNER,
                                   recipients=[OFFICER.recipient])  # fmt: skip
        self.channel = MainChannel(WIDTH, HEIGHT, RATE, encoder)
        self.server = RtspServer("127.0.0.1", 0, lambda: {USER: (PASSWORD, "User")})
        self.live = self.server.publish("main", StreamTracks(metadata=False), self.channel.idr_requests.request)
        self.sent = []
        self.encoding = threading.Lock()
        """Held while a picture is encoded and noted: a format put meanwhile would be noted too early."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.server.start()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(30)
        self.server.stop()
        self.channel.close()

    @property
    def uri(self):
        return f"rtsp://127.0.0.1:{self.server.port}/main"

    def _run(self):
        cells = np.zeros((HEIGHT // 16, WIDTH // 16), np.uint8)
        for x, y, w, h in PEOPLE.values():
            cells[y : y + h, x : x + w] = 1
        grey = np.kron(cells > 0, np.ones((16, 16), bool))
        began = time.monotonic()
        for number in itertools.count():
            if self._stop.wait(max(0.0, began + float(number / RATE) - time.monotonic())):
                return
            rgb = clear_picture(number)
            clear = i420(rgb)
            rgb[grey] = 128
            frame = CapturedFrame(clear, number * 4500, time.time_ns() // 1000)
            with self.encoding:
                unit = self.channel.encode(i420(rgb), clear, MaskPlan(cells), frame)
                self.sent.append((self.channel.format.width, unit.idr))
            if unit.encoding != self.live.track.codec:
                self.server.carry(self.live, unit.encoding)
            self.live.video(unit.data, pts_90k=unit.pts_90k, utc_us=unit.utc_us, idr=unit.idr)


@pytest.fixture
def place(tmp_path):
    (tmp_path / "rec").mkdir()
    store = Store.open(tmp_path / "box.db")
    segments = Segments(store, tmp_path / "rec")
    yield segments, Recordings(segments, Audit(store))
    store.close()


@contextlib.asynccontextmanager
async def recorded(place, camera):
    """A recorder on the camera; hands out what waits until the recorder holds so many pictures of a kind."""
    segments, _ = place
    held = asyncio.Condition()
    counts = {}
    loop = asyncio.get_running_loop()

    async def count(mime, pictures):
        async with held:
            counts[mime] = counts.get(mime, 0) + pictures
            held.notify_all()

    def publish(init, mime, _start_us, fragment, _data):
        kind = (mime.split('"')[1][:4], init)
        pictures = round(fragment.duration_90k * RATE / 90_000)
        loop.call_soon_threadsafe(lambda: asyncio.ensure_future(count(kind, pictures)))

    async def until(kinds, pictures):
        async with asyncio.timeout(90), held:
            await held.wait_for(lambda: len(counts) >= kinds and list(counts.values())[kinds - 1] >= pictures)

    recorder = Recorder(1, "yard", lambda: RecordedStream(camera.uri, USER, PASSWORD), segments, segment_s=600,
                        make_room=lambda: False, publish=publish)  # fmt: skip
    recorder.start()
    try:
        yield until, recorder
    finally:
        recorder.stop()
        assert await asyncio.to_thread(recorder.join, 30)


async def chunks(recordings):
    """(init, data) of everything recorded, segment by segment."""
    found = []
    async with contextlib.aclosing(recordings.play(GUARD, 1, 0)) as pieces:
        async for piece in pieces:
            if piece.mime:
                found.append((piece.data, bytearray()))
            else:
                found[-1][1].extend(piece.data)
    return found


def decoded(chunk):
    with av.open(io.BytesIO(bytes(chunk[0]) + bytes(chunk[1])), "r", format="mp4") as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


async def test_another_size_begins_another_segment_without_losing_a_picture(place):
    with Camera() as camera:
        async with recorded(place, camera) as (until, recorder):
            await until(1, 15)
            began_s = time.monotonic()
            wanted = replace(camera.channel.format, width=SMALLER[0], height=SMALLER[1])
            await asyncio.to_thread(camera.channel.set_format, wanted, lambda: camera.encoding)
            await until(2, 15)
            assert time.monotonic() - began_s < 60
            assert (recorder.now.width, recorder.now.height) == SMALLER
        assert next(idr for width, idr in camera.sent if width == SMALLER[0])
    sides = [decoded(chunk) for chunk in await chunks(place[1])]
    assert [side[0].shape[:2] for side in sides] == [(HEIGHT, WIDTH), SMALLER[::-1]]
    numbers = [read_pattern(rgb) for side in sides for rgb in side]
    assert len(numbers) > 30
    assert all((b - a) % 256 == 1 for a, b in itertools.pairwise(numbers))


async def test_both_sides_of_a_change_are_revealed(place):
    with Camera() as camera:
        async with recorded(place, camera) as (until, _recorder):
            await until(1, 15)
            smaller = replace(camera.channel.format, width=SMALLER[0], height=SMALLER[1])
            await asyncio.to_thread(camera.channel.set_format, smaller)
            await until(2, 15)
            h265 = replace(smaller.coding, codec="h265", payload_codec="h265", preset="ultrafast",
                           payload_preset="ultrafast")  # fmt: skip
            await asyncio.to_thread(camera.channel.set_format, replace(smaller, coding=h265))
            await until(3, 15)
    renderer = Renderer([OFFICER], SIGNER.public, mark="officer")
    recordings, shown = place[1], []
    async with contextlib.aclosing(recordings.chunks(1, 0)) as chunks_:
        async for chunk in chunks_:
            shown += renderer.gop(chunk.init, chunk.segment_us, b"".join(data for _, data in chunk.fragments))
    shown += renderer.finish()
    assert [bool(piece.mime) for piece in shown].count(True) == 2  # H.265 is shown as the same H.264
    starts = [piece.start_s for piece in shown if not piece.mime]
    assert starts == sorted(starts)
    verdicts = renderer.verdicts
    assert (verdicts.damaged, verdicts.base_altered, verdicts.unsigned) == (0, 0, 0), verdicts
    assert verdicts.opened > 45
    sides = []
    for piece in shown:
        sides = [*sides, [piece.data, b""]] if piece.mime else [*sides[:-1], [sides[-1][0], sides[-1][1] + piece.data]]
    for side in sides:
        for rgb in decoded(side)[1::5]:
            height, width = rgb.shape[:2]
            x, y, w, h = PEOPLE[7]
            person = rgb[y * 16 * height // HEIGHT : (y + h) * 16 * height // HEIGHT,
                         x * 16 * width // WIDTH : (x + w) * 16 * width // WIDTH]  # fmt: skip
            assert person.std() > 45  # stripes; the mask is flat grey
