"""Cameras: pairing over HTTP digest, choosing a profile, what is refused and how it is said."""

import dataclasses
import json

import pytest
from aiohttp import web
from box_fakes import PASSWORD, USER, RtspCamera

from nvr_box.audit import Audit
from nvr_box.cameras import pairing
from nvr_box.cameras.cameras import Cameras, Introduction, State
from nvr_box.cameras.roster import Camera, Roster
from nvr_box.cameras.trial import best_profile
from nvr_box.config import RecordConfig
from nvr_box.record.recordings import Recordings
from nvr_box.record.retention import Retention
from nvr_box.record.segments import Segments
from nvr_box.rights import Account, Refused, Right
from nvr_box.store import Store
from onvif import digest
from onvif.replies import Profile
from wire.base.errors import ConfigError, PeerError, StoreError
from wire.keys import Identity, SigningKey

ADMIN = Account("admin", frozenset(Right))
GUARD = Account("guard", frozenset({Right.VIEW}), frozenset({1}))
BOX, OPERATOR = Identity.generate(), Identity.generate(label="operator")
CAMERA_ID = "00112233445566aa"
INTRODUCTION = Introduction(
    BOX.kid.hex(), BOX.recipient, lambda _camera_id: (OPERATOR.recipient,), "ab" * 32, "", lambda: 8443
)


class PairingEnd:
    """A camera's `/veilcam/pairing`, as docs/design.md has it, with digest on whatever changes something."""

    def __init__(self):
        self.said = {
            "version": 1, "camera_id": "00112233445566aa", "name": "yard", "serial": "S1",
            "signing_key": SigningKey.generate().public.hex(), "appearance_model": "net-1", "paired_with": None,
        }
        self.taken = None
        self.status, self.body = 200, None
        self._challenge = digest.Challenge("camera", "anonce")

    async def answer(self, request):
        if request.method != "GET":
            header = request.headers.get("Authorization", "")
            values = digest.parameters(header.removeprefix("Digest "))
            right = "response" in values and values["response"] == digest.response(
                values, user=USER, password=PASSWORD, method=request.method
            )
            if not right:
                return web.Response(status=401, headers={"WWW-Authenticate": str(self._challenge)})
            if request.method == "DELETE":
                self.said["paired_with"] = None
                return web.Response(status=204)
            self.taken = await request.json()
            self.said["paired_with"] = self.taken["box_id"]
        if self.body is not None:
            return web.Response(status=self.status, body=self.body, content_type="application/json")
        return web.json_response(self.said, status=self.status)


@pytest.fixture
async def end():
    camera = PairingEnd()
    app = web.Application()
    app.router.add_route("*", pairing.PATH, camera.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    camera.xaddr = f"http://127.0.0.1:{runner.addresses[0][1]}/onvif/device_service"
    yield camera
    await runner.cleanup()


@pytest.fixture
async def cameras(tmp_path):
    (tmp_path / "rec").mkdir()
    store = Store.open(tmp_path / "box.db")
    log, roster, segments = Audit(store), Roster(store), Segments(store, tmp_path / "rec")
    known = Cameras(
        roster, log, recordings=Recordings(segments, log), segments=segments,
        retention=Retention(store, segments.root, RecordConfig()), introduction=INTRODUCTION, segment_s=60,
    )
    yield known, roster, log
    await known._recorders.stop_all()
    store.close()


def camera(number=0, **changes):
    fields = dict.fromkeys(("xaddr", "profile", "manufacturer", "model", "serial"), "x") | {
        "camera": number, "name": "yard", "user": USER, "stream_uri": "rtsp://127.0.0.1:9/", "camera_id": None,
        "signing_key": None, "appearance_model": None, "paired": False, "recording": True, "added_utc_us": 5,
    }
    return Camera(**(fields | changes))


async def test_pairing_gives_the_camera_our_keys_and_address(end):
    seen = await pairing.look(end.xaddr)
    assert (seen.camera_id, seen.paired_with) == ("00112233445566aa", None)
    said = await pairing.pair(end.xaddr, USER, PASSWORD, INTRODUCTION.offer(end.xaddr, "a-token", CAMERA_ID))
    assert said.paired_with == BOX.kid.hex()
    assert end.taken == {
        "version": 1, "box_id": BOX.kid.hex(), "feature_key": BOX.recipient.public.hex(),
        "recipients": [OPERATOR.recipient.to_json()], "push_url": "https://127.0.0.1:8443/api/packets",
        "push_fingerprint": "ab" * 32, "push_token": "a-token",
    }
    await pairing.unpair(end.xaddr, USER, PASSWORD)
    assert (await pairing.look(end.xaddr)).paired_with is None


async def test_a_wrong_password_and_a_refusal_are_told(end):
    offer = INTRODUCTION.offer(end.xaddr, "a-token", CAMERA_ID)
    with pytest.raises(PeerError, match="refuses"):
        await pairing.pair(end.xaddr, USER, "wrong", offer)
    end.status, end.body = 409, json.dumps({"error": "paired with another box"}).encode()
    with pytest.raises(PeerError, match="409: paired with another box"):
        await pairing.pair(end.xaddr, USER, PASSWORD, offer)


@pytest.mark.parametrize(
    "change",
    [{"version": 2}, {"camera_id": "00"}, {"camera_id": 5}, {"signing_key": "zz"}, {"paired_with": ...}],
)
async def test_a_broken_pairing_document_is_a_peer_error(end, change):
    table = {name: value for name, value in (end.said | change).items() if value is not ...}
    end.body = json.dumps(table).encode()
    with pytest.raises(PeerError):
        await pairing.look(end.xaddr)
    end.body = b"{not json"
    with pytest.raises(PeerError, match="broken JSON"):
        await pairing.look(end.xaddr)


async def test_another_make_is_no_error(end):
    end.status = 404
    assert await pairing.look(end.xaddr) is None
    assert INTRODUCTION.pairable(None)[0]
    with pytest.raises(PeerError):
        await pairing.look("http://127.0.0.1:9/onvif/device_service")


def test_a_camera_of_another_box_is_not_taken_over():
    said = pairing.Paired("00", "yard", "S", "00", "net-1", "ffffffffffffffff")
    ok, why = INTRODUCTION.pairable(said)
    assert not ok
    assert "another box (ffffffffffffffff)" in why
    assert INTRODUCTION.pairable(dataclasses.replace(said, paired_with=BOX.kid.hex()))[0]


def test_pairing_wants_tls_and_a_reveal_key():
    with pytest.raises(ConfigError, match=r"web\.tls"):
        dataclasses.replace(INTRODUCTION, fingerprint="").offer("http://127.0.0.1/", "t", CAMERA_ID)
    with pytest.raises(ConfigError, match="keys create"):
        dataclasses.replace(INTRODUCTION, recipients=lambda _camera_id: ()).offer("http://127.0.0.1/", "t", CAMERA_ID)


def test_the_largest_h264_profile_is_recorded_since_every_browser_plays_it():
    def profile(token, encoding, width):
        return Profile(token, token, encoding, width, width, 25.0, 0, 0, "source", True, True)

    sub, main, hevc = profile("sub", "H264", 640), profile("main", "H264", 1280), profile("hevc", "H265", 3840)
    assert best_profile((sub, main, hevc)) is main
    assert best_profile((hevc,)) is hevc
    with pytest.raises(PeerError):
        best_profile(())


async def test_an_address_that_is_none_and_one_that_does_not_answer(cameras):
    known, _, log = cameras
    with pytest.raises(ConfigError, match="address"):
        await known.add(ADMIN, "ftp://x", "u", "p")
    with pytest.raises(PeerError, match="does not answer"):
        await known.add(ADMIN, "127.0.0.1:9", "u", "p")
    steps = [step async for step in known.test(ADMIN, "127.0.0.1:9", "u", "p")]
    assert [(step.name, step.ok) for step in steps] == [("reach", False)]
    with pytest.raises(Refused):
        await known.add(GUARD, "127.0.0.1:9", "u", "p")
    assert [entry.granted for entry in await log.entries(ADMIN, action="camera-add")] == [False, False]


async def test_a_camera_records_can_be_switched_off_and_is_seen_by_its_viewers_only(cameras):
    known, roster, _ = cameras
    with RtspCamera() as real:
        added = await roster.add(camera(stream_uri=real.uri), PASSWORD, None, "test")
        second = await roster.add(camera(xaddr="y", recording=False), PASSWORD, None, "test")
        assert [each.camera for each in known.list(GUARD)] == [added.camera] == [1]
        with pytest.raises(Refused):
            known.get(GUARD, second.camera)
        assert known.status(ADMIN, 1).state is State.OFF
        known._start(added)
        assert known.status(ADMIN, 1).state is State.CONNECTING
        async for _ in known._recordings.live(ADMIN, 1):
            break
        status = known.status(ADMIN, 1)
        assert (status.state, status.width, status.codec, status.message) == (State.RECORDING, 320, "h264", "")
        await known.change(ADMIN, 1, name="gate", recording=False)
        assert known.status(ADMIN, 1).state is State.OFF
        assert known.get(ADMIN, 1).name == "gate"


async def test_a_removed_camera_of_ours_that_comes_back_keeps_its_number(cameras):
    known, roster, _ = cameras
    ours = camera(camera_id="00112233445566aa", signing_key="00" * 32, paired=False)
    first = await roster.add(ours, PASSWORD, None, "test")
    await known.remove(ADMIN, first.camera)
    assert known.list(ADMIN) == ()
    with pytest.raises(StoreError, match="no camera"):
        known.get(ADMIN, first.camera)
    again = await roster.add(ours, PASSWORD, None, "test")
    assert again.camera == first.camera
