"""Byte layout of the three units that travel in SEI user data: frame, key and manifest.

`wire/recovery.md` is the specification; this module is the layout only, without keys. Everything is big endian.
Parsing is total: a value, or `WireError` (`Truncated`, `Unsupported`).
"""

import hashlib
import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag

import numpy as np
import numpy.typing as npt

from wire.base.errors import Truncated, Unsupported, WireError

UUID = bytes.fromhex("7e15c1a39d0b4f3e8b64d2a05c9e11f7")
VERSION = 1
CAMERA_ID_BYTES = 8
HASH_BYTES = 16
TAG_BYTES = 16
HEADER_BYTES = 22
KEY_BYTES = 32
MACROBLOCK = 16
HPKE_INFO = b"veilcam recovery 1 key unit"
MANIFEST_CONTEXT = b"veilcam recovery 1 manifest"
SIGNATURE_BYTES = 64
ZERO_HASH = bytes(32)

Mask = npt.NDArray[np.bool_]


class UnitType(IntEnum):
    FRAME = 1
    KEY = 2
    MANIFEST = 3


class Flag(IntFlag):
    """Flags of a frame unit; an unknown bit makes the unit `Unsupported`."""

    PAYLOAD_IDR = 1
    SHARED_IDR = 2
    PAYLOAD_H265 = 4
    OBJECT_CHUNKS = 8
    PADDED = 16
    FULL_FRAME = 32


KNOWN_FLAGS = int(
    Flag.PAYLOAD_IDR | Flag.SHARED_IDR | Flag.PAYLOAD_H265 | Flag.OBJECT_CHUNKS | Flag.PADDED | Flag.FULL_FRAME
)


class Stanza(IntEnum):
    """How a key unit seals the content key; unknown kinds are passed over."""

    SINGLE = 0
    BOTH = 1


@dataclass(frozen=True, slots=True)
class Region:
    """One masked object: a box in macroblocks. `class_` is an `ObjectClass`, `level` the mask level 0..15."""

    track_id: int
    class_: int
    level: int
    x: int
    y: int
    w: int
    h: int


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """The clear head of a frame unit; authenticated, not secret."""

    flags: Flag
    gop_id: int
    index: int
    seq: int
    utc_us: int

    def __bytes__(self) -> bytes:
        return _HEADER.pack(UnitType.FRAME, VERSION, self.flags, self.gop_id, self.index, self.seq, self.utc_us)


@dataclass(frozen=True, slots=True)
class FrameUnit:
    """Header and AES-256-GCM ciphertext with its tag."""

    header: FrameHeader
    sealed: bytes

    def __bytes__(self) -> bytes:
        return bytes(self.header) + self.sealed

    @property
    def tag(self) -> bytes:
        return self.sealed[-TAG_BYTES:]


@dataclass(frozen=True, slots=True)
class KeyStanza:
    """The content key sealed to `kids`: one recipient, or two who must both be present."""

    kind: int
    kids: tuple[bytes, ...]
    sealed: bytes


@dataclass(frozen=True, slots=True)
class KeyUnit:
    """Who can open this group of pictures."""

    gop_id: int
    camera_id: bytes
    salt: bytes
    stanzas: tuple[KeyStanza, ...]

    def __bytes__(self) -> bytes:
        head = _KEY.pack(UnitType.KEY, VERSION, len(self.stanzas), 0, self.gop_id, self.camera_id, self.salt)
        parts = [head]
        for stanza in self.stanzas:
            body = b"".join(stanza.kids) + stanza.sealed
            parts.append(struct.pack(">BH", stanza.kind, len(body)) + body)
        return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Manifest:
    """The camera's signed statement about one finished group of pictures.

    `leaves` is either empty or holds the first eight bytes of each access unit's leaf, so that anybody can find
    which access unit was altered.
    """

    camera_id: bytes
    gop_id: int
    frames: int
    masked: int
    first_seq: int
    previous: bytes
    root: bytes
    leaves: tuple[bytes, ...] = ()
    signature: bytes = bytes(SIGNATURE_BYTES)

    def signed_part(self) -> bytes:
        head = _MANIFEST.pack(
            UnitType.MANIFEST, VERSION, bool(self.leaves), self.camera_id, self.gop_id, self.frames, self.masked,
            self.first_seq, self.previous, self.root,
        )  # fmt: skip
        return head + b"".join(self.leaves)

    def __bytes__(self) -> bytes:
        return self.signed_part() + self.signature

    @property
    def hash(self) -> bytes:
        """What the next manifest names as its predecessor."""
        return hashlib.sha256(bytes(self)).digest()


Unit = FrameUnit | KeyUnit | Manifest

_HEADER = struct.Struct(">BBHIHIQ")
_KEY = struct.Struct(">BBBBI8s4s")
_MANIFEST = struct.Struct(">BBH8sIHHI32s32s")
_LEAF_BYTES = 8
_KIDS = {Stanza.SINGLE: 1, Stanza.BOTH: 2}
_KID_BYTES = 8


def parse(data: bytes) -> Unit:
    """One unit out of one SEI message.

    Raises:
        Truncated: the unit stops before its layout does.
        Unsupported: another version, an unknown type or an unknown flag.
        WireError: a field contradicts another.
    """
    if len(data) < 2:
        raise Truncated("recovery unit", at=len(data))
    if data[1] != VERSION:
        raise Unsupported(f"recovery unit of version {data[1]}, this program speaks {VERSION}", at=1)
    if data[0] == UnitType.FRAME:
        return _parse_frame(data)
    if data[0] == UnitType.KEY:
        return _parse_key(data)
    if data[0] == UnitType.MANIFEST:
        return _parse_manifest(data)
    raise Unsupported(f"recovery unit of type {data[0]}", at=0)


def _parse_frame(data: bytes) -> FrameUnit:
    if len(data) < HEADER_BYTES + HASH_BYTES + TAG_BYTES:
        raise Truncated("frame unit", at=len(data))
    _, _, flags, gop_id, index, seq, utc_us = _HEADER.unpack_from(data)
    if flags & ~KNOWN_FLAGS:
        raise Unsupported(f"frame unit with unknown flags {flags & ~KNOWN_FLAGS:#06x}", at=2)
    return FrameUnit(FrameHeader(Flag(flags), gop_id, index, seq, utc_us), data[HEADER_BYTES:])


def _parse_key(data: bytes) -> KeyUnit:
    if len(data) < _KEY.size:
        raise Truncated("key unit", at=len(data))
    _, _, count, flags, gop_id, camera_id, salt = _KEY.unpack_from(data)
    if flags:
        raise Unsupported(f"key unit with unknown flags {flags:#04x}", at=3)
    stanzas = []
    at = _KEY.size
    for _ in range(count):
        if at + 3 > len(data):
            raise Truncated("key stanza", at=at)
        kind, size = struct.unpack_from(">BH", data, at)
        body = data[at + 3 : at + 3 + size]
        if len(body) < size:
            raise Truncated(f"key stanza of {size} bytes", at=at)
        cut = _KIDS.get(kind, 0) * _KID_BYTES
        if size < cut:
            raise WireError("key stanza shorter than its key identifiers", at=at)
        kids = tuple(body[i : i + _KID_BYTES] for i in range(0, cut, _KID_BYTES))
        stanzas.append(KeyStanza(kind, kids, body[cut:]))
        at += 3 + size
    if at != len(data):
        raise WireError("bytes after the last key stanza", at=at)
    return KeyUnit(gop_id, camera_id, salt, tuple(stanzas))


def _parse_manifest(data: bytes) -> Manifest:
    if len(data) < _MANIFEST.size + SIGNATURE_BYTES:
        raise Truncated("manifest", at=len(data))
    _, _, flags, camera_id, gop_id, frames, masked, first_seq, previous, root = _MANIFEST.unpack_from(data)
    if flags > 1:
        raise Unsupported(f"manifest with unknown flags {flags:#06x}", at=2)
    size = _MANIFEST.size + SIGNATURE_BYTES + (_LEAF_BYTES * frames if flags else 0)
    if len(data) != size:
        raise WireError(f"manifest of {len(data)} bytes, {frames} frames want {size}", at=_MANIFEST.size)
    ends = range(_MANIFEST.size, size - SIGNATURE_BYTES, _LEAF_BYTES)
    leaves = tuple(data[i : i + _LEAF_BYTES] for i in ends)
    return Manifest(
        camera_id, gop_id, frames, masked, first_seq, previous, root, leaves, data[size - SIGNATURE_BYTES :]
    )


def leaf(vcl_hash: bytes, header: bytes, tag: bytes) -> bytes:
    """What the manifest remembers of one access unit: its picture and its sealed originals."""
    return hashlib.sha256(b"\x00" + vcl_hash + header + tag).digest()


def merkle_root(leaves: list[bytes]) -> bytes:
    """Root over leaves, split at the largest power of two (RFC 9162 2.1.1); all zeros for none."""
    if not leaves:
        return ZERO_HASH
    if len(leaves) == 1:
        return leaves[0]
    middle = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + merkle_root(leaves[:middle]) + merkle_root(leaves[middle:])).digest()
