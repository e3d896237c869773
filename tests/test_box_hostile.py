"""One hostile camera: whatever it answers, its own step ends with a sentence and everything beside it goes on."""

import asyncio
import contextlib
import json
import threading
import time
from types import SimpleNamespace

import av
import pytest
from box_fakes import PASSWORD, USER, FileSource
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from base import steady
from base.errors import PeerError, WireError
from base.outside_json import MOST_DEPTH, read_json
from nvr_box.cameras import maintenance, pairing, selection
from nvr_box.cameras.camera_store import CameraRow, CameraStore
from nvr_box.cameras.event_ingest import EventIngest
from nvr_box.cameras.keepalive import StreamKeeper
from nvr_box.cameras.maintenance import Maintenance
from nvr_box.cameras.maskings import Maskings
from nvr_box.cameras.veilcam_client import json_of, new_session
from nvr_box.db.database import Store
from nvr_box.record import recorder as recording
from nvr_box.record.events import Events
from nvr_box.record.recorder import Recorder, RecorderStatus
from nvr_box.record.segments import Segments
from nvr_box.record.sightings import Documents
from nvr_box.rights import Account, Right
from onvif import digest, names
from onvif.client import OnvifClient as Device
from onvif.errors import NotOnvif, OnvifError
from onvif.notifications import read_notifications
from onvif.users import Level
from onvif.xml import read
from tests.onvif_camera import PASSWORDS, running
from wire.selection import ChosenPerson, Mode

DEEP = b"[" * 60_000
NESTED = json.dumps({"mode": "everyone", "people": [{"label": [[[]]], "model": "m", "code": "c"}]}).encode()


def deep(levels):
    return b"[" * levels + b"]" * levels


ANSWERS = {
    "brackets": (200, DEEP, {}),
    "closed brackets": (200, deep(900), {}),
    "a list where a text belongs": (200, NESTED, {}),
    "a number of many digits": (200, b'{"mode": ' + b"9" * 60_000 + b"}", {}),
    "no text in the nonce": (401, b"", {"WWW-Authenticate": 'Digest realm="x", nonce="\udcff"'}),
    "no text in the realm": (401, b"", {"WWW-Authenticate": 'Digest realm="\udcff", nonce="x"'}),
    "packed": (200, b"\x1f\x8b" + b"x" * 100, {"Content-Encoding": "gzip"}),
    "larger than it may be": (200, b'"' + b"a" * (1 << 20) + b'"', {}),
    "elsewhere": (302, b"", {"Location": "http://127.0.0.1:9/secret"}),
    "bytes": (200, bytes(range(256)), {}),
}


class HostileCamera:
    """Says to everything what `answer` holds; counts its requests."""

    def __init__(self):
        self.answer = ANSWERS["brackets"]
        self.asked = 0


@contextlib.asynccontextmanager
async def hostile():
    """The camera by a server that sends header bytes as they are."""
    camera = HostileCamera()

    async def attend(reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            camera.asked += 1
            status, body, headers = camera.answer
            lines = [f"HTTP/1.1 {status} x", f"Content-Length: {len(body)}", "Connection: close"]
            lines += [f"{name}: {value}" for name, value in ({"Content-Type": "application/json"} | headers).items()]
            writer.write("\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(attend, "127.0.0.1", 0)
    camera.xaddr = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/onvif/device_service"
    try:
        yield camera
    finally:
        server.close()


def known(xaddr, name="yard", **more):
    fields = dict.fromkeys(("profile", "manufacturer", "model", "serial"), "x") | {
        "camera": 0, "name": name, "xaddr": xaddr, "user": USER, "stream_uri": "rtsp://127.0.0.1:9/",
        "camera_id": None, "signing_key": None, "appearance_model": None, "paired": False, "recording": True,
        "added_utc_us": 5,
    }  # fmt: skip
    return CameraRow(**(fields | more))


async def until(true):
    while not true():  # noqa: ASYNC110 - no event says so
        await asyncio.sleep(0.01)


@pytest.fixture
def store(tmp_path):
    (tmp_path / "rec").mkdir()
    opened = Store.open(tmp_path / "box.db")
    yield opened
    opened.close()


@pytest.mark.parametrize("name", ANSWERS)
async def test_whatever_a_camera_answers_beside_onvif_is_a_peer_error(name):
    async with hostile() as camera:
        camera.answer = ANSWERS[name]
        with pytest.raises(PeerError):
            await selection.look(camera.xaddr, USER, PASSWORD)
        with contextlib.suppress(PeerError):
            assert await pairing.look(camera.xaddr) is None


@pytest.mark.parametrize("name", ANSWERS)
async def test_whatever_a_camera_answers_over_onvif_is_an_onvif_error(name):
    async with hostile() as camera:
        camera.answer = ANSWERS[name]
        with pytest.raises(OnvifError):
            await Device.connect(camera.xaddr, USER, PASSWORD)


async def test_an_answer_comes_in_pieces_of_any_size():
    body = json.dumps({"mode": "everyone", "people": []}).encode()

    async def attend(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        for byte in body:
            writer.write(b"1\r\n" + bytes([byte]) + b"\r\n")
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(attend, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with new_session() as session, session.get(url) as reply:
        assert await json_of(reply) == json.loads(body)
    server.close()


async def test_what_the_others_mask_is_known_beside_a_hostile_camera(store, monkeypatch, tmp_path):
    roster, guest = CameraStore(store), ChosenPerson("the guest", "net-1", bytes(64).hex())
    user, password = Level.ADMINISTRATOR.lower(), PASSWORDS[Level.ADMINISTRATOR]
    async with hostile() as bad, running(tmp_path / "camera") as well:
        xaddr = f"{well.base}/onvif/device_service"
        await selection.choose(xaddr, user, password, Mode.EXCEPT, [guest])
        await roster.add(known(bad.xaddr, camera_id="00" * 8, signing_key="cd" * 32), PASSWORD, None, "t")
        ours = known(xaddr, camera_id="11" * 8, signing_key="ef" * 32, user=user)
        await roster.add(ours, password, None, "t")
        maskings, everybody = Maskings(store, roster), Account("guard", frozenset(Right))
        monkeypatch.setattr("nvr_box.cameras.maskings._BACK_OFF_S", (0.01,))
        task = asyncio.create_task(maskings.run())
        async with asyncio.timeout(20):
            for answer in ANSWERS.values():
                bad.answer, before = answer, bad.asked
                while bad.asked < before + 2:
                    assert not task.done(), task.exception()
                    await asyncio.sleep(0.01)
            while maskings.now(everybody, 2) is None:  # noqa: ASYNC110 - it says so nowhere
                await asyncio.sleep(0.01)
        assert maskings.now(everybody, 2).labels == ("the guest",)
        assert maskings.now(everybody, 1) is None, "what it says is nonsense: what it masks is unknown"
        task.cancel()


class Lost:
    """Recorders of which every camera is lost."""

    def now(self, _camera):
        return RecorderStatus(message="lost")


async def test_maintenance_of_other_cameras_goes_on_beside_unexpected_answers(store, monkeypatch):
    roster, visited = CameraStore(store), []

    async def connect(xaddr, _user, _password):
        visited.append(xaddr)
        if "bad" in xaddr:
            raise RecursionError("a fault of ours that this camera found")
        await asyncio.Event().wait()

    monkeypatch.setattr("nvr_box.cameras.device.Device", SimpleNamespace(connect=connect))
    monkeypatch.setattr(maintenance, "_COUNT_EVERY_S", 0.01)
    for name in ("bad", "slow", "slow-2"):
        await roster.add(known(f"http://{name}/"), PASSWORD, None, "t")
    introduction = SimpleNamespace(sealed_to="")
    segments = Segments(store, store.path.parent / "rec")
    keep = Maintenance(roster, introduction, segments, feeds=None, recorders=Lost(), start=lambda _camera: None)
    task = asyncio.create_task(keep.run())
    async with asyncio.timeout(10):
        await until(lambda: len(visited) == 3)
        await roster.add(known("http://late/"), PASSWORD, None, "t")
        await until(lambda: "http://late/" in visited)
    assert not task.done()
    assert sorted(visited) == ["http://bad/", "http://late/", "http://slow-2/", "http://slow/"], "the bad one rests"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_part_that_fails_begins_again():
    turns = []

    async def part():
        turns.append(None)
        if len(turns) < 4:
            raise RecursionError

    async with asyncio.timeout(10):
        await steady.kept_up("a part", part, back_off_s=(0.01,))
    assert len(turns) == 4


async def test_events_are_subscribed_to_again_after_an_unexpected_answer(store, monkeypatch):
    tries = []

    async def connect(*_):
        tries.append(None)
        raise RecursionError

    monkeypatch.setattr("nvr_box.cameras.device.Device", SimpleNamespace(connect=connect))
    monkeypatch.setattr(steady.kept_up, "__kwdefaults__", {"back_off_s": (0.01,)})
    listening = EventIngest(Events(store))
    listening.start(known("http://127.0.0.1:9/", camera=1), PASSWORD)
    async with asyncio.timeout(10):
        await until(lambda: len(tries) >= 3)
    await listening.stop()


@pytest.mark.parametrize("codec", ["libvpx", "gif", "rawvideo"])
def test_a_stream_that_cannot_be_recorded_is_a_message_and_tried_again(store, tmp_path, monkeypatch, codec):
    monkeypatch.setattr(recording, "BACK_OFF_S", (0.01,))
    path = tmp_path / "odd.nut"
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=25)
        stream.width, stream.height = 64, 64
        stream.pix_fmt = {"gif": "rgb8"}.get(codec, "yuv420p")
        for number in range(5):
            frame = av.VideoFrame(64, 64, "yuv420p")
            frame.pts = number
            out.mux(stream.encode(frame.reformat(format=stream.pix_fmt)))
        out.mux(stream.encode(None))
    opened, again = [], threading.Event()

    def stream():
        opened.append(None)
        if len(opened) == 3:
            again.set()
        return FileSource(path, 1_795_000_000_000_000)

    recorder = Recorder(1, "yard", stream, Segments(store, tmp_path / "rec"), segment_s=60, make_room=lambda: False,
                        publish=lambda *_: None)  # fmt: skip
    recorder.start()
    assert again.wait(20)
    assert not recorder.now.connected
    assert "recorded are H.264, H.265 and JPEG" in recorder.now.message
    recorder.stop()
    assert recorder.join(10)


@pytest.mark.parametrize("kind", [Recorder, StreamKeeper])
def test_no_exception_ends_a_thread(store, tmp_path, monkeypatch, kind):
    monkeypatch.setattr(recording, "BACK_OFF_S", (0.01,))
    monkeypatch.setattr("nvr_box.cameras.keepalive.BACK_OFF_S", (0.01,))
    tries, enough = [], threading.Event()

    def stream():
        tries.append(None)
        if len(tries) == 4:
            enough.set()
        raise (ValueError, RecursionError, MemoryError, av.error.InvalidDataError)[len(tries) % 4](1, "odd")

    if kind is StreamKeeper:
        thread = StreamKeeper("yard", stream)
    else:
        thread = Recorder(1, "yard", stream, Segments(store, tmp_path / "rec"), segment_s=60, make_room=lambda: False,
                          publish=lambda *_: None)  # fmt: skip
    thread.start()
    assert enough.wait(20)
    thread.stop()
    assert thread.join(10)
    assert "its stream cannot be" in thread.now.message


def nested(levels, tag="Message"):
    inside = f"<wsnt:{tag}><tt:Data><tt:SimpleItem/></tt:Data>" * levels + f"</wsnt:{tag}>" * levels
    return f'<r xmlns:wsnt="{names.WSNT}" xmlns:tt="{names.TT}">{inside}</r>'.encode()


def test_messages_in_messages_cost_what_one_costs():
    for tag in ("NotificationMessage", "Message", "Source"):
        root = read(nested(250, tag), limit=1 << 20, what="it")
        began = time.process_time()
        read_notifications(root)
        assert time.process_time() - began < 0.05
    wide = etree.fromstring(nested(1, "NotificationMessage"))
    for _ in range(5000):
        wide.append(etree.fromstring(nested(1, "NotificationMessage"))[0])
    began = time.process_time()
    read_notifications(wide)
    assert time.process_time() - began < 1.0


def test_more_tags_than_a_document_may_have_are_not_built():
    began = time.process_time()
    with pytest.raises(NotOnvif, match="tags"):
        read(b"<a>" + b"<b/>" * 1_000_000 + b"</a>", limit=8 << 20, what="it")
    assert time.process_time() - began < 0.1


def test_a_document_in_pieces_of_a_byte_costs_its_length():
    documents = Documents(lambda _found: None)
    piece = b"a" * 100_000
    documents.feed(piece * 10)
    began = time.process_time()
    for _ in range(20_000):
        documents.feed(b"a")
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    "text", ["a" * 8000, "a=" * 4000, 'a="' + '\\"' * 4000, "a " * 4000, '"' * 8000, "," * 4000 + " " * 4000]
)
def test_a_header_costs_its_length(text):
    began = time.process_time()
    digest.parameters(text)
    digest.challenges([f"Digest nonce=x {text}"])
    assert time.process_time() - began < 0.1


@given(st.text(max_size=200))
def test_any_text_of_a_header_is_answered_or_left_out(text):
    for challenge in digest.challenges([text, f'Digest realm="{text}", nonce="{text}"']):
        digest.credentials(challenge, user=USER, password=PASSWORD, method="GET", uri="/").encode()


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_a_wire_error(data):
    with contextlib.suppress(WireError):
        read_json(data, limit=150, what="it")


def test_json_is_as_deep_as_it_may_be():
    assert read_json(deep(MOST_DEPTH), limit=100, what="it") is not None
    for levels in (MOST_DEPTH + 1, 500, 900):
        with pytest.raises(WireError, match="deeper"):
            read_json(deep(levels), limit=1 << 20, what="it")
    with pytest.raises(WireError, match="no JSON"):
        read_json(DEEP, limit=1 << 20, what="it")
