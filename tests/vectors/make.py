"""Writes `tests/vectors/recovery/*.txt`: one clean stream per feature and one failure per rule of `wire/recovery.md`.

`python tests/vectors/make.py [NAME…]`, without names all of them. Built from the page with nothing but struct, hashes
and AES, on purpose without the writer: it can break any rule. HPKE is randomised, so a new run gives other bytes with
the same meaning.
"""

import hashlib
import hmac
import struct
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

FOLDER = Path(__file__).parent / "recovery"
UUID = bytes.fromhex("7e15c1a39d0b4f3e8b64d2a05c9e11f7")
CAMERA_ID = b"camera01"
IDENTITY = X25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
SECOND = X25519PrivateKey.from_private_bytes(bytes(range(33, 65)))
STRANGER = X25519PrivateKey.from_private_bytes(bytes(range(65, 97)))
SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(97, 129)))
IMPOSTOR = Ed25519PrivateKey.from_private_bytes(bytes(range(129, 161)))
SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
INFO, CONTEXT = b"veilcam recovery 2 key unit", b"veilcam recovery 2 manifest"
TRACK_KEY, TRACK_NAME = b"veilcam recovery 2 track key", b"veilcam recovery 2 track name"
SALT, UTC = b"salt", 1_790_000_000_000_000
IDR_FLAG, SHARED, H265_PAYLOAD, PER_TRACK, PADDED, FULL = 1, 2, 4, 8, 16, 32

SPS, PPS = b"\x67\x42\xc0\x1e", b"\x68\xce\x3c\x80"
ORIGINALS = b"\x65originals"
MORE = b"\x41more"


def ue(value):
    digits = f"{value + 1:b}"
    return "0" * (len(digits) - 1) + digits


def se(value):
    return ue(2 * value - 1 if value > 0 else -2 * value)


def bits(*parts):
    text = "".join(parts)
    size = -(-len(text) // 8)
    return int(text.ljust(8 * size, "0"), 2).to_bytes(size, "big")


def leb(value):
    out = b""
    while value > 127:
        out += bytes((value & 127 | 128,))
        value >>= 7
    return out + bytes((value,))


def box(x, y, w, h, *, track=7):
    return "01" + f"{0:04b}{2:04b}{track:032b}" + ue(x) + ue(y) + ue(w - 1) + ue(h - 1)


# Columns 4, rows 3; one run of six macroblocks after three; one object of class 0, level 2, track 7 at 1, 0, 2 x 3.
SIZE = f"{3:010b}{2:010b}"
RUN = ue(0) + "011" + ue(5)
WHOLE = bits(SIZE, ue(1), RUN, ue(1), ue(0), box(1, 0, 2, 3))
SAME = bits(ue(0), ue(0))
NONE = bits(SIZE, ue(0), ue(0))


def number(public):
    return hashlib.sha256(public.public_bytes_raw()).digest()[:8]


def escape(rbsp):
    out, zeros = bytearray(), 0
    for byte in rbsp:
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)


def sei(*units, uuid=UUID, kind=5, head=b"\x06"):
    body = b""
    for unit in units:
        size = len(uuid) + len(unit)
        body += bytes((kind,)) + b"\xff" * (size // 255) + bytes((size % 255,)) + uuid + unit
    return head + escape(body + b"\x80")


def annexb(*nals):
    return b"".join(b"\x00\x00\x00\x01" + nal for nal in nals)


def picture(slices):
    return hashlib.sha256(b"".join(struct.pack(">I", len(nal)) + nal for nal in slices)).digest()[:16]


def expand(key, info, size):
    """HKDF-Expand of RFC 5869 for up to 32 bytes."""
    return hmac.new(key, info + b"\x01", hashlib.sha256).digest()[:size]


def stanza(key, *holders, kind=0):
    sealed = key
    for holder in reversed(holders):
        sealed = SUITE.encrypt(sealed, holder.public_key(), INFO)
    return (
        struct.pack(">BH", kind, len(holders) * 8 + len(sealed))
        + b"".join(number(h.public_key()) for h in holders)
        + sealed
    )


class Stream:
    """Builds access units one by one; every field can be given wrong."""

    def __init__(self, *holders, gop_id=1000, seq=0):
        self.holders = holders or (IDENTITY,)
        self.gop_id, self.seq = gop_id - 1, seq
        self.manifest_hash = bytes(32)
        self.leaves, self.units, self.index = [], [], 0

    def key_unit(self, **wrong):
        self.gop_id += 1
        self.key = hashlib.sha256(b"content key %d" % self.gop_id).digest()
        stanzas = wrong.get("stanzas", [stanza(self.key, holder) for holder in self.holders])
        version, count, flags = wrong.get("version", 2), wrong.get("count", len(stanzas)), wrong.get("flags", 0)
        head = struct.pack(">BBBBI8s4s", 2, version, count, flags, self.gop_id, CAMERA_ID, SALT)
        times = struct.pack(">QII", UTC + 40_000 * self.seq, 3600 * self.seq, self.seq)
        unit = head + times + b"".join(stanzas) + wrong.get("tail", b"")
        self.key_hash = hashlib.sha256(unit).digest()[:16]
        self.leaves, self.index, self.first_seq = [hashlib.sha256(b"\x00" + self.key_hash).digest()], 0, self.seq
        return unit

    def sealed(self, key, plain, about, *, nonce=None):
        at = SALT + struct.pack(">Q", self.seq if nonce is None else nonce)
        return AESGCM(key).encrypt(at, plain, about)[:-4]

    def track_key(self, track):
        return expand(self.key, TRACK_KEY + struct.pack(">I", track), 32)

    def chunk(self, header, track, plain):
        """Name, length and seal of one object's originals."""
        name = expand(self.key, TRACK_NAME + struct.pack(">I", track), 2)
        sealed = self.sealed(self.track_key(track), plain, CAMERA_ID + header + self.key_hash + name)
        return name + leb(len(sealed)) + sealed

    def frame_unit(self, slices, tables, payload, flags, **wrong):
        kind, version, gop = wrong.get("type", 1), wrong.get("version", 2), wrong.get("gop", self.gop_id & 255)
        header = struct.pack(">BBBBH", kind, version, flags, gop, wrong.get("index", self.index))
        header += wrong.get("times", leb(2 * 40_000 * self.index) + leb(0))
        chunks = wrong.get("chunks")
        bound = header
        if chunks is not None:
            bound += leb(wrong.get("chunk_count", len(chunks)))
            bound += b"".join(self.chunk(header, track, plain) for track, plain in chunks)
        plain = wrong.get("plain", picture(slices)[:12] + tables + payload)
        about = wrong.get("camera", CAMERA_ID) + wrong.get("bound", bound) + self.key_hash
        unit = bound + self.sealed(self.key, plain, about, nonce=wrong.get("nonce"))
        self.leaves.append(hashlib.sha256(b"\x00" + picture(slices) + unit).digest())
        self.seq, self.index = self.seq + 1, self.index + 1
        return unit

    def manifest(self, signer=SIGNER, **wrong):
        frames = wrong.get("frames", self.index)
        listed = b"".join(leaf[:8] for leaf in self.leaves[1:]) if wrong.get("listed") else b""
        version, flags, camera = (
            wrong.get("version", 2),
            wrong.get("flags", bool(listed)),
            wrong.get("camera", CAMERA_ID),
        )
        head = struct.pack(">BBH8sI", 3, version, flags, camera, wrong.get("gop_id", self.gop_id))
        previous, signed_root = wrong.get("previous", self.manifest_hash), wrong.get("root", root(self.leaves))
        body = head + struct.pack(">HHI32s32s", frames, frames, self.first_seq, previous, signed_root)
        body += listed
        unit = body + signer.sign(wrong.get("context", CONTEXT) + body) + wrong.get("tail", b"")
        self.manifest_hash = hashlib.sha256(unit).digest()
        return unit

    def idr(self, *before, key=None, tables=WHOLE, payload=ORIGINALS, flags=IDR_FLAG, **wrong):
        unit = self.key_unit(**(key or {}))
        slices = [b"\x65" + bytes((self.index + 1, 9, 9))]
        return annexb(SPS, PPS, sei(*before, unit, self.frame_unit(slices, tables, payload, flags, **wrong)), *slices)

    def p(self, tables=SAME, payload=MORE, flags=0, **wrong):
        slices = [b"\x41" + bytes((self.index + 1, 7, 7))]
        return annexb(sei(self.frame_unit(slices, tables, payload, flags, **wrong)), *slices)


def root(leaves):
    if len(leaves) == 1:
        return leaves[0]
    middle = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + root(leaves[:middle]) + root(leaves[middle:])).digest()


def flip(data, at, bit=1):
    changed = bytearray(data)
    changed[at] ^= bit
    return bytes(changed)


def times_h(block, h):
    """Product of two blocks in the field of GCM (NIST SP 800-38D 6.3)."""
    product, v = 0, int.from_bytes(h, "big")
    for bit in f"{int.from_bytes(block, 'big'):0128b}":
        product ^= v * (bit == "1")
        v = v >> 1 ^ (v & 1) * (0xE1 << 120)
    return product.to_bytes(16, "big")


def same_tag(unit, at, key):
    """Other ciphertext with the tag that is there, as anybody makes it who holds the key.

    GHASH is linear: what one block adds, the next takes away again. The second and third block from `at` on change.
    """
    h = Cipher(AES256(key), ECB()).encryptor().update(bytes(16))
    added = b"forged originals"
    both = added + times_h(added, h)
    changed = bytearray(unit)
    for i, byte in enumerate(both, at + 16):
        changed[i] ^= byte
    return bytes(changed)


def only_sei(au):
    return next(nal for nal in au.split(b"\x00\x00\x00\x01")[1:] if nal[0] == 6)


def without_sei(au):
    return annexb(*[nal for nal in au.split(b"\x00\x00\x00\x01")[1:] if nal[0] != 6])


VECTORS = {}


def vector(expect, why):
    def keep(build):
        VECTORS[build.__name__] = (expect, why, build)
        return build

    return keep


def wrong_frame(name, why, *, expect="Om", **wrong):
    def build():
        s = Stream()
        return [s.idr(), s.p(**wrong)]

    VECTORS[name] = (expect, why, build)


def wrong_idr(name, why, *, expect="m", **wrong):
    VECTORS[name] = (expect, why, lambda: [Stream().idr(**wrong)])


def wrong_tables(name, why, tables, *, expect="m"):
    wrong_idr(f"tables_{name}", why, expect=expect, tables=tables)


def wrong_manifest(name, why, *, origin="no", complete="yes", **wrong):
    def build():
        s = Stream()
        first = [s.idr(), s.p()]
        signer = wrong.pop("signer", SIGNER)
        return [*first, s.idr(s.manifest(signer, **wrong))]

    VECTORS[f"manifest_{name}"] = (f"OOO origin={origin} complete={complete}", why, build)


@vector("OOOOO origin=yes complete=yes", "a clean stream of two groups; the first is signed")
def clean():
    s = Stream()
    return [s.idr(), s.p(), s.p(), s.idr(s.manifest()), s.p()]


@vector("OOOO origin=yes complete=yes", "the manifest may list the leaves")
def clean_listed():
    s = Stream()
    return [s.idr(), s.p(), s.p(), s.idr(s.manifest(listed=True))]


@vector("OO", "two recipients, ours is the second")
def clean_second_recipient():
    s = Stream(STRANGER, IDENTITY)
    return [s.idr(), s.p()]


@vector("OO", "dual control, both identities at hand")
def clean_dual_control():
    s = Stream()
    s.gop_id += 1
    key = hashlib.sha256(b"content key %d" % s.gop_id).digest()
    s.gop_id -= 1
    return [s.idr(key={"stanzas": [stanza(key, IDENTITY, SECOND, kind=1)]}), s.p()]


@vector("OO", "an unknown kind of stanza is passed over")
def clean_unknown_stanza():
    s = Stream()
    key = hashlib.sha256(b"content key 1000").digest()
    return [s.idr(key={"stanzas": [b"\x63\x00\x03abc", stanza(key, IDENTITY)]}), s.p()]


@vector("OOO", "nothing masked, then somebody: the payload starts in the middle of the group")
def clean_late_start():
    s = Stream()
    first = s.idr(tables=NONE, payload=b"", flags=0)
    return [first, s.p(payload=b""), s.p(tables=WHOLE, flags=IDR_FLAG)]


@vector("OO", "zeros after the payload are padding")
def clean_padded():
    s = Stream()
    return [s.idr(payload=ORIGINALS + bytes(100), flags=IDR_FLAG | PADDED), s.p(flags=PADDED, payload=bytes(64))]


@vector("OO", "a box moves by steps")
def clean_moved():
    s = Stream()
    runs = ue(2), ue(0), "011", ue(2), ue(0), "011", ue(2)
    return [s.idr(), s.p(tables=bits(*runs, ue(1), ue(0), "1", se(1), se(0), se(0), se(0)))]


@vector("OO", "another SEI with another identifier stands beside ours")
def clean_foreign_sei():
    s = Stream()
    first, others = s.idr(), annexb(sei(b"somebody else's", uuid=bytes(16)))
    at = first.index(b"\x00\x00\x00\x01\x06")
    return [first[:at] + others + first[at:], s.p()]


@vector("OO", "an access unit delimiter, three-byte start codes and trailing zeros do not count")
def clean_repackaged():
    s = Stream()
    long_codes = [au.replace(b"\x00\x00\x00\x01", b"\x00\x00\x00\x00\x01") for au in (s.idr(), s.p())]
    return [b"\x00\x00\x01\x09\xf0" + au + bytes(3) for au in long_codes]


@vector("OO", "shared IDR: the flags say where decoding starts")
def clean_shared_idr():
    s = Stream()
    return [s.idr(flags=IDR_FLAG | SHARED), s.p()]


@vector("OO", "a payload in H.265")
def clean_h265_payload():
    s = Stream()
    return [s.idr(flags=IDR_FLAG | H265_PAYLOAD), s.p(flags=H265_PAYLOAD)]


@vector("O", "the whole picture masked")
def clean_full_frame():
    return [Stream().idr(flags=IDR_FLAG | FULL, tables=bits(SIZE, ue(1), ue(0), "000", ue(11), ue(0)))]


@vector(
    "OOO origin=no complete=yes",
    "other originals under the same tag, by somebody who holds the content key: the manifest signs whole units",
)
def forged_same_tag():
    s = Stream()
    first, slices = s.idr(), [b"\x41\x02\x07\x07"]
    payload = MORE + b"what the camera saw of somebody at the time"
    unit = s.frame_unit(slices, SAME, payload, 0)
    sealed_at = len(unit) - 12 - (12 + len(SAME) + len(payload))
    forged = same_tag(unit, sealed_at, s.key)
    return [first, annexb(sei(forged), *slices), s.idr(s.manifest())]


@vector("mm", "sealed to somebody else")
def wrong_key():
    s = Stream(STRANGER)
    return [s.idr(), s.p()]


@vector("mm", "dual control with one identity only")
def dual_control_alone():
    s = Stream()
    key = hashlib.sha256(b"content key 1000").digest()
    return [s.idr(key={"stanzas": [stanza(key, IDENTITY, STRANGER, kind=1)]}), s.p()]


@vector("mm", "no stanza at all")
def key_no_stanza():
    s = Stream()
    return [s.idr(key={"stanzas": []}), s.p()]


@vector("mm", "a stanza with our key identifier and somebody else's seal")
def key_stanza_mislabelled():
    s = Stream()
    body = stanza(bytes(32), STRANGER)
    return [s.idr(key={"stanzas": [body[:3] + number(IDENTITY.public_key()) + body[11:]]}), s.p()]


@vector("mm", "a content key of 31 bytes")
def key_short():
    s = Stream()
    return [s.idr(key={"stanzas": [stanza(bytes(31), IDENTITY)]}), s.p()]


for _name, _why, _wrong in (
    ("version", "key unit of version 1", {"version": 1}),
    ("flags", "key unit with a flag", {"flags": 1}),
    ("count", "one stanza more announced than there is", {"count": 2}),
    ("tail", "a byte after the last stanza", {"tail": b"\x00"}),
    ("stanza_long", "a stanza that runs past the end", {"stanzas": [b"\x00\xff\xff" + bytes(20)]}),
    ("stanza_short", "a stanza shorter than its key identifier", {"stanzas": [b"\x00\x00\x04abcd"]}),
):
    wrong_idr(f"key_{_name}", _why, key=_wrong)


@vector("mm", "the key unit missing at the IDR")
def key_missing():
    s = Stream()
    s.key_unit()
    slices = [b"\x65\x01\x09\x09"]
    return [annexb(SPS, PPS, sei(s.frame_unit(slices, WHOLE, ORIGINALS, IDR_FLAG)), *slices), s.p()]


@vector("Om", "a key unit changed on the way: the associated data does not fit")
def key_bound():
    s, other = Stream(), Stream()
    other.idr()
    return [s.idr(), other.p()]


wrong_frame("frame_version", "frame unit of version 1", version=1)
wrong_frame("frame_type", "unit of type 9", type=9)
wrong_frame("frame_flags", "an unknown flag", flags=0x40)
wrong_frame("frame_gop", "another GOP's number", gop=77)
wrong_frame("frame_aad", "associated data of another camera", camera=b"camera02")
wrong_frame("frame_nonce", "sealed under another counter", nonce=9)
wrong_frame("frame_seq_repeated", "the number of the access unit before again", index=0)
wrong_frame("frame_seq_gap", "two access units missing before this one", index=3, nonce=3)
wrong_frame("frame_no_tables", "nothing after the hash", plain=bytes(12))
wrong_frame("frame_time_long", "a time of ten bytes", times=b"\xff" * 9 + b"\x01\x00")
wrong_frame("frame_empty", "an empty plaintext", plain=b"")
wrong_idr("idr_empty", "an empty plaintext in an IDR", plain=b"")


@vector("Om", "a frame unit cut after its header")
def frame_truncated():
    s = Stream()
    first = s.idr()
    s.p()
    return [first, annexb(sei(b"\x01\x02" + bytes(20)), b"\x41\x02\x07\x07")]


@vector("Om", "a time that does not end")
def frame_time_cut():
    return [Stream().idr(), annexb(sei(b"\x01\x02\x00\xe8\x00\x01\xff\xff"), b"\x41\x02\x07\x07")]


@vector("Om", "two frame units in one access unit")
def frame_twice():
    s = Stream()
    first, slices = s.idr(), [b"\x41\x02\x07\x07"]
    unit = s.frame_unit(slices, SAME, b"", 0)
    return [first, annexb(sei(unit, unit), *slices)]


@vector("Om", "one bit of the ciphertext")
def frame_ciphertext():
    s = Stream()
    first, second = s.idr(), s.p()
    return [first, second.replace(only_sei(second), flip(only_sei(second), 35))]


@vector("Om", "one bit of the tag")
def frame_tag():
    s = Stream()
    first, second = s.idr(), s.p()
    return [first, second.replace(only_sei(second), flip(only_sei(second), -3))]


@vector("Om", "one bit of the clear time")
def frame_time():
    s = Stream()
    first, second = s.idr(), s.p()
    nal = only_sei(second)
    at = nal.index(b"\x01\x02", 18) + 7
    return [first, second.replace(nal, flip(nal, at, 16))]


@vector("OX", "one bit of the picture: opens, base not intact")
def picture_bit():
    s = Stream()
    return [s.idr(), flip(s.p(), -1)]


@vector("OX", "a slice added to the picture")
def picture_slice_added():
    s = Stream()
    return [s.idr(), s.p() + annexb(b"\x41\x08")]


@vector("OX", "the picture's slices removed")
def picture_removed():
    s = Stream()
    first, second = s.idr(), s.p()
    return [first, annexb(only_sei(second))]


@vector("OX", "another access unit's picture")
def picture_swapped():
    s = Stream()
    first, second, third = s.idr(), s.p(), s.p()
    return [first, annexb(only_sei(second), third.rsplit(b"\x00\x00\x00\x01", 1)[1])]


@vector("mmO", "the SEI stripped, until the next IDR")
def stripped():
    s = Stream()
    return [without_sei(s.idr()), s.p(), s.idr()]


@vector("OmmO", "an access unit without recovery data: mosaic until the next IDR")
def stripped_once():
    s = Stream()
    return [s.idr(), without_sei(s.p()), s.p(), s.idr()]


@vector("OmO", "an access unit lost: mosaic until the next IDR")
def lost():
    s = Stream()
    first, _, third = s.idr(), s.p(), s.p()
    return [first, third, s.idr()]


@vector("OOmm", "an access unit twice: the second time it is late, and prediction is not trusted after it")
def doubled():
    s = Stream()
    first, second, third = s.idr(), s.p(), s.p()
    return [first, second, second, third]


@vector("OmO", "an access unit of another stream in between")
def foreign():
    s, t = Stream(), Stream(STRANGER, gop_id=5)
    t.idr()
    return [s.idr(), t.p(), s.idr()]


@vector("OO", "the camera restarted: a new stream follows")
def restarted():
    return [Stream().idr(), Stream(gop_id=2000).idr()]


@vector("mO", "joined in the middle of a group")
def joined():
    s = Stream()
    s.idr()
    return [s.p(), s.idr()]


@vector("Om", "an SEI message longer than its NAL unit")
def sei_truncated():
    s = Stream()
    first = s.idr()
    s.p()
    return [first, annexb(b"\x06\x05\xff\x10" + UUID + b"\x01\x02\x80", b"\x41\x02\x07\x07")]


@vector("Om", "our unit under another identifier is somebody else's")
def sei_other_identifier():
    s = Stream()
    first, slices = s.idr(), [b"\x41\x02\x07\x07"]
    return [first, annexb(sei(s.frame_unit(slices, SAME, b"", 0), uuid=bytes(16)), *slices)]


@vector("Om", "our unit in a message of another type")
def sei_other_type():
    s = Stream()
    first, slices = s.idr(), [b"\x41\x02\x07\x07"]
    return [first, annexb(sei(s.frame_unit(slices, SAME, b"", 0), kind=4), *slices)]


for _name, _why, _tables in (
    ("size_cut", "no picture size", b"\x00"),
    ("run_past_end", "a run past the end of the mask", bits(SIZE, ue(1), ue(1), "001", ue(5), ue(0))),
    ("runs_many", "more runs announced than there are", bits(SIZE, ue(90), RUN)),
    ("number_large", "a number above 21 bits", bits(SIZE, "0" * 21 + "1" + "0" * 40)),
    ("number_cut", "a number that does not end", bits(SIZE, "0000")),
    ("objects_many", "more objects announced than there are", bits(SIZE, ue(0), ue(9), ue(0), box(1, 0, 2, 3))),
    ("object_slot", "object slot 256", bits(SIZE, ue(0), ue(1), ue(256), box(1, 0, 2, 3))),
    ("object_moved_unknown", "a move of an object that is not there", bits(SIZE, ue(0), ue(1), ue(0), "1", se(0) * 4)),
    ("object_gone_unknown", "an object gone that was not there", bits(SIZE, ue(0), ue(1), ue(0), "00")),
    ("object_outside", "a box that leaves the picture", bits(SIZE, ue(0), ue(1), ue(0), box(3, 0, 2, 3))),
    ("object_cut", "an object cut off", bits(SIZE, ue(0), ue(1), ue(0), "01", "0" * 20)),
):
    wrong_idr(f"tables_{_name}", _why, tables=_tables, payload=b"")

for _name, _why, _steps in (
    ("move_outside", "a move out of the picture", (9, 0, 0, 0)),
    ("move_flat", "an object shrunk to nothing", (0, 0, -2, 0)),
):
    wrong_frame(f"tables_{_name}", _why, tables=bits(ue(0), ue(1), ue(0), "1", *map(se, _steps)))


# Track 7 has columns 1, track 8 column 2, two macroblocks of column 3 are neither's alone.
BOTH = bits(SIZE, ue(1), RUN.replace(ue(5), ue(7)), ue(2), ue(0), box(1, 0, 1, 3), ue(0), box(2, 0, 1, 3, track=8))
OWN_7 = b"\x01" + bits(SIZE, ue(1), ue(0), "011", ue(2), ue(0)) + ORIGINALS
OWN_8 = b"\x01" + bits(SIZE, ue(1), ue(0), "110", ue(2), ue(0)) + ORIGINALS


def grant(s, track):
    """What opens one object in the group of pictures at hand: key_hash, name, track and key."""
    name = expand(s.key, TRACK_NAME + struct.pack(">I", track), 2)
    return f"{s.key_hash.hex()} {name.hex()} {track} {s.track_key(track).hex()}"


def per_track(s, *, first=((7, OWN_7), (8, OWN_8)), second=((7, b"\x00" + SAME + MORE), (8, b"\x00" + SAME + MORE))):
    """An IDR and a P access unit with a payload per object."""
    return [
        s.idr(tables=BOTH, flags=IDR_FLAG | PER_TRACK, chunks=first),
        s.p(flags=PER_TRACK, chunks=second),
    ]


@vector("OO", "a payload per object, the content key at hand")
def track_clean():
    return per_track(Stream())


@vector("OO", "a payload per object, and only the key of one of them")
def track_granted():
    s = Stream(STRANGER)
    units = per_track(s)
    return [*units, grant(s, 7)]


@vector("mm", "a payload per object, and the key of one who is not there")
def track_absent():
    s = Stream(STRANGER)
    units = per_track(s)
    return [*units, grant(s, 9)]


@vector("Om", "a key of one object, and its chunk was altered")
def track_altered():
    s = Stream(STRANGER)
    first, second = per_track(s)
    unit = only_sei(second)
    name = expand(s.key, TRACK_NAME + struct.pack(">I", 7), 2)
    return [first, second.replace(unit, flip(unit, unit.index(name, 20) + 5)), grant(s, 7)]


@vector("Om", "a chunk altered: the content key's seal covers it too")
def track_bound():
    first, second = per_track(Stream())
    unit = only_sei(second)
    return [first, second.replace(unit, flip(unit, 45))]


@vector("Om", "a chunk that goes on without having started")
def track_not_started():
    return per_track(Stream(), first=((7, OWN_7),))


@vector("Om", "a chunk with nothing in it")
def track_empty_chunk():
    return per_track(Stream(), second=((7, b""),))


@vector("Om", "a chunk whose tables are cut off")
def track_tables():
    return per_track(Stream(), second=((7, b"\x00"),))


wrong_idr("track_count", "one chunk more announced than there is", flags=IDR_FLAG | PER_TRACK, chunks=(), chunk_count=1)

wrong_manifest("impostor", "signed by another key", signer=IMPOSTOR)
wrong_manifest("context", "signed for another purpose", context=b"veilcam recovery 3 manifest")
wrong_manifest("camera", "another camera's", camera=b"camera02")
wrong_manifest("root", "another root", root=bytes(32))
wrong_manifest("previous", "names one that was not seen: nothing to compare with", origin="yes", previous=b"\x07" * 32)
wrong_manifest("frames", "one access unit more than was seen", origin="yes", complete="no", frames=3)


@vector("OOOO origin=no", "the second manifest does not name the first")
def manifest_chain():
    s = Stream()
    units = [s.idr(), s.p()]
    units += [s.idr(s.manifest())]
    return [*units, s.idr(s.manifest(previous=bytes(32)))]


for _name, _why, _wrong in (
    ("version", "manifest of version 1", {"version": 1}),
    ("flags", "manifest with an unknown flag", {"flags": 2}),
    ("length", "a byte after the signature", {"tail": b"\x00"}),
    ("list_missing", "leaves announced but not there", {"flags": 1}),
):

    def _build(wrong=_wrong):
        s = Stream()
        first = s.idr()
        return [first, s.idr(s.manifest(**wrong)), s.p()]

    VECTORS[f"manifest_{_name}"] = ("Omm", _why, _build)


def main(names):
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.txt") if not names else ():
        old.unlink()
    for name in names or VECTORS:
        expect, why, build = VECTORS[name]
        shown, *verdict = expect.split()
        lines = [f"why: {why}", f"expect: {shown}", *(f"first-group-{word.replace('=', ': ')}" for word in verdict)]
        lines += [f"identity: {key.private_bytes_raw().hex()}" for key in (IDENTITY, SECOND)]
        lines += ["codec: h264", f"signing-key: {SIGNER.public_key().public_bytes_raw().hex()}"]
        lines += [f"granted: {one}" if isinstance(one, str) else f"au: {one.hex()}" for one in build()]
        (FOLDER / f"{name}.txt").write_text("\n".join(lines) + "\n")
    print(f"{len(names or VECTORS)} vectors in {FOLDER}")


if __name__ == "__main__":
    main(sys.argv[1:])
