"""Writes `tests/vectors/exchange/*.json` from the pages of `wire/`, with nothing but struct, hashes and Ed25519."""

import hashlib
import json
import struct
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FOLDER = Path(__file__).parent / "exchange"
CAMERA, BOX = bytes(range(1, 33)), bytes(range(33, 65))


def framed(*packets):
    return b"".join(struct.pack(">I", len(packet)) + packet for packet in packets)


def public(key):
    return Ed25519PrivateKey.from_private_bytes(key).public_key().public_bytes_raw()


def signed(key, message):
    return Ed25519PrivateKey.from_private_bytes(key).sign(message).hex()


def canonical(document):
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def pushes():
    good = [("nothing", []), ("one packet", [b"\x01\x02\x03"]), ("three, one of them empty", [b"a", b"", b"ccc"])]
    bad = [
        ("a length is cut off", framed(b"abc") + b"\0\0\0"), ("a packet is cut off", framed(b"abc")[:-1]),
        ("a length beyond the largest packet", struct.pack(">I", 263_169) + bytes(263_169)),
    ]  # fmt: skip
    answers = [
        ("all are there", {"acknowledged": [4, 5], "refused": []}, [4, 5], []),
        ("strange numbers mean nothing", {"acknowledged": [9, True, "4", 5]}, [5], []),
        ("refused by number", {"acknowledged": [5], "refused": [{"sequence": 4, "index": 0, "why": "x"}]}, [5], [4]),
        ("refused by place", {"refused": [{"sequence": None, "index": 1, "why": "x"}]}, [], [5]),
        ("in both lists", {"acknowledged": [4], "refused": [{"sequence": 4, "index": 0, "why": ""}]}, [4], []),
        ("neither number nor place", {"refused": [{"sequence": None, "index": 7, "why": ""}, 3]}, [], []),
    ]  # fmt: skip
    return {
        "bodies": [
            *({"why": why, "body": framed(*packets).hex(), "packets": [each.hex() for each in packets]}
              for why, packets in good),
            *({"why": why, "body": body.hex()} for why, body in bad[:2]),
            {"why": bad[2][0], "body": bad[2][1][:8].hex()},
        ],
        "answers": [
            *({"why": why, "sent": [4, 5], "answer": answer, "acknowledged": taken, "refused": refused}
              for why, answer, taken, refused in answers),
            {"why": "no object", "sent": [4, 5], "answer": [4, 5]},
            {"why": "no list", "sent": [4, 5], "answer": {"acknowledged": 4}},
        ],
    }  # fmt: skip


def selections():
    whole = {
        "version": 1, "mode": "except", "alike": 0.8, "unlike": 0.5,
        "people": [{"label": "guest", "model": "net-1", "code": "00ff"}, {"label": "other", "track": 7}],
    }  # fmt: skip
    bad = [
        ("another version", {"version": 2}, "version"), ("an unknown mode", {"mode": "some"}, "mode"),
        ("an unknown key", {"people_": []}, "unknown key"), ("no list", {"people": {}}, "people"),
        ("33 people", {"people": [{"label": "a", "track": 1}] * 33}, "people"),
        ("a person by both", {"people": [{"label": "a", "track": 1, "model": "m", "code": "00"}]}, "people"),
        ("a track that is no number", {"people": [{"label": "a", "track": True}]}, "people"),
        ("a limit that is no number", {"alike": "high"}, "alike"),
    ]  # fmt: skip
    plain = {"version": 1, "mode": "everyone", "people": []}
    return [
        {"why": "everything", "document": whole, "refused": ""},
        {"why": "everyone is masked", "document": plain, "refused": ""},
        *({"why": why, "document": plain | change, "refused": names} for why, change, names in bad),
    ]


def pairings():
    camera_id = hashlib.sha256(public(CAMERA)).digest()[:8]
    document = {
        "version": 2, "camera_id": camera_id.hex(), "name": "Yard é", "serial": "S-1",
        "signing_key": public(CAMERA).hex(), "appearance_model": "net-1", "paired_with": "00112233445566aa",
        "box_key": public(BOX).hex(), "sealed_to": ["0102030405060708"], "stream_user": "box",
    }  # fmt: skip
    nonce = bytes(range(32))
    proof = signed(CAMERA, b"veilcam meeting 2\n" + hashlib.sha256(nonce).digest() + canonical(document))
    recipient = bytes(range(65, 97))
    kid = hashlib.sha256(recipient).digest()[:8].hex()
    offer = {
        "version": 2, "camera_id": camera_id.hex(), "box_id": "00112233445566aa", "box_key": public(BOX).hex(),
        "feature_key": bytes(range(97, 129)).hex(), "push_url": "https://192.0.2.1:8443/api/packets",
        "recipients": [{"kid": kid, "public": recipient.hex(), "label": "officer"}],
        "push_fingerprint": "ab" * 32, "push_token": "token",
    }  # fmt: skip
    body = json.dumps(offer)
    line = hashlib.sha256(b"POST /veilcam/pairing\nn-1\n").digest()
    order = signed(BOX, b"veilcam order 2\n" + camera_id + line + hashlib.sha256(body.encode()).digest())
    return {
        "camera_key": CAMERA.hex(), "box_key": BOX.hex(),
        "camera": {"nonce": nonce.hex(), "document": document | {"proof": proof}},
        "offer": {"digest_nonce": "n-1", "body": body, "order": order},
    }  # fmt: skip


if __name__ == "__main__":
    for name, content in (("push", pushes()), ("selection", selections()), ("pairing", pairings())):
        (FOLDER / f"{name}.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
