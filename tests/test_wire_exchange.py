"""The vectors of `push.md`, `selection.md` and `pairing.md` in `wire/`: what both ends read and write, to the byte."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.errors import PeerError, SealError, WireError
from wire import meeting, push
from wire.keys import SigningKey
from wire.pairing import CameraDocument, Pairing
from wire.selection import SelectionDocument

FOLDER = Path(__file__).parent / "vectors" / "exchange"
VECTORS = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


@pytest.mark.parametrize("vector", VECTORS["push"]["bodies"], ids=lambda vector: vector["why"])
def test_bodies_of_a_push(vector):
    body = bytes.fromhex(vector["body"])
    if "packets" not in vector:
        with pytest.raises(WireError):
            push.split(body)
        return
    packets = [bytes.fromhex(packet) for packet in vector["packets"]]
    assert push.split(body) == packets
    assert push.join(packets) == body
    assert sum(map(push.framed_bytes, packets)) == len(body)


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_any_packets_come_back(packets):
    assert push.split(push.join(packets)) == packets


def test_too_many_packets_refuse_the_body():
    assert len(push.split(push.join([b""] * push.MOST_PACKETS))) == push.MOST_PACKETS
    with pytest.raises(WireError, match="more than"):
        push.split(push.join([b""] * (push.MOST_PACKETS + 1)))


@pytest.mark.parametrize("vector", VECTORS["push"]["answers"], ids=lambda vector: vector["why"])
def test_answers_to_a_push(vector):
    if "acknowledged" not in vector:
        with pytest.raises(PeerError):
            push.Receipt.from_json(vector["answer"], vector["sent"])
        return
    receipt = push.Receipt.from_json(vector["answer"], vector["sent"])
    assert list(receipt.acknowledged) == vector["acknowledged"]
    assert [each.sequence for each in receipt.refused] == vector["refused"]
    assert push.Receipt.from_json(receipt.to_json(), vector["sent"]) == receipt


@pytest.mark.parametrize("vector", VECTORS["selection"], ids=lambda vector: vector["why"])
def test_selections(vector):
    if vector["refused"]:
        with pytest.raises(WireError, match=vector["refused"]):
            SelectionDocument.from_json(vector["document"])
        return
    assert SelectionDocument.from_json(vector["document"]).to_json() == vector["document"]


def test_a_camera_s_document_and_its_proof():
    vector = VECTORS["pairing"]["camera"]
    signer = SigningKey(bytes.fromhex(VECTORS["pairing"]["camera_key"]))
    document = CameraDocument.from_json(vector["document"])
    assert document.to_json() | {"proof": vector["document"]["proof"]} == vector["document"]
    nonce = bytes.fromhex(vector["nonce"])
    assert meeting.met(signer, nonce, document.to_json()) == vector["document"]
    meeting.check_met(document.signing_key, nonce, vector["document"])
    with pytest.raises(SealError):
        meeting.check_met(document.signing_key, nonce, vector["document"] | {"name": "another"})
    for change in ({"camera_id": "00" * 8}, {"version": 1}, {"sealed_to": None}, {"signing_key": "ab"}):
        with pytest.raises(WireError):
            CameraDocument.from_json(vector["document"] | change)


def test_an_offer_and_its_order():
    vector = VECTORS["pairing"]["offer"]
    body = vector["body"].encode()
    table = json.loads(body)
    given = Pairing.from_json(table)
    assert given.to_json() | {"camera_id": table["camera_id"]} == table
    assert replace(given, box_key=None).to_json()["version"] == 1
    order = meeting.SignedOrder(
        bytes.fromhex(table["camera_id"]), vector["digest_nonce"], "POST", "/veilcam/pairing", body
    )
    signer = SigningKey(bytes.fromhex(VECTORS["pairing"]["box_key"]))
    assert order.sign(signer) == vector["order"]
    order.check(given.box_key, vector["order"])
    with pytest.raises(SealError):
        replace(order, body=body + b" ").check(given.box_key, vector["order"])
    for name in ("push_url", "feature_key", "recipients", "push_token", "box_key", "box_id", "push_fingerprint"):
        with pytest.raises(WireError, match=name):
            Pairing.from_json({key: value for key, value in table.items() if key != name})
