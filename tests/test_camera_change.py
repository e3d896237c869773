"""A running encoder is set to something else by an ONVIF client: what its viewers see; no other one notices."""

import asyncio
import re
import threading
import time
from dataclasses import replace

import av
import pytest
from camera_rtsp import Client

from onvif.names import TR2
from onvif.users import Level
from tests.camera_sensor import Feed, picture_id
from tests.dtt import FIXED, encoder2, media2_request, options2
from tests.onvif_camera import PASSWORDS, RATE, running

PATIENCE_S = 30
NAMES = {"h264": "H264", "hevc": "H265", "mjpeg": "JPEG"}


@pytest.fixture
async def camera(tmp_path):
    async with running(tmp_path) as started:
        yield started


@pytest.fixture
def feed(camera):
    feeding = Feed(camera.camera.live, camera.paths)
    yield feeding
    feeding.close()


class Viewer:
    """An independent player of one stream: what it got, until the camera ends it or `close`."""

    def __init__(self, camera, token, transport="tcp"):
        user = PASSWORDS[Level.USER]
        uri = f"rtsp://user:{user}@127.0.0.1:{camera.camera.rtsp.port}/{token}"
        self.container = av.open(
            uri,
            options={"rtsp_transport": transport, "allowed_media_types": "video", "analyzeduration": "300000"},
            timeout=PATIENCE_S,
        )
        self.stream = self.container.streams.video[0]
        self.encoding = NAMES[self.stream.codec_context.name]
        self.got, self.sizes, self.ended = [], [], ""
        self.changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        why = "the camera said goodbye"
        try:
            for packet in self.container.demux(self.stream):
                frames = packet.decode()
                with self.changed:
                    if packet.size:
                        self.got.append(picture_id(bytes(packet), self.encoding))
                    self.sizes += [(frame.width, frame.height) for frame in frames]
                    self.changed.notify_all()
                    if self._closing:
                        break
        except (av.FFmpegError, OSError) as error:
            why = f"broken: {error}"
        with self.changed:
            self.ended = why
            self.changed.notify_all()

    async def until(self, test):
        """Wait until `test(self)`; it is told what was there where it does not come."""

        def wait():
            with self.changed:
                return self.changed.wait_for(lambda: test(self), PATIENCE_S)

        assert await asyncio.to_thread(wait), (len(self.got), self.sizes[-1:], self.ended)

    async def more(self, count):
        """Wait for so many further pictures."""
        target = len(self.got) + count
        await self.until(lambda viewer: len(viewer.got) >= target)

    async def close(self):
        """Stop looking, after the next picture."""
        self._closing = True
        await asyncio.to_thread(self._thread.join, PATIENCE_S)
        self.container.close()


async def watch(camera, token, transport="tcp"):
    return await asyncio.to_thread(Viewer, camera, token, transport)


async def change(client, token, *, encoding=None, smallest=False, **more):
    """Set an encoder; returns the size it was set to and the seconds that the answer took."""
    wanted = media2_request(await encoder2(client, token)) | more
    encoding = encoding or wanted["Encoding"]
    option = next(one for one in await options2(client, ConfigurationToken=token) if one.Encoding == encoding)
    size = option.ResolutionsAvailable[-1 if smallest else 0]
    wanted |= {"Encoding": encoding, "Resolution": {"Width": size.Width, "Height": size.Height},
               "Profile": option.ProfilesSupported[0] if option.ProfilesSupported else None}  # fmt: skip
    if encoding == "JPEG":
        wanted["GovLength"] = None
    began_s = time.monotonic()
    await client(TR2, "SetVideoEncoderConfiguration", Configuration=wanted)
    return (size.Width, size.Height), time.monotonic() - began_s


def lost(viewer, sent):
    """How many of the pictures sent between a viewer's first and last did not reach it."""
    ids = [one for _, one in sent]
    first, last = ids.index(viewer.got[0]), len(ids) - 1 - ids[::-1].index(viewer.got[-1])
    assert viewer.got == [one for one in ids[first : last + 1] if one in set(viewer.got)]
    return last + 1 - first - len(viewer.got)


@pytest.mark.parametrize(("encoding", "transport"), [("H264", "tcp"), ("H264", "udp"), ("H265", "tcp")])
async def test_viewers_stay_through_another_size_and_others_notice_nothing(camera, feed, encoding, transport):
    client = camera.client()
    await change(client, "main", encoding=encoding, GovLength=250)
    changed, other = await watch(camera, "main", transport), await watch(camera, "sub")
    await changed.until(lambda viewer: viewer.sizes)
    await other.more(5)
    size, _ = await change(client, "main", smallest=True)
    await changed.until(lambda viewer: viewer.sizes[-1] == size)
    await changed.more(5)
    await other.more(5)
    assert {one for one in changed.sizes if one != size} == {(192, 128)}
    assert changed.sizes == sorted(changed.sizes, reverse=True)
    assert (changed.ended, other.ended) == ("", "")
    for viewer, token in ((changed, "main"), (other, "sub")):
        await viewer.close()
        assert lost(viewer, feed.sent[token]) == 0
    assert set(other.sizes) == {(96, 64)}


@pytest.mark.parametrize(("token", "before", "after"), [("main", "H264", "H265"), ("sub", "H264", "JPEG"),
                                                        ("sub", "JPEG", "H265")])  # fmt: skip
async def test_another_codec_ends_its_sessions_and_no_others(camera, feed, token, before, after):
    client = camera.client()
    await change(client, token, encoding=before)
    other_token = "sub" if token == "main" else "main"
    concerned, other = await watch(camera, token), await watch(camera, other_token)
    await concerned.until(lambda viewer: len(viewer.got) > 5)
    await other.more(5)
    size, _ = await change(client, token, encoding=after, smallest=True)
    await concerned.until(lambda viewer: viewer.ended)
    assert concerned.ended == "the camera said goodbye"
    anew = await watch(camera, token)
    assert (concerned.encoding, anew.encoding) == (before, after)
    await anew.until(lambda viewer: viewer.sizes and viewer.sizes[-1] == size)
    await anew.more(5)
    await other.more(5)
    assert (anew.ended, other.ended) == ("", "")
    for viewer in (anew, other):
        await viewer.close()
    assert lost(other, feed.sent[other_token]) == 0
    concerned.container.close()


async def test_rate_quality_and_gop_change_without_a_new_session(camera, feed):
    client = camera.client()
    viewer = await watch(camera, "main")
    await viewer.more(3)
    await change(client, "main", RateControl={"FrameRateLimit": 5.0, "BitrateLimit": 300}, GovLength=2)
    await viewer.more(3)
    began, began_s = len(feed.sent["main"]), time.monotonic()
    await viewer.more(10)
    rate = (len(feed.sent["main"]) - began) / (time.monotonic() - began_s)
    assert rate < 0.75 * float(RATE)
    assert viewer.ended == ""
    await viewer.close()
    assert lost(viewer, feed.sent["main"]) == 0


@pytest.mark.case("MEDIA2_RTSS-1-1-24", "MEDIA2_RTSS-1-1-25")
@pytest.mark.parametrize("encoding", ["H264", "H265"])
async def test_so_many_instances_stream_at_once_as_are_promised(camera, feed, encoding):
    client = camera.client()
    info = (await client(TR2, "GetVideoEncoderInstances", ConfigurationToken="source")).Info
    promised = next(one.Number for one in info.Codec if one.Encoding == encoding)
    sizes = {}
    for token in FIXED[:promised]:
        sizes[token], _ = await change(client, token, encoding=encoding)
    viewers = {token: await watch(camera, token) for token in sizes}
    assert len(viewers) == promised == info.Total
    for viewer in viewers.values():
        await viewer.more(8)
    for token, viewer in viewers.items():
        assert viewer.encoding == encoding
        assert set(viewer.sizes) == {sizes[token]}
        await viewer.close()
        assert lost(viewer, feed.sent[token]) == 0


def describe(camera, token):
    """(status, encoding) of a description, on a connection of its own, and the connection."""
    viewer = Client(camera.camera.rtsp.port, token, user="user", password=PASSWORDS[Level.USER])
    status, _, description = viewer.request("DESCRIBE", Accept="application/sdp")
    found = re.search(r"m=video 0 RTP/AVP (26)|(H26\d)/90000", description)
    return (status, found and (found[2] or "JPEG")), viewer


async def test_who_asks_just_before_and_during_a_change_of_codec_is_answered(camera):
    live = camera.camera.live
    early = asyncio.create_task(asyncio.to_thread(describe, camera, "main"))
    stream = next(one for carried, one in camera.paths._streams.items() if carried.encoder == "main")
    await until(lambda: stream.watched)
    coding = replace(live.video("main").coding, codec="h265", payload_codec="h265", shared_idr=False)
    wanted = replace(live.video("main"), coding=coding)
    changing = asyncio.create_task(asyncio.to_thread(live.set_video, "main", wanted))
    await until(lambda: stream._entries._closed)
    late = asyncio.create_task(asyncio.to_thread(describe, camera, "main"))
    assert not early.done(), "there was no picture yet"
    feeding = Feed(live, camera.paths)
    try:
        (before, first), (during, second) = await early, await late
        await changing
    finally:
        feeding.close()
    assert (before, during) == ((200, "H264"), (200, "H265"))
    for viewer, status in ((first, 410), (second, 200)):
        track, transport = f"{viewer.url}/stream=0", "RTP/AVP/TCP;unicast;interleaved=0-1"
        assert viewer.request("SETUP", track, Transport=transport)[0] == status
        viewer.close()


async def test_no_viewer_is_turned_away_while_codecs_change(camera, feed):
    client, answers, done = camera.client(), [], threading.Event()

    def ask():
        while not done.is_set():
            answer, viewer = describe(camera, "sub")
            answers.append(answer)
            viewer.close()

    asking = [asyncio.create_task(asyncio.to_thread(ask)) for _ in range(2)]
    for encoding in ("JPEG", "H264", "JPEG", "H264"):
        await change(client, "sub", encoding=encoding)
        count = len(answers)
        await until(lambda count=count: len(answers) > count + 1)
    done.set()
    await asyncio.gather(*asking)
    assert {status for status, _ in answers} == {200}
    assert feed.sent["sub"]


async def until(condition):
    """Wait for something that another thread brings about."""
    for _ in range(PATIENCE_S * 50):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come about")
