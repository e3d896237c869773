"""Writes `tests/vectors/thumbnail/*.txt`: whole thumbnails and one failure per rule of `wire/thumbnail.md`.

`python tests/vectors/make_thumbnail.py`. Built from the page with struct, hashes and AES, without the writer: it can
break any rule. HPKE is randomised, so a new run gives other bytes with the same meaning.
"""

import hashlib
import struct
from pathlib import Path

import cv2
import numpy as np
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from make import CAMERA_ID, IDENTITY, IMPOSTOR, SECOND, SIGNER, STRANGER, SUITE, number

FOLDER = Path(__file__).parent / "thumbnail"
INFO, CONTEXT = b"veilcam thumbnail 1 key", b"veilcam thumbnail 1 signature"
KEY = bytes(range(200, 232))
TAKEN_MS = 1_790_000_001_500
UNREADABLE = "sealed original unreadable"
OTHERS, ALTERED, UNSIGNED = "sealed to other keys", "the picture or its sealed original was altered", "not signed by"


def jpeg(bright):
    return cv2.imencode(".jpg", np.full((16, 8, 3), bright, np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 20])[1].tobytes()


MASKED, CLEAR, ELSE = jpeg(90), jpeg(200), jpeg(40)
HEAD = 20  # SOI and JFIF


def stanza(*holders, kind=None, key=KEY):
    sealed = key
    for holder in reversed(holders):
        sealed = SUITE.encrypt(sealed, holder.public_key(), INFO)
    kids = b"".join(number(holder.public_key()) for holder in holders)
    kind = len(holders) - 1 if kind is None else kind
    return struct.pack(">BH", kind, len(kids + sealed)) + kids + sealed


def unit(*stanzas, name=b"VEILCAM\x00", version=1, count=None, camera_id=CAMERA_ID, masked=MASKED, signer=SIGNER):
    head = name + bytes((version, len(stanzas) if count is None else count)) + camera_id + struct.pack(">I", 7)
    head += TAKEN_MS.to_bytes(6, "big") + struct.pack(">4H", 7000, 5000, 50_000, 55_000) + b"".join(stanzas)
    picture = hashlib.sha256(masked).digest()
    signed = head + AESGCM(KEY).encrypt(bytes(12), CLEAR, head + picture)
    return signed + signer.sign(CONTEXT + picture + signed)


def segment(body, marker=0xEF):
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def inside(*segments, masked=MASKED, at=HEAD):
    return masked[:at] + b"".join(segments) + masked[at:]


def changed(data, at, by=1):
    data = bytearray(data)
    data[at] ^= by
    return bytes(data)


def vectors():
    one = unit(stanza(IDENTITY))
    ours, whole = segment(one), inside(segment(one))
    comment = segment(b"a viewer was here", 0xFE)
    yield "clean", "a thumbnail for one recipient", "", whole
    yield (
        "clean_second_recipient",
        "sealed to a stranger and to us",
        "",
        inside(segment(unit(stanza(STRANGER), stanza(SECOND)))),
    )
    yield (
        "clean_dual_control",
        "two must open together, and we hold both keys",
        "",
        inside(segment(unit(stanza(IDENTITY, SECOND)))),
    )
    yield (
        "clean_unknown_stanza",
        "a stanza of a newer kind is passed over",
        "",
        inside(segment(unit(stanza(STRANGER, kind=9), stanza(IDENTITY)))),
    )
    yield (
        "clean_broken_stanza_first",
        "our first stanza does not open, our second does",
        "",
        inside(segment(unit(changed(stanza(IDENTITY), -1), stanza(IDENTITY)))),
    )
    yield "clean_foreign_segment", "somebody else's APP15 segment is passed over", "", _foreign()
    yield (
        "clean_behind_tables",
        "the segment stands behind the quantisation tables",
        "",
        inside(ours, at=HEAD + 2 + int.from_bytes(MASKED[HEAD + 2 : HEAD + 4], "big")),
    )
    yield "clean_filled", "fill bytes before our marker belong to the masked file", "", _filled()
    yield "none", "a masked picture with nothing in it", "no sealed original", MASKED
    yield "other_key", "sealed to a stranger", OTHERS, inside(segment(unit(stanza(STRANGER))))
    yield "nobody", "sealed to nobody", OTHERS, inside(segment(unit()))
    yield (
        "dual_control_alone",
        "two must open together, and we hold one key",
        OTHERS,
        inside(segment(unit(stanza(IDENTITY, STRANGER)))),
    )
    yield "short_key", "what opens is no content key", OTHERS, inside(segment(unit(stanza(IDENTITY, key=KEY[:-1]))))
    yield "altered_picture", "the masked picture was changed", UNSIGNED, changed(whole, -3)
    yield (
        "altered_picture_resigned",
        "the masked picture was changed before signing",
        ALTERED,
        inside(segment(_resigned(one, changed(MASKED, -3))), masked=changed(MASKED, -3)),
    )
    yield "added_comment", "a comment was added to the masked picture", UNSIGNED, inside(ours, comment)
    yield "swapped", "the segment was moved into another picture", UNSIGNED, inside(ours, masked=ELSE)
    yield "altered_label", "another packet's number", UNSIGNED, inside(segment(changed(one, 21)))
    yield (
        "altered_label_resigned",
        "another packet's number, signed again",
        ALTERED,
        inside(segment(_resigned(changed(one, 21)))),
    )
    yield (
        "altered_sealed_resigned",
        "the sealed original was changed, and signed again",
        ALTERED,
        inside(segment(_resigned(changed(one, -70)))),
    )
    yield "other_signer", "signed by somebody else", UNSIGNED, inside(segment(unit(stanza(IDENTITY), signer=IMPOSTOR)))
    yield "doubled", "two sealed originals", UNREADABLE, inside(ours, ours)
    yield "version", "version 2", UNREADABLE, inside(segment(unit(stanza(IDENTITY), version=2)))
    yield (
        "stanza_cut",
        "more stanzas announced than there are",
        UNREADABLE,
        inside(segment(unit(stanza(IDENTITY), count=200))),
    )
    yield "segment_short", "a segment that ends inside its head", UNREADABLE, inside(segment(one[:30]))
    yield "no_ciphertext", "a segment without a sealed original", UNREADABLE, inside(segment(one[:36] + one[-64:]))
    yield "cut_off", "the file stops inside the segment", UNREADABLE, whole[: HEAD + 100]
    yield "no_scan", "the file stops behind the segment", UNREADABLE, whole[: HEAD + len(ours)]
    yield "not_jpeg", "no JPEG", UNREADABLE, b"GIF89a" + whole
    yield "stray_marker", "a marker without length before the scan", UNREADABLE, inside(ours, b"\xff\xd0\x00\x02")


def _foreign():
    masked = inside(segment(b"PRINTER\x00whatever"))
    return inside(segment(unit(stanza(IDENTITY), masked=masked)), masked=masked)


def _filled():
    masked = MASKED[:HEAD] + b"\xff\xff" + MASKED[HEAD:]
    return inside(segment(unit(stanza(IDENTITY), masked=masked)), masked=masked, at=HEAD + 2)


def _resigned(body, masked=MASKED):
    return body[:-64] + SIGNER.sign(CONTEXT + hashlib.sha256(masked).digest() + body[:-64])


def main():
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.txt"):
        old.unlink()
    made = list(vectors())
    for name, why, reason, data in made:
        lines = [f"why: {why}", f"expect: {reason or 'clear'}"]
        lines += [f"identity: {key.private_bytes_raw().hex()}" for key in (IDENTITY, SECOND)]
        lines += [f"signing-key: {SIGNER.public_key().public_bytes_raw().hex()}", f"clear: {CLEAR.hex()}"]
        (FOLDER / f"{name}.txt").write_text("\n".join([*lines, f"jpeg: {data.hex()}"]) + "\n")
    print(f"{len(made)} vectors in {FOLDER}")


if __name__ == "__main__":
    main()
