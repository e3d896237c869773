"""A camera whose password or address changed: not hammered, shown on the page, entered again there, found again."""

import asyncio
import contextlib
import dataclasses
import itertools

import pytest
from aiohttp import web
from box_fakes import RATE, _plain, plain_h264
from lxml import etree
from odd_camera import OddCamera, access_units
from test_box_cameras import ADMIN, GUARD, INTRODUCTION, camera
from test_onvif_client import INFORMATION, PASSWORD, USER, Device, serving, soap, stream

from base.errors import PeerError, RequestError, RightRefused
from nvr_box.audit.log import Audit
from nvr_box.cameras import maintenance
from nvr_box.cameras.camera_store import CameraStore
from nvr_box.cameras.cameras import CameraRecordingState, Cameras
from nvr_box.cameras.sign_ins import WAIT_S, SignIn
from nvr_box.cameras.whereabouts import Whereabouts
from nvr_box.config import RecordConfig
from nvr_box.db.database import Store
from nvr_box.record.recordings import Recordings
from nvr_box.record.retention import Retention
from nvr_box.record.segments import Segments
from nvr_box.record.source import SignInRefused
from onvif import digest
from onvif.discovery import DiscoveredDevice

OLD, NEW = "0ld-s3cret", "n3w-s3cret"


@pytest.fixture(scope="module")
def play(tmp_path_factory):
    pictures = access_units(plain_h264(tmp_path_factory.mktemp("clip") / "a.h264", 100, gop=25))

    def steadily(out):
        for number in itertools.count():
            out.picture(pictures[number % 100], number * 90_000 // RATE)
            out.wait_until((number + 1) / RATE)

    return steadily


@pytest.fixture
async def place(tmp_path):
    (tmp_path / "rec").mkdir()
    store = Store.open(tmp_path / "box.db")
    log, roster, segments = Audit(store), CameraStore(store), Segments(store, tmp_path / "rec")
    cameras = Cameras(
        roster, log, recordings=Recordings(segments, log), segments=segments,
        retention=Retention(store, segments.root, RecordConfig()), introduction=INTRODUCTION, segment_s=60,
    )  # fmt: skip
    yield cameras, roster, log
    await cameras._recorders.stop_all()
    await cameras._listening.stop()
    store.close()


class Guarded(Device):
    """Wants HTTP digest with `password` for everything but its clock; counts sign-ins that it refuses."""

    def __init__(self, password=PASSWORD, **answers):
        super().__init__(**answers)
        self.password, self.refused = password, 0

    async def handle(self, request):
        if request.method != "POST":
            return await super().handle(request)
        envelope = etree.fromstring(await request.read())
        if etree.QName(next(iter(envelope.find("{*}Body")))).localname != "GetSystemDateAndTime":
            values = digest.parameters(request.headers.get("Authorization", "").removeprefix("Digest "))
            right = "response" in values and values["response"] == digest.response(
                values, user=USER, password=self.password, method="POST"
            )
            if not right:
                self.refused += bool(values) or envelope.find(".//{*}UsernameToken") is not None
                headers = {"WWW-Authenticate": str(digest.Challenge("it", "n1"))}
                return web.Response(status=401, headers=headers)
        return await super().handle(request)


@contextlib.asynccontextmanager
async def real(play, password=PASSWORD, **answers):
    """A camera of another make on loopback: ONVIF with digest, and a stream."""
    with OddCamera(play) as rtsp:
        async with serving(Guarded(password, GetStreamUri=stream(rtsp.uri), **answers)) as device:
            device.rtsp = rtsp
            yield device


async def until(true):
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - a thread sets no event
            await asyncio.sleep(0.01)


def test_a_refused_sign_in_waits_minutes_and_longer_each_time():
    now = [0.0]
    sign_in = SignIn(lambda: now[0])
    sign_in.check()
    for wait_s in (*WAIT_S, WAIT_S[-1]):
        for _ in range(5):
            sign_in.refused()  # sign-ins already under way
        assert sign_in.waiting_s == wait_s
        with pytest.raises(SignInRefused, match=r"tried again in \d+ min.*Enter the new password"):
            sign_in.check()
        now[0] += wait_s
        sign_in.check()
    sign_in.accepted()
    sign_in.refused()
    assert sign_in.waiting_s == WAIT_S[0]


async def test_a_changed_password_is_tried_once_by_each_and_said(place, play):
    cameras, roster, _ = place
    async with real(play, "another password now") as device:
        device.rtsp.status = 401
        added = await roster.add(camera(xaddr=f"{device.base}/", stream_uri=device.rtsp.uri, user=USER), PASSWORD, None,
                                 "test")  # fmt: skip
        looking = asyncio.create_task(cameras._upkeep.run())
        cameras._start(added)
        await until(lambda: "Enter the new password" in cameras.status(ADMIN, 1).message)
        for _ in range(5):
            await cameras._upkeep._visit(added)
        await asyncio.sleep(3)
        looking.cancel()
        assert cameras.status(ADMIN, 1).state is CameraRecordingState.LOST
        described = [method for _, method in device.rtsp.asked].count("DESCRIBE")
        assert described <= 2, "without and with credentials"
        assert device.refused <= 4


async def test_a_new_password_is_tried_before_it_is_kept(place, play):
    cameras, roster, log = place
    async with real(play, NEW) as device:
        await roster.add(camera(xaddr=f"{device.base}/", stream_uri=device.rtsp.uri, user=USER, manufacturer="ACME",
                                model="1", serial="3"), OLD, None, "test")  # fmt: skip
        roster.sign_in(1).refused()
        with pytest.raises(RightRefused):
            await cameras.move(GUARD, 1, password=NEW)
        with pytest.raises(PeerError, match="sign-in"):
            await cameras.move(ADMIN, 1, password="wrong")
        assert roster.password(1) == OLD
        await cameras.move(ADMIN, 1, password=NEW)
        assert roster.password(1) == NEW
        assert roster.get(1).stream_uri == device.rtsp.uri
        await until(lambda: cameras.status(ADMIN, 1).state is CameraRecordingState.RECORDING)
        fresh = CameraStore(roster._store)
        await fresh.load()
        assert fresh.password(1) == NEW
    entries = await log.entries(ADMIN, action="camera-change")
    assert [entry.granted for entry in entries] == [True, False, False]
    assert not [entry for entry in entries if NEW in str(entry.details) or OLD in str(entry.details)]


async def test_another_camera_at_the_new_address_is_not_taken(place, play):
    cameras, roster, _ = place
    async with real(play, GetDeviceInformation=soap(INFORMATION.replace("<tds:SerialNumber>3", "<tds:SerialNumber>4"))
                    ) as device:  # fmt: skip
        known = camera(xaddr="http://127.0.0.1:9/", user=USER, manufacturer="ACME", model="1", serial="3")
        await roster.add(known, PASSWORD, None, "test")
        with pytest.raises(RequestError, match="another camera than yard"):
            await cameras.move(ADMIN, 1, xaddr=device.base)
        assert roster.get(1).xaddr == "http://127.0.0.1:9/"
        await roster.add(camera(xaddr=""), "", None, "test")
        with pytest.raises(RequestError, match="no camera"):
            await cameras.move(ADMIN, 2, password="x")


async def test_a_whole_picture_is_requested_of_a_camera_that_refreshes_gradually(place, tmp_path, monkeypatch):
    monkeypatch.setattr(maintenance, "_KEY_EVERY_S", 0.0)
    rules = "keyint=25:intra-refresh=1:bframes=0:repeat-headers=1:annexb=1:threads=1"
    path = _plain(tmp_path / "refresh.h264", 100, "libx264", {"x264-params": rules, "preset": "veryfast"})
    pictures = access_units(path)[25:]

    def play(out):
        for number in itertools.count():
            out.picture(pictures[number % 75], number * 90_000 // RATE)
            out.wait_until((number + 1) / RATE)

    cameras, roster, _ = place
    async with real(play) as device:
        added = await roster.add(camera(xaddr=f"{device.base}/", stream_uri=device.rtsp.uri, user=USER, profile="p1"),
                                 PASSWORD, None, "test")  # fmt: skip
        cameras._start(added)
        await until(lambda: device.asked.count("SetSynchronizationPoint") == 1)
        async with contextlib.aclosing(cameras._recordings.live(ADMIN, 1)) as live:
            await anext(live)
            await until(lambda: device.asked.count("SetSynchronizationPoint") == 2)


def answer(endpoint, xaddr):
    return DiscoveredDevice(endpoint, (xaddr,), (), (), "127.0.0.1", 1)


async def test_a_camera_with_a_new_address_is_found_by_its_identity(place, play):
    cameras, roster, log = place
    network = []

    async def ask():
        return list(network)

    keep = cameras._upkeep
    keep._whereabouts = Whereabouts(roster._store, roster, ask)
    async with real(play) as device, real(play) as other:
        known = camera(xaddr=f"{device.base}/", stream_uri=device.rtsp.uri, user=USER, manufacturer="ACME", model="1",
                       serial="3")  # fmt: skip
        network[:] = [answer("urn:uuid:it", f"{device.base}/"), answer("urn:uuid:other", f"{other.base}/")]
        added = await roster.add(known, PASSWORD, None, "test")
        cameras._start(added)
        await until(lambda: cameras.status(ADMIN, 1).state is CameraRecordingState.RECORDING)
        await keep._visit(added)
    async with real(play) as moved, real(play) as other:
        network[:] = [answer("urn:uuid:other", f"{other.base}/"), answer("urn:uuid:it", f"{moved.base}/")]
        await until(lambda: cameras.status(ADMIN, 1).state is CameraRecordingState.LOST)
        keep._whereabouts._asked_mono_s = None
        await keep._visit(roster.get(1))
        assert roster.get(1).xaddr == f"{moved.base}/"
        assert roster.get(1).stream_uri == moved.rtsp.uri
        await until(lambda: cameras.status(ADMIN, 1).state is CameraRecordingState.RECORDING)
        assert not other.asked, "no other device gets a request"
    (entry,) = await log.entries(ADMIN, action="camera-change")
    assert (entry.who, entry.details["xaddr"]) == ("the box", f"{moved.base}/")


async def test_an_endpoint_is_noted_where_it_was_seen_first(tmp_path):
    store = Store.open(tmp_path / "box.db")
    roster = CameraStore(store)
    await roster.add(camera(xaddr="http://127.0.0.1:81/"), "", None, "test")
    network = [answer("urn:uuid:it", "http://127.0.0.1:81/")]

    async def ask():
        return list(network)

    places = Whereabouts(store, roster, ask)
    await places.note()
    found = (("liar", "http://127.0.0.1:81/"), ("liar", "http://127.0.0.1:82/"), ("it", "file:///etc/passwd"),
            ("it", "http://127.0.0.1:83/"))  # fmt: skip
    network[:] = [answer(f"urn:uuid:{name}", xaddr) for name, xaddr in found]
    places._asked_mono_s = None
    assert await places.of(roster.get(1)) == ("http://127.0.0.1:83/",)
    assert await places.of(dataclasses.replace(roster.get(1), camera_id="ab")) == (
        "http://127.0.0.1:82/", "http://127.0.0.1:83/",
    )  # fmt: skip

    async def no_network():
        raise OSError

    assert await Whereabouts(store, roster, no_network).of(roster.get(1)) == ()
    store.close()
