"""Reading the units that travel in SEI user data: frame, key and manifest.

`wire/recovery.md`, "Units"; layout only, without keys. Parsing is total: a value, or `WireError` (`Truncated`,
`Unsupported`). The writing half is `pack.py`; they share nothing but the page.
"""

import hashlib
import struct
from dataclasses import dataclass

from base.errors import Truncated, Unsupported, WireError
from wire.recovery.layout import (
    HASH_BYTES,
    KNOWN_FLAGS,
    NAME_BYTES,
    PICTURE_BYTES,
    SIGNATURE_BYTES,
    TAG_BYTES,
    VERSION,
    Flag,
    Stanza,
    UnitType,
)


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """The clear head of a frame unit; authenticated, not secret.

    `gop` is the low byte of the key unit's gop_id, `since_us` counts from its utc_us; `drift_90k` is by how much the
    presentation time differs from what `since_us` says.
    """

    flags: Flag
    gop: int
    index: int
    since_us: int
    drift_90k: int


@dataclass(frozen=True, slots=True)
class SealedOriginal:
    """One object's sealed originals; `name` tells a holder of a content or track key which object's."""

    name: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True)
class FrameUnit:
    """`head` is the header's bytes, `bound` all bytes before `sealed`: AES-256-GCM ciphertext with its tag."""

    header: FrameHeader
    head: bytes
    chunks: tuple[SealedOriginal, ...]
    bound: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True)
class KeyStanza:
    """The content key sealed to `kids`: one recipient, or two that must both be present."""

    kids: tuple[bytes, ...]
    sealed: bytes


@dataclass(frozen=True, slots=True)
class KeyUnit:
    """Recipients of this group of pictures; `hash` binds frame units to it. Stanzas of unknown kinds are left out."""

    gop_id: int
    camera_id: bytes
    salt: bytes
    utc_us: int
    pts_90k: int
    first_seq: int
    stanzas: tuple[KeyStanza, ...]
    hash: bytes


@dataclass(frozen=True, slots=True)
class GopManifest:
    """The camera's signed statement about one finished group of pictures.

    `leaves` is either empty or holds the first eight bytes of each access unit's leaf, so that any reader can find
    which access unit was altered. `signed` is what `signature` covers, `hash` what the next manifest calls previous.
    """

    camera_id: bytes
    gop_id: int
    frames: int
    masked: int
    first_seq: int
    previous: bytes
    root: bytes
    leaves: tuple[bytes, ...]
    signature: bytes
    signed: bytes
    hash: bytes


Unit = FrameUnit | KeyUnit | GopManifest

_HEADER = struct.Struct(">BBBBH")
_KEY = struct.Struct(">BBBBI8s4sQII")
_MANIFEST = struct.Struct(">BBH8sIHHI32s32s")
_LEAF_BYTES = 8
_KIDS = {Stanza.SINGLE: 1, Stanza.BOTH: 2}
_KID_BYTES = 8
_VARINT_BYTES = 9


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
    if len(data) < _HEADER.size:
        raise Truncated("frame unit", at=len(data))
    _, _, flags, gop, index = _HEADER.unpack_from(data)
    if flags & ~KNOWN_FLAGS:
        raise Unsupported(f"frame unit with unknown flags {flags & ~KNOWN_FLAGS:#04x}", at=2)
    since_us, at = _signed(data, _HEADER.size)
    drift_90k, at = _signed(data, at)
    head = data[:at]
    chunks: list[SealedOriginal] = []
    if flags & Flag.PER_TRACK:
        count, at = _varint(data, at)
        for _ in range(count):
            name = data[at : at + NAME_BYTES]
            size, at = _varint(data, at + NAME_BYTES)
            if size < TAG_BYTES or at + size > len(data):
                raise Truncated(f"chunk of {size} bytes", at=at)
            chunks.append(SealedOriginal(name, data[at : at + size]))
            at += size
    if len(data) - at < PICTURE_BYTES + TAG_BYTES:
        raise Truncated("frame unit", at=len(data))
    header = FrameHeader(Flag(flags), gop, index, since_us, drift_90k)
    return FrameUnit(header, head, tuple(chunks), data[:at], data[at:])


def _parse_key(data: bytes) -> KeyUnit:
    if len(data) < _KEY.size:
        raise Truncated("key unit", at=len(data))
    _, _, count, flags, gop_id, camera_id, salt, utc_us, pts_90k, first_seq = _KEY.unpack_from(data)
    if flags:
        raise Unsupported(f"key unit with unknown flags {flags:#04x}", at=3)
    stanzas, at = parse_stanzas(data, _KEY.size, count)
    if at != len(data):
        raise WireError("bytes after the last key stanza", at=at)
    bound = hashlib.sha256(data).digest()[:HASH_BYTES]
    return KeyUnit(gop_id, camera_id, salt, utc_us, pts_90k, first_seq, stanzas, bound)


def parse_stanzas(data: bytes, at: int, count: int) -> tuple[tuple[KeyStanza, ...], int]:
    """`count` stanzas of `data` from `at` on, and where they end; unknown kinds are left out.

    Raises:
        WireError: they are cut off, or one is too short for its kind.
    """
    stanzas = []
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
        if cut:
            stanzas.append(KeyStanza(tuple(body[i : i + _KID_BYTES] for i in range(0, cut, _KID_BYTES)), body[cut:]))
        at += 3 + size
    return tuple(stanzas), at


def _parse_manifest(data: bytes) -> GopManifest:
    if len(data) < _MANIFEST.size + SIGNATURE_BYTES:
        raise Truncated("manifest", at=len(data))
    _, _, flags, camera_id, gop_id, frames, masked, first_seq, previous, root = _MANIFEST.unpack_from(data)
    if flags > 1:
        raise Unsupported(f"manifest with unknown flags {flags:#06x}", at=2)
    size = _MANIFEST.size + SIGNATURE_BYTES + (_LEAF_BYTES * frames if flags else 0)
    if len(data) != size:
        raise WireError(f"manifest of {len(data)} bytes, {frames} frames want {size}", at=_MANIFEST.size)
    signed, signature = data[:-SIGNATURE_BYTES], data[-SIGNATURE_BYTES:]
    leaves = tuple(signed[i : i + _LEAF_BYTES] for i in range(_MANIFEST.size, len(signed), _LEAF_BYTES))
    digest = hashlib.sha256(data).digest()
    return GopManifest(
        camera_id, gop_id, frames, masked, first_seq, previous, root, leaves, signature, signed, digest
    )  # fmt: skip


def key_leaf(key_hash: bytes) -> bytes:
    """What a manifest remembers of the key unit."""
    return hashlib.sha256(b"\x00" + key_hash).digest()


def frame_leaf(picture: bytes, unit: FrameUnit) -> bytes:
    """What a manifest remembers of one access unit: its picture and its sealed originals, all of both.

    Not the tag alone: a holder of the content key can make other originals with the same tag.
    """
    return hashlib.sha256(b"\x00" + picture + unit.bound + unit.sealed).digest()


def merkle_root(leaves: list[bytes]) -> bytes:
    """Root over leaves, split at the largest power of two (RFC 9162 2.1.1)."""
    if len(leaves) == 1:
        return leaves[0]
    middle = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + merkle_root(leaves[:middle]) + merkle_root(leaves[middle:])).digest()


def _signed(data: bytes, at: int) -> tuple[int, int]:
    number, at = _varint(data, at)
    return (number >> 1 if not number & 1 else -(number >> 1) - 1), at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for i in range(_VARINT_BYTES):
        if at + i >= len(data):
            raise Truncated("number", at=at)
        byte = data[at + i]
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            return value, at + i + 1
    raise WireError("number above 63 bits", at=at)
