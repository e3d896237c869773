"""Streams as cameras send them: odd rates, reports, tracks, time stamps and refreshes, each from a small generator."""

import asyncio
import contextlib
import itertools
import socket
import threading
import time

import pytest
from box_fakes import RATE, FileSource, OnceSource, _plain, plain_h264, record_file
from hypothesis import given
from hypothesis import strategies as st
from odd_camera import OddCamera, access_units, metadata_track, video_track

from base.errors import PeerError
from nvr_box.audit.log import Audit
from nvr_box.cameras.recorders import is_near
from nvr_box.db.database import Store
from nvr_box.record import recorder as recording
from nvr_box.record import source as sources
from nvr_box.record.access_units import access_units as recorded_units
from nvr_box.record.recorder import Recorder
from nvr_box.record.recordings import Recordings
from nvr_box.record.segments import Segments
from nvr_box.record.source import RecordedStream, SignInRefused
from nvr_box.record.timing import StreamTiming
from nvr_box.rights import Account, Right

GUARD = Account("guard", frozenset({Right.VIEW}))
EVER = 1 << 60
STEP = 90_000 // RATE
T0_US = 1_795_000_000_000_000


@pytest.fixture
def segments(tmp_path):
    (tmp_path / "rec").mkdir()
    store = Store.open(tmp_path / "box.db")
    yield Segments(store, tmp_path / "rec")
    store.close()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return access_units(plain_h264(tmp_path_factory.mktemp("clip") / "a.h264", 100, gop=25))


def recorded(segments, camera, *, pictures, segment_s=600, near=True):
    """Record until so many pictures are there; the recorder."""
    enough, count = threading.Event(), itertools.count(1)

    def open_stream():
        source = RecordedStream(camera.uri, "", "")
        whole = source.packets

        def packets(metadata):
            for timed in whole(metadata):
                yield timed
                if next(count) >= pictures:
                    enough.set()

        source.packets = packets
        return source

    recorder = Recorder(1, "yard", open_stream, segments, segment_s=segment_s, make_room=lambda: False,
                        publish=lambda *_: None, near=near)  # fmt: skip
    recorder.start()
    assert enough.wait(60), recorder.now
    recorder.stop()
    assert recorder.join(30)
    return recorder


async def units(segments):
    """The recorded access units, segment by segment."""
    recordings = Recordings(segments, Audit(segments.store))
    found = []
    for segment in await segments.between(1, 0, EVER):
        units = []
        async with contextlib.aclosing(recordings.chunks(1, segment.start_us, segment.end_us)) as chunks:
            async for chunk in chunks:
                if chunk.segment_us == segment.start_us:
                    units += recorded_units(chunk)[1]
        found.append(units)
    return found


def steady(pictures, *, reports_s=1.0):
    """25 pictures a second and a report a second, for ever."""

    def play(stream):
        for number in itertools.count():
            at_90k = number * STEP
            if number % int(RATE * reports_s) == int(RATE * reports_s) // 2:
                stream.report(stream.began_us + number * 1_000_000 // RATE, at_90k)
            stream.picture(pictures[number % len(pictures)], at_90k)
            stream.wait_until((number + 1) / RATE)

    return play


@pytest.mark.parametrize("uri", [
    "http://127.0.0.1:{port}/a.sdp", "https://127.0.0.1:{port}/", "file:///etc/passwd", "/etc/passwd",
    "rtmp://127.0.0.1:{port}/", "concat:/etc/passwd", "tcp://127.0.0.1:{port}", "rtsp:///etc/passwd",
    "udp://127.0.0.1:{port}", "rtsp://[", "", "rtsp://127.0.0.1:{port}\n/",
    "subfile,,start,0,end,9,,:/etc/passwd",
])  # fmt: skip
def test_nothing_but_rtsp_is_opened(uri):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        for user in ("", "admin"):
            with pytest.raises(PeerError, match="none of RTSP"):
                RecordedStream(uri.format(port=server.getsockname()[1]), user, "secret")
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize("transport", ["tcp", "http", "file"])
def test_a_server_that_says_nothing_is_given_up(monkeypatch, transport):
    monkeypatch.setattr(sources, "_OPEN_S", 1.0)
    monkeypatch.setattr(sources, "_SILENCE_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        began_s = time.monotonic()
        with pytest.raises(PeerError, match="cannot be opened"):
            RecordedStream(f"rtsp://127.0.0.1:{server.getsockname()[1]}/", "u", "p", transport)
        assert time.monotonic() - began_s < 10


def test_a_refused_sign_in_is_distinguished():
    with OddCamera(None, status=401) as camera, pytest.raises(SignInRefused):
        RecordedStream(camera.uri, "admin", "wrong")


async def test_the_first_group_of_pictures_after_a_connection_is_recorded(segments, pictures):
    with OddCamera(steady(pictures)) as camera:
        await asyncio.to_thread(recorded, segments, camera, pictures=60)
    (first, *_), *_ = await units(segments)
    assert first.data.endswith(pictures[0][-100:])
    spans = await Recordings(segments, Audit(segments.store)).spans(GUARD, 1, 0, EVER)
    assert len(spans) == 1


async def test_what_came_while_the_stream_was_analysed_is_dated_when_it_came(segments, pictures):
    began = []

    def play(stream):
        began.append(stream.began_us)
        steady(pictures, reports_s=1000)(stream)

    with OddCamera(play) as camera:
        await asyncio.to_thread(recorded, segments, camera, pictures=60)
    found = await segments.between(1, 0, EVER)
    assert abs(found[0].start_us - began[0]) < 300_000


async def test_reports_are_life_though_pictures_are_rare(segments, pictures, monkeypatch):
    monkeypatch.setattr(sources, "_OPEN_S", 1.0)
    monkeypatch.setattr(sources, "_SILENCE_S", 1.2)
    monkeypatch.setattr(sources, "_LOOK_UP_S", 10.0)

    def rare(stream):
        for number in itertools.count():
            at_90k = number * 36_000
            stream.report(stream.began_us + number * 400_000, at_90k)
            if number % 4 == 0:
                stream.picture(pictures[number // 4], at_90k)
            stream.wait_until((number + 1) * 0.4)

    with OddCamera(rare) as camera:
        recorder = await asyncio.to_thread(recorded, segments, camera, pictures=6)
        assert [method for _, method in camera.asked].count("PLAY") == 1
    assert recorder.now.connected
    found = await units(segments)
    assert sum(map(len, found)) >= 5
    apart_us = [b.utc_us - a.utc_us for group in found for a, b in itertools.pairwise(group)]
    assert all(abs(apart - 1_600_000) < 200_000 for apart in apart_us), apart_us


def test_a_camera_that_only_reports_is_lost_in_the_end(pictures, monkeypatch):
    monkeypatch.setattr(sources, "_OPEN_S", 2.0)
    monkeypatch.setattr(sources, "_SILENCE_S", 1.2)
    monkeypatch.setattr(sources, "_LOOK_UP_S", 1.05)
    monkeypatch.setattr(sources, "_PICTURELESS_S", 1.5)

    def play(stream):
        for number in range(25):
            stream.picture(pictures[number], number * STEP)
        for number in itertools.count():
            stream.report(stream.began_us + number * 400_000, number * 36_000)
            stream.wait_until(number * 0.4)

    with OddCamera(play) as camera:
        source = RecordedStream(camera.uri, "", "")
        with pytest.raises(PeerError, match="no picture for"):
            list(source.packets(lambda _: None))
        source.close()


async def test_of_two_pictures_the_large_one_is_recorded(segments, pictures, tmp_path):
    small = access_units(
        _plain(
            tmp_path / "small.h264",
            100,
            "libx264",
            {"x264-params": "keyint=25:bframes=0:repeat-headers=1:annexb=1"},
            size=(160, 96),
        )
    )

    def play(stream):
        for number in itertools.count():
            stream.picture(small[number % 100], number * STEP, track=0)
            stream.picture(pictures[number % 100], number * STEP, track=1)
            stream.wait_until(number / RATE)

    with OddCamera(play, tracks=(video_track(0), video_track(1))) as camera:
        recorder = await asyncio.to_thread(recorded, segments, camera, pictures=40)
    assert (recorder.now.width, recorder.now.height) == (320, 240)


async def test_a_camera_back_from_a_reboot_is_recorded_within_two_seconds(segments, pictures):
    with OddCamera(steady(pictures)) as camera:
        port = camera.port
        recorder = Recorder(1, "yard", lambda: RecordedStream(camera.uri, "", ""), segments, segment_s=60,
                            make_room=lambda: False, publish=lambda *_: None, near=True)  # fmt: skip
        recorder.start()
        await until(lambda: recorder.now.connected)
    await until(lambda: not recorder.now.connected)
    await asyncio.sleep(5)
    with OddCamera(steady(pictures), port=port):
        began_s = time.monotonic()
        await until(lambda: recorder.now.connected)
        assert time.monotonic() - began_s < 2 + 2, "the next try within two seconds, and a second to look at the stream"
        recorder.stop()
        assert await asyncio.to_thread(recorder.join, 30)


async def until(true):
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - a thread sets no event
            await asyncio.sleep(0.01)


REFRESH = "keyint=25:intra-refresh=1:bframes=0:repeat-headers=1:annexb=1"
RECOVERY_POINT = b"\0\0\0\1\x4e\x01\x06\x02\x0d\xc0\x80"
"""An H.265 SEI unit of 24 pictures, as cameras put it where the next refresh begins; x265 leaves it out."""


def refreshing(path, codec):
    if codec == "h264":
        return _plain(path, 300, "libx264", {"x264-params": f"{REFRESH}:threads=1", "preset": "veryfast"})
    more = "pools=1:frame-threads=1:log-level=error"
    _plain(path, 300, "libx265", {"x265-params": f"{REFRESH}:{more}", "preset": "veryfast"})
    whole = [RECOVERY_POINT * (number and number % 25 == 0) + each
             for number, each in enumerate(access_units(path, "hevc"))]  # fmt: skip
    path.write_bytes(b"".join(whole))
    return path


@pytest.mark.parametrize("codec", ["h264", "hevc"])
async def test_a_stream_that_refreshes_gradually_has_segments(segments, tmp_path, codec):
    path = refreshing(tmp_path / f"refresh.{codec}", codec)
    await asyncio.to_thread(record_file, segments, 1, path, T0_US, segment_s=3)
    found = await segments.between(1, 0, EVER)
    assert len(found) >= 4
    assert all(each.keys and each.keys[0][0] == 0 for each in found)
    assert sum(len(each) for each in await units(segments)) == 300


async def test_a_segment_that_no_browser_plays_asks_for_a_whole_picture(segments, tmp_path):
    """The camera refreshes gradually; on request it sends a whole picture, and a segment begins there."""
    path = refreshing(tmp_path / "refresh.h264", "h264")
    whole = access_units(path)
    path.write_bytes(b"".join((*whole[:110], *whole[:190])))
    requests = []
    once = OnceSource(lambda: FileSource(path, T0_US))
    recorder = Recorder(1, "yard", once, segments, segment_s=3, make_room=lambda: False, publish=lambda *_: None,
                        want_key=lambda: requests.append(None))  # fmt: skip
    recorder.start()
    assert await asyncio.to_thread(once.gone.wait, 60)
    recorder.stop()
    assert await asyncio.to_thread(recorder.join, 30)
    found = await segments.between(1, 0, EVER)
    assert T0_US + 110 * 40_000 in [each.start_us for each in found]
    assert len(requests) == len(found) - 2, "all but the two that begin with a whole picture"


async def test_time_stamps_that_step_back_cut_nothing(segments, pictures):
    """The camera's clock goes on; its stamps step half a second back every two seconds, unlike its reports."""

    def play(stream):
        back = 0
        for number in itertools.count():
            if number and number % 50 == 0:
                back += 45_000
            at_90k = 10_000_000 + number * STEP - back
            if number % 25 == 20:
                stream.report(stream.began_us + number * 1_000_000 // RATE, at_90k)
            stream.picture(pictures[number % 100], at_90k)
            stream.wait_until(number / RATE)

    with OddCamera(play) as camera:
        await asyncio.to_thread(recorded, segments, camera, pictures=220)
    found = await segments.between(1, 0, EVER)
    assert len(found) <= 2, "one, and one more from the first report on"
    assert sum(each.end_us - each.start_us for each in found) == pytest.approx(220 * 40_000, rel=0.05)


async def test_the_first_report_of_another_track_makes_no_hole(segments, pictures):
    """libavformat places all tracks by the first report of any; the stamps step when it does."""

    def play(stream):
        for number in itertools.count():
            at_us = stream.began_us + number * 1_000_000 // RATE
            if number == 15:
                stream.report(at_us, 77_000_000 + number * STEP + 90_000, track=1)
            if number % 25 == 20:
                stream.report(at_us, 5_000_000 + number * STEP, track=0)
            if number % 5 == 0:
                stream.metadata(b"<a/>", 77_000_000 + number * STEP)
            stream.picture(pictures[number % 100], 5_000_000 + number * STEP)
            stream.wait_until(number / RATE)

    with OddCamera(play, tracks=(video_track(0), metadata_track(1))) as camera:
        await asyncio.to_thread(recorded, segments, camera, pictures=100)
    for group in await units(segments):
        apart_us = [b.utc_us - a.utc_us for a, b in itertools.pairwise(group)]
        assert max(apart_us) < 200_000, apart_us


def placed(timing, rows):
    return [timing.place(*row) for row in rows]


def test_a_pause_is_a_pause_and_a_break_is_a_step():
    timing = StreamTiming(STEP)
    second = 1_000_000
    rows = [(0, None, 0), (STEP, None, 40_000), (STEP + 9 * 90_000, None, 40_000 + 9 * second)]
    assert [each.step_90k for each in placed(timing, rows)][1:] == [STEP, 9 * 90_000]
    after = timing.place(3600 * 90_000, None, 80_000 + 9 * second)
    assert after.step_90k == STEP, "an hour that did not pass"
    assert timing.place(100, None, 120_000 + 9 * second).step_90k == STEP
    assert timing.place(None, None, 160_000 + 9 * second).step_90k == STEP
    assert timing.place(None, None, 160_000 + 12 * second).step_90k == 3 * 90_000


def test_a_camera_clock_that_is_set_is_seen_at_once():
    timing = StreamTiming(STEP)
    rows = [(number * STEP, T0_US + number * 40_000, T0_US + number * 40_000) for number in range(10)]
    placed(timing, rows)
    moved = timing.place(10 * STEP, T0_US + 400_000 + 700_000, T0_US + 400_000)
    assert moved.utc_us == T0_US + 1_100_000
    assert moved.offset_s == pytest.approx(0.7)


@given(st.lists(st.tuples(
    st.none() | st.integers(-(1 << 33), 1 << 33), st.none() | st.integers(0, 1 << 52), st.integers(0, 1 << 52),
), max_size=40))  # fmt: skip
def test_decode_times_only_grow_whatever_the_clocks_say(rows):
    found = placed(StreamTiming(STEP), rows)
    assert all(b.dts_90k > a.dts_90k for a, b in itertools.pairwise(found))
    assert all(each.step_90k <= 120 * 90_000 for each in found)


@pytest.mark.parametrize(("uri", "near"), [
    ("rtsp://192.168.1.5/x", True), ("rtsp://10.0.0.1:554", True), ("rtsp://[fe80::1]:554/", True),
    ("rtsp://yard/", True), ("rtsp://yard.local/", True), ("rtsp://127.0.0.1/", True), ("rtsp://8.8.8.8/", False),
    ("rtsp://cam.example.org/", False), ("rtsp://[", False),
])  # fmt: skip
def test_which_cameras_are_near(uri, near):
    assert is_near(uri) is near
    assert recording.NEAR_BACK_OFF_S[-1] <= 2
