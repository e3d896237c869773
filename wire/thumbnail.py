"""A best shot as one JPEG: any viewer shows it masked, a key holder gets the original back. See `wire/thumbnail.md`.

`python -m wire.thumbnail IN --identity KEY OUT` writes the original, or the masked picture and why.
"""

import argparse
import hashlib
import os
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from base.errors import Error, SealError, Truncated, Unsupported, WireError
from wire import hold
from wire.keys import Identity, SigningKey, first_line, load_identity, verify
from wire.recovery.group import unsealed
from wire.recovery.layout import HASH_BYTES, KEY_BYTES, SIGNATURE_BYTES
from wire.recovery.unit_reader import KeyStanza, parse_stanzas
from wire.recovery.verdict import Check
from wire.recovery.writer import Holder, stanza_for

NAME = b"VEILCAM\x00"
VERSION = 1
MAX_BYTES = 1 << 20
NO_ORIGINAL = "no sealed original in this picture"
NOT_A_RECIPIENT = "sealed to other keys"
NOT_AUTHENTIC = "the picture or its sealed original was altered"
NOT_SIGNED = "not signed by this camera"
OTHER_CAMERA = "the sealed original is another camera's"
_HPKE_INFO = b"veilcam thumbnail 1 key"
_CONTEXT = b"veilcam thumbnail 1 signature"
_HEAD = struct.Struct(">8sBB8sI6s4H")
_TAG_BYTES = 16
# The key is fresh for every picture and used once.
_NONCE = bytes(12)
_SOI, _EOI, _SOS, _APP0, _APP15, _COM = 0xD8, 0xD9, 0xDA, 0xE0, 0xEF, 0xFE
_WITHOUT_LENGTH = {0x00, 0x01, _SOI, _EOI, *range(0xD0, 0xD8)}
_MOST_IN_SEGMENT = 0xFFFF - 2

Inside = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Label:
    """What the seal binds the picture to; authenticated, not secret.

    Attributes:
        camera_id: 8 bytes.
        sequence: of the feature packet that it belongs to.
        taken_utc_ms: exposure, milliseconds since 1970.
        inside: x, y, width, height of the object in the picture, in 1/65535 of its sides.
    """

    camera_id: bytes
    sequence: int
    taken_utc_ms: int
    inside: Inside


@dataclass(frozen=True, slots=True)
class Unit:
    """The segment's content. `bound` is all before `sealed`, `signed` all before `signature`."""

    label: Label
    stanzas: tuple[KeyStanza, ...]
    bound: bytes
    sealed: bytes
    signed: bytes
    signature: bytes

    @property
    def key_hash(self) -> bytes:
        """By what a hold file knows its content key."""
        return hashlib.sha256(self.bound).digest()[:HASH_BYTES]


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A parsed file: `masked` is the picture without our segment, `unit` the segment, None where it has none."""

    masked: bytes
    unit: Unit | None

    @property
    def picture(self) -> bytes:
        """What binds the seal to the masked picture."""
        return hashlib.sha256(self.masked).digest()


@dataclass(frozen=True, slots=True)
class OpenedThumbnail:
    """`clear` is the original JPEG, None where `masked` has to be shown; then `reason` says why."""

    masked: bytes
    clear: bytes | None
    label: Label | None
    authentic: Check
    origin: Check
    reason: str = ""


def seal(masked: bytes, clear: bytes, label: Label, holders: Sequence[Holder], signer: SigningKey) -> bytes:
    """`masked` with `clear` sealed inside; both are whole JPEG files.

    Raises:
        WireError: `masked` is no JPEG, or a segment cannot hold so much.
        SealError: a holder's public key is no key.
    """
    at = _end_of_applications(masked)
    key = os.urandom(KEY_BYTES)
    stanzas = b"".join(stanza_for(key, holder, _HPKE_INFO) for holder in holders)
    bound = _head(label, len(holders)) + stanzas
    picture = hashlib.sha256(masked).digest()
    signed = bound + AESGCM(key).encrypt(_NONCE, clear, bound + picture)
    unit = signed + signer.sign(_CONTEXT + picture + signed)
    if len(unit) > _MOST_IN_SEGMENT:
        raise WireError(f"a sealed original of {len(unit)} bytes, a segment holds {_MOST_IN_SEGMENT}")
    segment = bytes((0xFF, _APP15)) + (len(unit) + 2).to_bytes(2, "big") + unit
    return masked[:at] + segment + masked[at:]


def parse(data: bytes) -> Thumbnail:
    """Read a file; total.

    Raises:
        Truncated: it stops before its picture begins, or inside the sealed original.
        Unsupported: a sealed original of another version.
        WireError: not a JPEG, or more than one sealed original.
    """
    if len(data) > MAX_BYTES:
        raise WireError(f"a thumbnail of {len(data)} bytes, at most {MAX_BYTES}")
    ours = [(at, end) for at, end, marker in _segments(data) if marker == _APP15 and data[at + 4 : end][:8] == NAME]
    if not ours:
        return Thumbnail(data, None)
    if len(ours) > 1:
        raise WireError("more than one sealed original", at=ours[1][0])
    at, end = ours[0]
    return Thumbnail(data[:at] + data[end:], _unit(data[at + 4 : end]))


def open_sealed(
    data: bytes,
    identities: Sequence[Identity],
    signing_key: bytes | None = None,
    *,
    camera_id: bytes | None = None,
    held: Mapping[bytes, bytes] | None = None,
) -> OpenedThumbnail:
    """The original of a thumbnail, or the masked picture and why; never raises for what the bytes say.

    Args:
        signing_key: the camera's Ed25519 public key; without it origin stays unknown.
        camera_id: the camera's; what another camera sealed stays masked. None opens any camera's.
        held: content keys by key_hash, from a legal hold, where no identity opens it itself any more.
    """
    try:
        found = parse(data)
    except WireError as error:
        return OpenedThumbnail(data, None, None, Check.NO, Check.UNKNOWN, f"sealed original unreadable: {error}")
    unit = found.unit
    if unit is None:
        return OpenedThumbnail(found.masked, None, None, Check.UNKNOWN, Check.UNKNOWN, NO_ORIGINAL)
    if camera_id is not None and unit.label.camera_id != camera_id:
        return OpenedThumbnail(found.masked, None, unit.label, Check.UNKNOWN, Check.NO, OTHER_CAMERA)
    origin = Check.UNKNOWN if signing_key is None else Check.of(_is_signed(found, unit, signing_key))
    if origin is Check.NO:
        return OpenedThumbnail(found.masked, None, unit.label, Check.UNKNOWN, origin, NOT_SIGNED)
    key = _content_key(unit, identities, held or {})
    if key is None:
        return OpenedThumbnail(found.masked, None, unit.label, Check.UNKNOWN, origin, NOT_A_RECIPIENT)
    try:
        clear = AESGCM(key).decrypt(_NONCE, unit.sealed, unit.bound + found.picture)
    except InvalidTag:
        return OpenedThumbnail(found.masked, None, unit.label, Check.NO, origin, NOT_AUTHENTIC)
    return OpenedThumbnail(found.masked, clear, unit.label, Check.YES, origin)


def content_key(
    data: bytes, identities: Sequence[Identity], held: Mapping[bytes, bytes] | None = None
) -> tuple[bytes, bytes] | None:
    """key_hash and content key, for a legal hold; None when it does not open."""
    try:
        unit = parse(data).unit
    except WireError:
        return None
    key = unit and _content_key(unit, identities, held or {})
    return (unit.key_hash, key) if unit and key else None


def _content_key(unit: Unit, identities: Sequence[Identity], held: Mapping[bytes, bytes]) -> bytes | None:
    kept = held.get(unit.key_hash)
    return kept or unsealed(unit.stanzas, {identity.kid: identity for identity in identities}, _HPKE_INFO)


def holders_of(unit: Unit) -> tuple[bytes, ...]:
    """The ids of the keys that it is sealed to, each once."""
    return tuple(dict.fromkeys(kid for stanza in unit.stanzas for kid in stanza.kids))


def _is_signed(found: Thumbnail, unit: Unit, signing_key: bytes) -> bool:
    try:
        verify(signing_key, unit.signature, _CONTEXT + found.picture + unit.signed)
    except SealError:
        return False
    return True


def _head(label: Label, stanzas: int) -> bytes:
    taken = label.taken_utc_ms.to_bytes(6, "big")
    return _HEAD.pack(NAME, VERSION, stanzas, label.camera_id, label.sequence, taken, *label.inside)


def _unit(data: bytes) -> Unit:
    if len(data) < _HEAD.size:
        raise Truncated("sealed original", at=len(data))
    _, version, count, camera_id, sequence, taken, x, y, w, h = _HEAD.unpack_from(data)
    if version != VERSION:
        raise Unsupported(f"sealed original of version {version}, this program speaks {VERSION}", at=len(NAME))
    signed, signature = data[:-SIGNATURE_BYTES], data[-SIGNATURE_BYTES:]
    stanzas, at = parse_stanzas(signed, _HEAD.size, count)
    if len(signed) - at < _TAG_BYTES:
        raise Truncated("sealed original", at=len(data))
    label = Label(camera_id, sequence, int.from_bytes(taken, "big"), (x, y, w, h))
    return Unit(label, stanzas, signed[:at], signed[at:], signed, signature)


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(start, end, marker) of every segment before the first scan; T.81 B.1."""
    if data[:2] != bytes((0xFF, _SOI)):
        raise WireError("not a JPEG", at=0, clause="ITU-T T.81 B.2.1")
    at = 2
    while True:
        if at + 4 > len(data):
            raise Truncated("JPEG", at=len(data))
        marker = data[at + 1]
        if data[at] != 0xFF or marker in _WITHOUT_LENGTH:
            raise WireError("no marker segment where one has to be", at=at, clause="ITU-T T.81 B.1.1.2")
        if marker == 0xFF:
            at += 1
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if end < at + 4 or end > len(data):
            raise Truncated("JPEG segment", at=at)
        if marker == _SOS:
            return
        yield at, end, marker
        at = end


def _end_of_applications(data: bytes) -> int:
    """Behind the application and comment segments at the head: JFIF wants its own to be the first."""
    at = 2
    for start, end, marker in _segments(data):
        if not (_APP0 <= marker <= _APP15 or marker == _COM):
            return start
        at = end
    return at


def main() -> int:
    """The command; exit status 0 with the original, 1 when it stayed masked, 2 on an error."""
    parser = argparse.ArgumentParser(prog="python -m wire.thumbnail", description=__doc__)
    parser.add_argument("source", type=Path, metavar="IN")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--identity", type=Path, action="append", required=True, help="identity file; may repeat")
    parser.add_argument("--passphrase-file", type=Path, help="passphrase of the identity files, first line")
    parser.add_argument("--hold", type=Path, help="hold file, when the identity is a case's (python -m wire.hold)")
    parser.add_argument("--signing-key", help="the camera's Ed25519 public key, hexadecimal")
    wanted = parser.parse_args()
    try:
        phrase = first_line(wanted.passphrase_file)
        identities = [load_identity(path, phrase) for path in wanted.identity]
        signing_key = bytes.fromhex(wanted.signing_key) if wanted.signing_key else None
        held = hold.unseal(wanted.hold.read_bytes(), identities[0]) if wanted.hold else None
        opened = open_sealed(wanted.source.read_bytes(), identities, signing_key, held=held)
        wanted.out.write_bytes(opened.masked if opened.clear is None else opened.clear)
    except (Error, OSError, ValueError, IndexError) as error:
        print(f"wire.thumbnail: {error}", file=sys.stderr)
        return 2
    if opened.label is not None:
        print(f"camera {opened.label.camera_id.hex()}, packet {opened.label.sequence}, origin {opened.origin.value}")
    if opened.clear is None:
        print(f"stays masked: {opened.reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
