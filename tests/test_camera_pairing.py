"""Pairing over HTTP: who may, what is refused and why, what is kept."""

import json
from dataclasses import replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st

from base.errors import SealError, WireError
from base.settings_file import Stored
from firmware import identity
from firmware.bound import Bound, body_of
from firmware.delivery.outbox import Outbox
from firmware.delivery.packet_sender import PacketSender
from firmware.pairing import PairingEndpoint, Pairings
from firmware.viewer import NAME, ViewerAccount
from onvif.device_state import DeviceState
from onvif.users import Level, User
from wire import meeting
from wire.features.packet import FeaturePacket
from wire.features.vocabulary import ObjectClass
from wire.keys import Identity, Recipient, SigningKey
from wire.pairing import PATH, Pairing

BOX, REVEAL, SIGNER = Identity.generate(), Identity.generate(), SigningKey.generate()
DOCUMENT = {
    "version": 2,
    "box_id": "0123456789abcdef",
    "box_key": SIGNER.public.hex(),
    "feature_key": BOX.recipient.public.hex(),
    "recipients": [REVEAL.recipient.to_json()],
    "push_url": "https://box.example:8443/api/packets",
    "push_fingerprint": "ab" * 32,
    "push_token": "secret",
}
NO_POINT = Recipient(bytes(32))


@pytest.fixture
def pairings(tmp_path):
    return Pairings(tmp_path)


@pytest.fixture
def device(tmp_path):
    stored = Stored(tmp_path / "device.json", DeviceState())
    stored.change(users=(User("admin", "a long one", Level.ADMINISTRATOR),))
    return stored


@pytest.fixture
def who(tmp_path):
    return identity.load(tmp_path)


@pytest.fixture
async def client(who, pairings, device):
    async def authorise(request):
        if request.headers.get("Authorization") != "admin":
            raise web.HTTPUnauthorized
        return Bound(await body_of(request), "a-nonce", lambda answer: str(len(answer)))

    endpoint = PairingEndpoint(pairings, who, "gate", "VC-1", "stripes-1", ViewerAccount(device))
    application = web.Application()
    application.add_routes(endpoint.routes(authorise))
    async with TestClient(TestServer(application)) as one:
        one.who = who
        yield one


ADMIN = {"Authorization": "admin"}


async def send(client, method, changes=None, *, signer=SIGNER):
    """An order of the box; the answer and, to the byte, what was sent."""
    body = b""
    if changes is not None:
        body = json.dumps({"camera_id": client.who.camera_id.hex()} | DOCUMENT | changes).encode()
    order = meeting.SignedOrder(client.who.camera_id, "a-nonce", method, PATH, body)
    headers = ADMIN | ({meeting.ORDER_HEADER: order.sign(signer)} if signer else {})
    return await client.request(method, PATH, data=body, headers=headers), body


async def test_everybody_may_ask_who_it_is_and_sees_no_secret(client):
    await send(client, "POST", {})
    answer = await client.get(PATH)
    said = await answer.json()
    assert said["paired_with"] == DOCUMENT["box_id"]
    assert said["name"] == "gate"
    assert len(said["camera_id"]) == 16
    assert "secret" not in await answer.text()


async def test_whoever_sends_a_nonce_gets_it_signed_with_all_that_is_said(client):
    nonce = bytes(range(32))
    said = await (await client.get(PATH, params={"nonce": nonce.hex()})).json()
    meeting.check_met(client.who.signer.public, nonce, said)
    for other, changed in ((bytes(32), said), (nonce, said | {"paired_with": "ff" * 8})):
        with pytest.raises(SealError):
            meeting.check_met(client.who.signer.public, other, changed)
    assert (await client.get(PATH, params={"nonce": "00"})).status == 400


@pytest.mark.parametrize("method", ["post", "delete"])
async def test_only_an_administrator_may_change_it(client, pairings, method):
    assert (await getattr(client, method)(PATH, json=DOCUMENT)).status == 401
    assert pairings.current is None


async def test_a_pairing_is_told_kept_and_ended(client, pairings, tmp_path):
    heard = []
    pairings.listen(lambda before, after: heard.append((before, after)))
    answer, body = await send(client, "POST", {})
    assert answer.status == 200
    assert answer.headers["Authentication-Info"]
    meeting.check_taken(client.who.signer.public, body, await answer.json())
    before, after = heard[-1]
    assert before is None
    assert after.recipients == (REVEAL.recipient,)
    assert after.feature_key.public == BOX.recipient.public
    kept = Pairings(tmp_path)
    assert kept.current == pairings.current
    assert (tmp_path / "pairing.json").stat().st_mode & 0o077 == 0
    assert (await send(client, "DELETE"))[0].status == 200
    assert heard[-1] == (after, None)
    assert Pairings(tmp_path).current is None


async def test_a_paired_camera_takes_orders_from_its_box_alone(client, pairings):
    thief = SigningKey.generate()
    assert (await send(client, "POST", {}, signer=thief))[0].status == 409, "it has not the key that it names"
    assert (await send(client, "POST", {}))[0].status == 200
    third = {"recipients": [REVEAL.recipient.to_json(), Identity.generate().recipient.to_json()]}
    for signer in (None, thief):
        for method, changes in (("POST", third), ("POST", {"box_key": thief.public.hex()}), ("DELETE", None)):
            answer, _ = await send(client, method, changes, signer=signer)
            assert answer.status == 409
            assert "belongs to a box" in (await answer.json())["error"]
    assert pairings.current.recipients == (REVEAL.recipient,)
    assert (await send(client, "POST", third))[0].status == 200
    assert len(pairings.current.recipients) == 2


async def test_an_offer_for_another_camera_is_not_taken(client, pairings):
    answer, _ = await send(client, "POST", {"camera_id": "00" * 8})
    assert (answer.status, pairings.current) == (400, None)
    assert "another camera" in (await answer.json())["error"]


async def test_the_box_gets_an_account_that_sees_the_streams_and_nothing_else(client, device):
    def account():
        return next((user for user in device.value.users if user.name == NAME), None)

    async def paired():
        said = await (await send(client, "POST", {}))[0].json()
        info = meeting.STREAM_INFO + client.who.camera_id
        return said["stream_user"], BOX.open(bytes.fromhex(said["stream_password"]), info).decode()

    first = await paired()
    assert first == (account().name, account().password)
    assert account().level is Level.USER
    assert await paired() == first, "the same box pairs again every day; its streams go on"
    await send(client, "DELETE")
    assert account() is None
    assert await paired() != first


@pytest.mark.parametrize(("key", "value"), [
    ("version", 3), ("version", 1), ("box_id", "xyz"), ("box_id", "00" * 7), ("feature_key", 5), ("recipients", []),
    ("recipients", [{"kid": "00" * 8, "public": REVEAL.recipient.public.hex(), "label": ""}]),
    ("push_url", "http://box/api"), ("push_url", "https://[::1/api"), ("push_fingerprint", "ab"), ("push_token", ""),
    ("box_key", "ab"), ("feature_key", "00" * 32), ("recipients", [REVEAL.recipient.to_json(), NO_POINT.to_json()]),
    ("recipients", [Recipient(b"\xff" * 1216).to_json()]),
])  # fmt: skip
async def test_a_wrong_field_is_named_and_changes_nothing(client, pairings, tmp_path, key, value):
    answer, _ = await send(client, "POST", {key: value})
    assert answer.status == 400
    said = (await answer.json())["error"]
    assert key in said or "key identifier" in said
    assert pairings.current is None
    assert not (tmp_path / "pairing.json").exists()


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 50_000, b"\xff" * 10, b"x" * 70_000])
async def test_a_body_that_is_no_document_is_refused(client, body):
    assert (await client.post(PATH, data=body, headers=ADMIN)).status in {400, 413}


def test_a_damaged_file_is_put_aside_and_ends_no_camera(tmp_path, caplog):
    half = json.dumps(DOCUMENT)[:50]
    (tmp_path / "pairing.json").write_text(half)
    pairings = Pairings(tmp_path)
    assert (pairings.current, pairings.damage.restored) == (None, False)
    assert "pairing.json" in caplog.text
    (aside,) = tmp_path.glob("pairing.json.damaged-*")
    assert aside.read_text() == half
    pairings.set(Pairing.from_json(DOCUMENT))
    for torn in (b"", half.encode(), b"\xff" * 40, b"[]", b"[" * 100_000):
        (tmp_path / "pairing.json").write_bytes(torn)
        again = Pairings(tmp_path)
        assert (again.current, again.damage.restored) == (pairings.current, True), "the copy holds"
        assert Pairings(tmp_path).damage is None
    again.set(None)
    assert list(tmp_path.iterdir()) == [], "a push token was in each of them"


@pytest.mark.parametrize("changes", [{"feature_key": "00" * 32}, {"recipients": [NO_POINT.to_json()]}])
def test_a_camera_starts_with_a_kept_pairing_to_which_nothing_can_be_sealed(tmp_path, changes):
    kept = tmp_path / "pairing.json"
    kept.write_text(json.dumps(DOCUMENT | changes))
    assert Pairings(tmp_path).current is None
    assert not kept.exists()
    assert (tmp_path / "pairing.refused").exists()


def test_a_pairing_that_an_older_program_kept_holds_and_pins_nobody(tmp_path):
    older = {name: value for name, value in DOCUMENT.items() if name != "box_key"} | {"version": 1}
    (tmp_path / "pairing.json").write_text(json.dumps(older))
    current = Pairings(tmp_path).current
    assert (current.box_id, current.box_key) == (DOCUMENT["box_id"], None)
    assert current.to_json() == older


def test_a_packet_that_cannot_be_sealed_takes_no_other_with_it(tmp_path, pairings, who):
    outbox = Outbox(tmp_path / "outbox.sqlite")
    posts = PacketSender(outbox, pairings, who, lambda: None, "none")
    packet = FeaturePacket(camera_id=bytes(8), sequence=0, track_id=1, class_=ObjectClass.PERSON, first_utc_ms=1,
                           best_utc_ms=1, last_utc_ms=1, quality=0.5, box=(0, 0, 1, 1))  # fmt: skip
    right = Pairing.from_json(DOCUMENT)
    for number in range(6):
        pairings.current = replace(right, feature_key=NO_POINT) if number % 2 else right
        posts.send(packet)
    assert len(outbox.head(10)) == 3
    assert outbox.lost == 3
    outbox.close()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=70),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(DOCUMENT)), inner, max_size=7),
    max_leaves=12,
)


@given(json_values)
def test_any_document_is_a_pairing_or_one_error(value):
    try:
        Pairing.from_json(value).demand_usable()
    except WireError:
        return
    assert isinstance(value, dict)
