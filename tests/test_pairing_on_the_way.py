"""Pairing between a real camera's end and a real box's with somebody in between who changes what passes."""

import asyncio
import json

import aiohttp
import pytest
from pairing_ends import OPERATOR, PASSWORD, USER, CameraEnd, Meddler, changed, introduction

from base.errors import PeerError
from firmware import bound
from nvr_box.cameras import pairing
from onvif import digest
from onvif.names import TDS
from onvif.users import Level
from tests.onvif_camera import PASSWORDS, running
from wire import meeting
from wire.keys import Identity, SigningKey, key_id

THIRD = Identity.generate()


@pytest.fixture
async def camera(tmp_path):
    async with CameraEnd(tmp_path / "camera").serving() as end:
        yield end


@pytest.fixture
async def way(camera):
    async with Meddler(camera.xaddr).serving() as meddler:
        yield meddler


async def paired(box, xaddr, token="a-token"):
    seen = await pairing.look(xaddr)
    return await box.pair(xaddr, USER, PASSWORD, seen, token)


async def test_nobody_in_between_is_no_trouble_and_both_keys_are_kept(camera, way):
    box = introduction()
    said = await paired(box, way.xaddr)
    assert said.signing_key == camera.who.signer.public.hex()
    assert said.camera_id == key_id(camera.who.signer.public).hex()
    assert camera.pairings.current.box_key == box.signer.public
    assert camera.pairings.current.recipients == (OPERATOR.recipient,)
    name, password = box.stream_account(said)
    assert {user.name: user.password for user in camera.device.value.users}[name] == password
    assert all(password.encode() not in body for _, _, body in way.seen)
    again = await paired(box, way.xaddr, "another-token")
    assert camera.pairings.current.push_token == "another-token"
    assert box.stream_account(again) == (name, password)
    await pairing.unpair(way.xaddr, USER, PASSWORD, box.order(said.camera_id))
    assert camera.pairings.current is None


def third_recipient(method, headers, body):
    if method == "POST" and body:
        recipients = json.loads(body)["recipients"]
        return changed(body, recipients=[*recipients, THIRD.recipient.to_json()])
    return body


@pytest.mark.parametrize("pinned", [False, True])
async def test_a_third_recipient_added_on_the_way_is_not_taken(camera, way, pinned):
    box = introduction()
    if pinned:
        await paired(box, way.xaddr)
    before = camera.pairings.current
    way.request = third_recipient
    with pytest.raises(PeerError, match="refuses the password"):
        await paired(box, way.xaddr)
    assert camera.pairings.current == before


@pytest.mark.parametrize("header", [
    'Digest realm="veilcam", qop="auth", algorithm=SHA-256, nonce="{nonce}"',
    'Digest realm="veilcam", qop="auth-int", algorithm=MD5, nonce="{nonce}"',
    'Digest realm="veilcam", nonce="{nonce}"', 'Basic realm="veilcam"',
])  # fmt: skip
async def test_nobody_talks_the_box_out_of_binding_the_whole_body(camera, way, header):
    def weaker(method, status, headers, body):
        if status == 401:
            nonce = digest.challenges(headers.getall("WWW-Authenticate"), whole=True)[0].nonce
            headers.popall("WWW-Authenticate")
            headers["WWW-Authenticate"] = header.format(nonce=nonce)
        return status, body

    way.answer = weaker
    with pytest.raises(PeerError, match="vouch"):
        await paired(introduction(), way.xaddr)
    assert camera.pairings.current is None
    assert not any("Authorization" in headers or body for _, headers, body in way.seen)


async def test_the_camera_does_not_take_a_digest_that_leaves_the_body_open(camera):
    box = introduction()
    offer = box.offer(camera.xaddr, camera.who.camera_id.hex(), "t")
    body = json.dumps(offer.to_json()).encode()
    url = camera.xaddr.rpartition("/onvif")[0] + pairing.PATH
    for qop, algorithm in (("auth", "SHA-256"), ("auth-int", "MD5")):
        nonce = digest.challenges(camera.authenticator.challenges())[0].nonce
        challenge = digest.Challenge("veilcam", nonce, algorithm, qop=(qop,))
        answer = digest.credentials(
            challenge, user=USER, password=PASSWORD, method="POST", uri=pairing.PATH,
            body=body if qop == "auth-int" else None,
        )  # fmt: skip
        order = meeting.SignedOrder(camera.who.camera_id, nonce, "POST", pairing.PATH, body).sign(box.signer)
        headers = {"Authorization": answer, meeting.ORDER_HEADER: order}
        async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as reply:
            assert reply.status == 401
    assert camera.pairings.current is None


async def test_an_impostor_without_the_password_is_not_taken_for_the_camera(camera, way):
    """It has a key and an id of its own, and everything that it says is well signed."""
    thief = SigningKey.generate()
    posted = {}

    def note(method, headers, body):
        posted[method] = body
        return body

    def mine(method, status, headers, body):
        if status == 401:
            return status, body
        table = json.loads(body if status == 200 else b"{}") | {
            "version": 2, "name": "yard", "serial": "S1", "appearance_model": "net-1", "stream_user": None,
            "camera_id": key_id(thief.public).hex(), "signing_key": thief.public.hex(),
        }  # fmt: skip
        table.pop("stream_password", None)
        headers["Content-Type"] = "application/json"
        if method == "GET":
            nonce = bytes.fromhex(way.query["nonce"])
            return 200, json.dumps(meeting.met(thief, nonce, table)).encode()
        offer = json.loads(posted["POST"])
        kids = [each["kid"] for each in offer["recipients"]]
        table |= {"paired_with": offer["box_id"], "box_key": offer["box_key"], "sealed_to": kids}
        return 200, json.dumps(meeting.taken(thief, posted["POST"], table)).encode()

    way.request, way.answer = note, mine
    with pytest.raises(PeerError, match="altered on the way"):
        await paired(introduction(), way.xaddr)
    assert camera.pairings.current is None


@pytest.mark.parametrize(("field", "says"), [
    ("signing_key", "broken"), ("camera_id", "broken"), ("paired_with", "does not prove"), ("name", "does not prove"),
    ("proof", "does not prove"),
])  # fmt: skip
async def test_what_a_camera_says_of_itself_cannot_be_changed_or_said_by_another(camera, way, field, says):
    other = {"signing_key": SigningKey.generate().public.hex(), "camera_id": "00" * 8, "paired_with": "00" * 8,
             "name": "gate", "proof": "00" * 64}  # fmt: skip
    way.answer = lambda method, status, headers, body: (status, changed(body, **{field: other[field]}))
    with pytest.raises(PeerError, match=says):
        await pairing.look(way.xaddr)


async def test_a_meeting_of_yesterday_is_not_played_back(camera, way):
    await pairing.look(way.xaddr)
    kept = []

    def played_back(method, status, headers, body):
        kept.append(body)
        return status, kept[0]

    way.answer = played_back
    await pairing.look(way.xaddr)
    with pytest.raises(PeerError, match="does not prove"):
        await pairing.look(way.xaddr)


async def test_a_right_answer_is_not_changed_on_the_way(camera, way):
    def longer(method, status, headers, body):
        return status, changed(body, name="gate") if method == "POST" and status == 200 else body

    way.answer = longer
    with pytest.raises(PeerError, match="altered on the way"):
        await paired(introduction(), way.xaddr)


async def test_another_box_with_the_password_gets_no_camera_that_has_one(camera):
    box, other = introduction(), introduction()
    said = await paired(box, camera.xaddr)
    with pytest.raises(PeerError, match="belongs to a box"):
        await paired(other, camera.xaddr)
    with pytest.raises(PeerError, match="belongs to a box"):
        await pairing.unpair(camera.xaddr, USER, PASSWORD, other.order(said.camera_id))
    assert camera.pairings.current.box_key == box.signer.public
    assert not other.pairable(await pairing.look(camera.xaddr))[0]
    # The box itself after its signing key was lost.
    forgot = introduction(identity=box.identity)
    ok, why = forgot.pairable(await pairing.look(camera.xaddr))
    assert (ok, "reset the camera" in why) == (False, True)


async def test_an_operator_of_the_camera_cannot_pair_it(camera):
    seen = await pairing.look(camera.xaddr)
    with pytest.raises(PeerError, match="403"):
        await introduction().pair(camera.xaddr, "eve", "operator!", seen, "t")
    assert camera.pairings.current is None


async def test_the_whole_camera_pairs_and_a_hard_factory_default_forgets_the_box_but_a_soft_one_does_not(tmp_path):
    """With the camera's own web application, its accounts and its lock-out."""
    async with running(tmp_path / "camera") as camera:
        xaddr, password = f"{camera.base}/onvif/device_service", PASSWORDS[Level.ADMINISTRATOR]
        box, pairings = introduction(), camera.camera.pairing.pairings
        for _ in range(2):
            said = await box.pair(xaddr, "administrator", password, await pairing.look(xaddr), "a-token")
        assert pairings.current.box_key == box.signer.public
        with pytest.raises(PeerError, match="403"):
            await box.pair(xaddr, "operator", PASSWORDS[Level.OPERATOR], await pairing.look(xaddr), "a-token")
        client = camera.client()
        await client(TDS, "SetSystemFactoryDefault", FactoryDefault="Soft")
        assert pairings.current is not None
        assert said.stream_user in [user.name for user in camera.camera.settings.device.value.users]
        await client(TDS, "SetSystemFactoryDefault", FactoryDefault="Hard")
        assert pairings.current is None
        assert camera.camera.settings.device.value.users == ()


@pytest.mark.parametrize("part", [b"", b"5\r\nhello\r\n"])
async def test_a_body_that_does_not_come_ends_in_time(camera, monkeypatch, part):
    monkeypatch.setattr(bound, "BODY_S", 0.2)
    host, port = camera.xaddr.split("/")[2].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        head = f"POST {pairing.PATH} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(head.encode() + part)
        async with asyncio.timeout(30):
            answer = await reader.read()  # the camera closes: the rest of the body would be taken for a request
        assert answer.startswith(b"HTTP/1.1 408"), answer
    finally:
        writer.close()
