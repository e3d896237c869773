"""A grey picture to begin with, decoded by libavcodec: every coding of H.264 that cameras send, and what follows it."""

import asyncio
import base64
import io

import av
import pytest
from box_fakes import _plain, record_file
from hypothesis import given
from hypothesis import strategies as st
from page_browser import chromium
from rights_matrix import CONSOLE, NAME, T0, page, running

from base.errors import WireError
from nvr_box.record import fmp4, grey_start
from nvr_box.record.muxer import Muxer
from nvr_box.rights import Right
from nvr_box.web.request_fields import iso
from wire import nal

REFRESH = "keyint=25:intra-refresh=1:bframes=0:repeat-headers=1:annexb=1:threads=1"


@pytest.fixture(scope="module", params=["baseline", "main", "high"])
def fragments(request, tmp_path_factory):
    """(init, fragments) of a stream that refreshes gradually, from its second recovery point on."""
    options = {"x264-params": REFRESH, "preset": "veryfast", "profile": request.param}
    path = _plain(tmp_path_factory.mktemp("clip") / "a.h264", 100, "libx264", options)
    whole = []
    with av.open(str(path)) as source:
        stream = source.streams.video[0]
        muxer = Muxer(stream)
        packets = [each for each in source.demux(stream) if each.size][25:]
        assert packets[0].is_keyframe
        for number, packet in enumerate(packets):
            whole += muxer.feed(packet, number * 3600, number * 3600, 3600)
        whole += muxer.finish()
    return muxer.init, [data for _, data in whole]


def pictures(data):
    with av.open(io.BytesIO(data), format="mp4") as source:
        return [(frame.pts, frame.key_frame, frame.to_ndarray(format="gray")) for frame in source.decode(video=0)]


def test_what_begins_at_a_recovery_point_plays_from_a_grey_picture(fragments):
    init, (first, *rest) = fragments
    data = grey_start.led(init, first)
    places = list(fmp4.fragments(data, 0))
    assert [place.time_90k for place in places] == [0, grey_start.LEAD_90K]
    assert places[0].key
    played = pictures(init + data + b"".join(rest))
    assert played[0][1], "an IDR picture"
    assert abs(played[0][2].astype(int) - 128).max() <= 3, "grey"
    assert len(played) == 76
    right = pictures(init + first + b"".join(rest))
    assert abs(played[-1][2].astype(int) - right[-1][2]).max() == 0, "after one refresh what the camera sent"


def test_what_begins_whole_is_left_as_it_is(tmp_path):
    path = _plain(tmp_path / "a.h264", 30, "libx264", {"x264-params": "keyint=25:annexb=1:threads=1"})
    with av.open(str(path)) as source:
        muxer = Muxer(source.streams.video[0])
        whole = []
        for number, packet in enumerate(each for each in source.demux(video=0) if each.size):
            whole += muxer.feed(packet, number * 3600, number * 3600, 3600)
    assert whole
    assert grey_start.led(muxer.init, whole[0][1]) == whole[0][1]
    assert grey_start.led(b"no description", whole[0][1]) == whole[0][1]


@given(st.binary(max_size=80))
def test_any_parameter_set_makes_a_picture_or_one_error(data):
    try:
        units = grey_start.picture(b"\x67" + data)
    except WireError:
        return
    assert sum(map(len, units)) < 300_000
    assert all(nal.split(b"\0\0\1" + unit) == [unit] for unit in units)


@given(st.binary(max_size=120), st.binary(max_size=120))
def test_any_bytes_are_left_as_they_are(init, data):
    assert grey_start.led(init + b"avcC" + data, data) == data


async def test_the_page_gets_a_picture_to_begin_with_in_the_middle_of_such_a_recording(tmp_path):
    path = _plain(tmp_path / "a.h264", 150, "libx264", {"x264-params": REFRESH, "preset": "veryfast"})
    start_us = T0 + 3_600_000_000
    async with running(tmp_path / "box") as box:
        await asyncio.to_thread(record_file, box.box.recordings._segments, 2, path, start_us)
        token, _ = box.client.server.app[page.SESSIONS].begin(box.box.users.get(NAME))
        await box.box.users.save(CONSOLE, NAME, rights=[Right.VIEW])
        got, asked = b"", {"from": iso(start_us + 3_100_000)}
        async with box.client.ws_connect(
            "/api/cameras/2/stream", params=asked, headers={"Cookie": f"veilcam={token}"}
        ) as socket:
            for number in range(6):
                said = await socket.receive_json(timeout=60)
                got += await socket.receive_bytes(timeout=60)
                assert said["init"] == (number == 0)
    (first, *more) = pictures(got)
    assert first[1], "an IDR picture"
    assert len(more) > 20


MSE = """async ([mime, parts]) => {
  const video = document.createElement("video"), source = new MediaSource();
  video.src = URL.createObjectURL(source);
  await new Promise((done) => source.addEventListener("sourceopen", done, { once: true }));
  const buffer = source.addSourceBuffer(mime);
  for (const part of parts) {
    buffer.appendBuffer(Uint8Array.from(atob(part), (each) => each.charCodeAt(0)));
    await new Promise((done) => buffer.addEventListener("updateend", done, { once: true }));
  }
  return [...Array(buffer.buffered.length).keys()].map((n) => [buffer.buffered.start(n), buffer.buffered.end(n)]);
}"""


def test_chromium_takes_it_and_nothing_without(fragments):
    init, (first, *rest) = fragments
    mime = fmp4.mime(init)
    with chromium() as browser:
        window = browser.new_page()
        window.goto("about:blank")

        def buffered(begin):
            parts = [base64.b64encode(part).decode() for part in (init, begin, *rest)]
            return window.evaluate(MSE, [mime, parts])

        assert buffered(first) == [], "else there is nothing to do here any more"
        ((start, end),) = buffered(grey_start.led(init, first))
        assert (start, round(end, 1)) == (0, 3.0)
