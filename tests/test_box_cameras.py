"""Cameras: pairing over HTTP digest, choosing a profile, what is refused and how it is said."""

import asyncio
import dataclasses
import json

import pytest
from box_fakes import PASSWORD, USER, RtspCamera
from pairing_ends import OPERATOR, CameraEnd, Meddler, introduction
from pairing_ends import PASSWORD as ADMIN_PASSWORD
from pairing_ends import USER as ADMIN_USER

from base.errors import Conflict, NotFound, PeerError, RequestError, RightRefused
from nvr_box.audit.log import Audit
from nvr_box.cameras import pairing
from nvr_box.cameras.camera_store import CameraRow, CameraStore
from nvr_box.cameras.cameras import CameraRecordingState, Cameras
from nvr_box.cameras.onboarding import best_profile
from nvr_box.cameras.rekey import rekeyed
from nvr_box.config import RecordConfig
from nvr_box.db.database import Store
from nvr_box.record.recordings import Recordings
from nvr_box.record.retention import Retention
from nvr_box.record.segments import Segments
from nvr_box.rights import Account, Right
from onvif.replies import ProfileReply

ADMIN = Account("admin", frozenset(Right))
GUARD = Account("guard", frozenset({Right.VIEW}), frozenset({1}))
INTRODUCTION = introduction()


@pytest.fixture
async def end(tmp_path):
    """A camera's real pairing, behind a proxy that can say something else."""
    async with CameraEnd(tmp_path / "camera").serving() as camera, Meddler(camera.xaddr).serving() as way:
        way.camera = camera
        yield way


@pytest.fixture
async def cameras(tmp_path):
    (tmp_path / "rec").mkdir()
    store = Store.open(tmp_path / "box.db")
    log, roster, segments = Audit(store), CameraStore(store), Segments(store, tmp_path / "rec")
    known = Cameras(
        roster,
        log,
        recordings=Recordings(segments, log),
        segments=segments,
        retention=Retention(store, segments.root, RecordConfig()),
        introduction=INTRODUCTION,
        segment_s=60,
    )
    yield known, roster, log
    await known._recorders.stop_all()
    store.close()


def camera(number=0, **changes):
    fields = dict.fromkeys(("xaddr", "profile", "manufacturer", "model", "serial"), "x") | {
        "camera": number,
        "name": "yard",
        "user": USER,
        "stream_uri": "rtsp://127.0.0.1:9/",
        "camera_id": None,
        "signing_key": None,
        "appearance_model": None,
        "paired": False,
        "recording": True,
        "added_utc_us": 5,
    }
    return CameraRow(**(fields | changes))


async def test_pairing_gives_the_camera_our_keys_and_address(end):
    seen = await pairing.look(end.xaddr)
    assert (seen.camera_id, seen.paired_with) == (end.camera.who.camera_id.hex(), None)
    said = await INTRODUCTION.pair(end.xaddr, ADMIN_USER, ADMIN_PASSWORD, seen, "a-token")
    assert said.paired_with == INTRODUCTION.box_id
    offer = json.loads(end.seen[-1][2])
    assert offer == {
        "version": 2,
        "camera_id": seen.camera_id,
        "box_id": INTRODUCTION.box_id,
        "box_key": INTRODUCTION.signer.public.hex(),
        "feature_key": INTRODUCTION.identity.recipient.public.hex(),
        "recipients": [OPERATOR.recipient.to_json()],
        "push_url": "https://127.0.0.1:8443/api/packets",
        "push_fingerprint": "ab" * 32,
        "push_token": "a-token",
    }
    await pairing.unpair(end.xaddr, ADMIN_USER, ADMIN_PASSWORD, INTRODUCTION.order(seen.camera_id))
    assert (await pairing.look(end.xaddr)).paired_with is None


async def test_a_wrong_password_and_a_refusal_are_reported(end):
    seen = await pairing.look(end.xaddr)
    with pytest.raises(PeerError, match="refuses the password"):
        await INTRODUCTION.pair(end.xaddr, ADMIN_USER, "wrong", seen, "a-token")
    why = json.dumps({"error": "paired with another box"}).encode()
    end.answer = lambda method, status, headers, body: (status, body) if status == 401 else (409, why)
    with pytest.raises(PeerError, match="409"):
        await INTRODUCTION.pair(end.xaddr, ADMIN_USER, ADMIN_PASSWORD, seen, "a-token")


@pytest.mark.parametrize(
    "change",
    [{"version": 1}, {"camera_id": "00"}, {"camera_id": 5}, {"signing_key": "zz"}, {"paired_with": ...},
     {"sealed_to": 5}, {"box_key": ...}],
)  # fmt: skip
async def test_a_broken_pairing_document_is_a_peer_error(end, change):
    def broken(method, status, headers, body):
        table = json.loads(body) | change
        return status, json.dumps({name: value for name, value in table.items() if value is not ...}).encode()

    end.answer = broken
    with pytest.raises(PeerError):
        await pairing.look(end.xaddr)
    for nonsense in (b"{not json", b"[" * 60_000):
        end.answer = lambda method, status, headers, body, nonsense=nonsense: (status, nonsense)
        with pytest.raises(PeerError, match="broken JSON"):
            await pairing.look(end.xaddr)


@pytest.mark.parametrize("nonce", [b"\xff", b"a\x00b", b"\xc3\x28"])
async def test_a_challenge_of_bytes_that_are_no_text_is_a_peer_error(nonce):
    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        way = b'Digest realm="x", qop="auth-int", algorithm=SHA-256, nonce="' + nonce + b'"'
        writer.write(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\nWWW-Authenticate: " + way + b"\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(PeerError):
            await pairing.unpair(f"http://127.0.0.1:{port}/", "u", "p", INTRODUCTION.order("00" * 8))


async def test_another_make_is_no_error(end):
    end.answer = lambda method, status, headers, body: (404, body)
    assert await pairing.look(end.xaddr) is None
    assert INTRODUCTION.pairable(None)[0]
    with pytest.raises(PeerError):
        await pairing.look("http://127.0.0.1:9/onvif/device_service")


def test_a_camera_of_another_box_is_not_taken_over():
    said = pairing.Paired("00", "yard", "S", "00", "net-1", "ffffffffffffffff")
    ok, why = INTRODUCTION.pairable(said)
    assert not ok
    assert "another box (ffffffffffffffff)" in why
    assert INTRODUCTION.pairable(dataclasses.replace(said, paired_with=INTRODUCTION.box_id))[0]


def test_pairing_wants_tls_and_a_reveal_key():
    with pytest.raises(RequestError, match=r"web\.tls"):
        dataclasses.replace(INTRODUCTION, fingerprint="").offer("http://127.0.0.1/", "00", "t")
    with pytest.raises(RequestError, match="keys create"):
        dataclasses.replace(INTRODUCTION, recipients=lambda _camera_id: ()).offer("http://127.0.0.1/", "00", "t")


def test_the_largest_h264_profile_is_recorded_since_every_browser_plays_it():
    def profile(token, encoding, width):
        return ProfileReply(token, token, encoding, width, width, 25.0, 0, 0, "source", True, True)

    sub, main, hevc = profile("sub", "H264", 640), profile("main", "H264", 1280), profile("hevc", "H265", 3840)
    assert best_profile((sub, main, hevc)) is main
    assert best_profile((hevc,)) is hevc
    with pytest.raises(PeerError):
        best_profile(())


async def test_an_address_that_is_none_and_one_that_does_not_answer(cameras):
    known, _, log = cameras
    with pytest.raises(RequestError, match="address"):
        await known.add(ADMIN, "ftp://x", "u", "p")
    with pytest.raises(PeerError, match="does not answer"):
        await known.add(ADMIN, "127.0.0.1:9", "u", "p")
    steps = [step async for step in known.test(ADMIN, "127.0.0.1:9", "u", "p")]
    assert [(step.name, step.ok) for step in steps] == [("reach", False)]
    with pytest.raises(RightRefused):
        await known.add(GUARD, "127.0.0.1:9", "u", "p")
    assert [entry.granted for entry in await log.entries(ADMIN, action="camera-add")] == [False, False]


async def test_a_camera_records_can_be_switched_off_and_is_seen_by_its_viewers_only(cameras):
    known, roster, _ = cameras
    with RtspCamera() as real:
        added = await roster.add(camera(stream_uri=real.uri), PASSWORD, None, "test")
        second = await roster.add(camera(xaddr="y", recording=False), PASSWORD, None, "test")
        assert [each.camera for each in known.list(GUARD)] == [added.camera] == [1]
        with pytest.raises(RightRefused):
            known.get(GUARD, second.camera)
        assert known.status(ADMIN, 1).state is CameraRecordingState.OFF
        known._start(added)
        assert known.status(ADMIN, 1).state is CameraRecordingState.CONNECTING
        async for _ in known._recordings.live(ADMIN, 1):
            break
        status = known.status(ADMIN, 1)
        assert (status.state, status.width, status.codec, status.message) == (
            CameraRecordingState.RECORDING,
            320,
            "h264",
            "",
        )
        await known.change(ADMIN, 1, name="gate", recording=False)
        assert known.status(ADMIN, 1).state is CameraRecordingState.OFF
        assert known.get(ADMIN, 1).name == "gate"


async def test_a_removed_camera_of_ours_that_comes_back_keeps_its_number(cameras):
    known, roster, _ = cameras
    ours = camera(camera_id="00112233445566aa", signing_key="00" * 32, paired=False)
    first = await roster.add(ours, PASSWORD, None, "test")
    await known.remove(ADMIN, first.camera)
    assert known.list(ADMIN) == ()
    with pytest.raises(NotFound, match="no camera"):
        known.get(ADMIN, first.camera)
    again = await roster.add(ours, PASSWORD, None, "test")
    assert again.camera == first.camera


async def at_the_address(end, roster, **changes):
    """A row of the camera at `end`, as it was added before."""
    who = end.camera.who
    ours = camera(xaddr=end.xaddr, user=ADMIN_USER, camera_id=who.camera_id.hex(), signing_key=who.signer.public.hex(),
                  paired=True)  # fmt: skip
    return await roster.add(dataclasses.replace(ours, **changes), ADMIN_PASSWORD, None, "test")


async def test_a_camera_that_pairs_again_keeps_its_key_and_gives_an_account_for_its_streams(cameras, end):
    known, roster, _ = cameras
    added = await at_the_address(end, roster)
    assert known._feeds.of(added).user == ADMIN_USER
    again = await rekeyed(roster, INTRODUCTION, "test", added)
    assert again.signing_key == added.signing_key
    account = roster.stream_account(added.camera)
    assert account in [(user.name, user.password) for user in end.camera.device.value.users]
    wanted = known._feeds.of(added)
    assert (wanted.user, wanted.password) == account
    fresh = CameraStore(roster._store)
    await fresh.load()
    assert fresh.stream_account(added.camera) == account
    await known.remove(ADMIN, added.camera)
    assert end.camera.pairings.current is None


async def test_another_key_with_the_same_id_is_another_camera(cameras, end):
    _, roster, _ = cameras
    added = await at_the_address(end, roster, signing_key="ab" * 32)
    with pytest.raises(PeerError, match="another camera answers"):
        await rekeyed(roster, INTRODUCTION, "test", added)
    assert roster.get(added.camera).signing_key == "ab" * 32
    assert end.camera.pairings.current is None
    with pytest.raises(Conflict, match="another key"):
        await roster.add(dataclasses.replace(added, signing_key="cd" * 32), "", None, "test")
