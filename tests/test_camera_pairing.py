"""Pairing over HTTP: who may, what is refused and why, what is kept."""

import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st

from firmware import identity
from firmware.pairing import PATH, Pairing, PairingEndpoint, Pairings
from wire.base.errors import ConfigError, WireError
from wire.keys import Identity

BOX, REVEAL = Identity.generate(), Identity.generate()
DOCUMENT = {
    "version": 1,
    "box_id": "0123456789abcdef",
    "feature_key": BOX.recipient.public.hex(),
    "recipients": [REVEAL.recipient.to_json()],
    "push_url": "https://box.example:8443/api/packets",
    "push_fingerprint": "ab" * 32,
    "push_token": "secret",
}


@pytest.fixture
def pairings(tmp_path):
    return Pairings(tmp_path)


@pytest.fixture
async def client(tmp_path, pairings):
    async def authorise(request):
        if request.headers.get("Authorization") != "admin":
            raise web.HTTPUnauthorized

    who = identity.load(tmp_path)
    application = web.Application()
    application.add_routes(PairingEndpoint(pairings, who, "gate", "VC-1", "stripes-1").routes(authorise))
    async with TestClient(TestServer(application)) as one:
        yield one


ADMIN = {"Authorization": "admin"}


async def test_everybody_may_ask_who_it_is_and_sees_no_secret(client):
    await client.post(PATH, json=DOCUMENT, headers=ADMIN)
    answer = await client.get(PATH)
    said = await answer.json()
    assert said["paired_with"] == DOCUMENT["box_id"]
    assert said["name"] == "gate"
    assert len(said["camera_id"]) == 16
    assert "secret" not in await answer.text()


@pytest.mark.parametrize("method", ["post", "delete"])
async def test_only_an_administrator_may_change_it(client, pairings, method):
    assert (await getattr(client, method)(PATH, json=DOCUMENT)).status == 401
    assert pairings.current is None


async def test_a_pairing_is_told_kept_and_ended(client, pairings, tmp_path):
    heard = []
    pairings.listen(lambda before, after: heard.append((before, after)))
    assert (await client.post(PATH, json=DOCUMENT, headers=ADMIN)).status == 200
    before, after = heard[-1]
    assert before is None
    assert after.recipients == (REVEAL.recipient,)
    assert after.feature_key.public == BOX.recipient.public
    kept = Pairings(tmp_path)
    assert kept.current == pairings.current
    assert (tmp_path / "pairing.json").stat().st_mode & 0o077 == 0
    assert (await client.delete(PATH, headers=ADMIN)).status == 200
    assert heard[-1] == (after, None)
    assert Pairings(tmp_path).current is None


@pytest.mark.parametrize(("key", "value"), [
    ("version", 2), ("box_id", "xyz"), ("box_id", "00" * 7), ("feature_key", 5), ("recipients", []),
    ("recipients", [{"kid": "00" * 8, "public": REVEAL.recipient.public.hex(), "label": ""}]),
    ("push_url", "http://box/api"), ("push_url", "https://[::1/api"), ("push_fingerprint", "ab"), ("push_token", ""),
])  # fmt: skip
async def test_a_wrong_field_is_named_and_changes_nothing(client, pairings, key, value):
    answer = await client.post(PATH, json=DOCUMENT | {key: value}, headers=ADMIN)
    assert answer.status == 400
    said = (await answer.json())["error"]
    assert key in said or "key identifier" in said
    assert pairings.current is None


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 50_000, b"\xff" * 10, b"x" * 70_000])
async def test_a_body_that_is_no_document_is_refused(client, body):
    assert (await client.post(PATH, data=body, headers=ADMIN)).status in {400, 413}


def test_a_damaged_file_is_named_and_not_thrown_away(tmp_path):
    (tmp_path / "pairing.json").write_text(json.dumps(DOCUMENT)[:50])
    with pytest.raises(ConfigError, match=r"pairing\.json"):
        Pairings(tmp_path)
    assert (tmp_path / "pairing.json").exists()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=70),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(DOCUMENT)), inner, max_size=7),
    max_leaves=12,
)


@given(json_values)
def test_any_document_is_a_pairing_or_one_error(value):
    try:
        Pairing.from_json(value)
    except WireError:
        return
    assert isinstance(value, dict)
