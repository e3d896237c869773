"""Writing the units that travel in SEI user data. The reading half is `units.py`; they share nothing but the page.

`wire/recovery.md`, "Units".
"""

import hashlib
import struct
from collections.abc import Sequence

from wire.keys import SigningKey
from wire.nal import START_CODE
from wire.recovery.layout import HASH_BYTES, MANIFEST_CONTEXT, VERSION, Stanza, UnitType

_LISTED = 1
_START_CODES = START_CODE, START_CODE[1:]


def frame_header(flags: int, gop_id: int, index: int, since_us: int, drift_90k: int) -> bytes:
    """The clear head of a frame unit.

    Args:
        since_us: exposure, microseconds since the key unit's.
        drift_90k: by how much the presentation time differs from what `since_us` says.
    """
    head = struct.pack(">BBBBH", UnitType.FRAME, VERSION, flags, gop_id & 0xFF, index)
    return head + varint(_zigzag(since_us)) + varint(_zigzag(drift_90k))


def drift_90k(since_us: int, since_90k: int) -> int:
    """What `frame_header` wants, between -2^31 and 2^31: presentation times count modulo 2^32."""
    return (since_90k - since_us * 9 // 100 + 2**31) % 2**32 - 2**31


def chunk_list(chunks: Sequence[tuple[bytes, bytes]]) -> bytes:
    """One sealed chunk per object, each behind its name and length."""
    return varint(len(chunks)) + b"".join(name + varint(len(sealed)) + sealed for name, sealed in chunks)


def headless(payload_au: bytes) -> bytes:
    """Annex B without its first start code, which every reader knows.

    Raises:
        ValueError: `payload_au` does not begin with a start code.
    """
    for code in _START_CODES:
        if payload_au.startswith(code):
            return payload_au[len(code) :]
    if payload_au:
        raise ValueError("the payload does not begin with a start code")
    return payload_au


def stanza(kind: Stanza, kids: Sequence[bytes], sealed: bytes) -> bytes:
    """One way to the content key."""
    body = b"".join(kids) + sealed
    return struct.pack(">BH", kind, len(body)) + body


def key_unit(
    gop_id: int, camera_id: bytes, salt: bytes, stanzas: Sequence[bytes], *, utc_us: int, pts_90k: int, first_seq: int
) -> bytes:
    """The recipients of this group of pictures, at most 255 stanzas, and where it stands in time and number."""
    head = struct.pack(">BBBBI8s4s", UnitType.KEY, VERSION, len(stanzas), 0, gop_id, camera_id, salt)
    return head + struct.pack(">QII", utc_us, pts_90k & 0xFFFFFFFF, first_seq) + b"".join(stanzas)


def key_hash(unit: bytes) -> bytes:
    """What binds frame units to their key unit."""
    return hashlib.sha256(unit).digest()[:HASH_BYTES]


class GopRecord:
    """What a manifest will say, collected while the group of pictures lasts."""

    def __init__(self, camera_id: bytes, gop_id: int, first_seq: int, bound: bytes) -> None:
        self._head = camera_id + struct.pack(">I", gop_id)
        self._first_seq = first_seq
        self._leaves = [_sha(b"\x00" + bound)]
        self._masked = 0

    def add(self, picture: bytes, frame_unit: bytes, *, masked: bool) -> None:
        """One access unit more."""
        self._leaves.append(_sha(b"\x00" + picture + frame_unit))
        self._masked += masked

    def manifest(self, previous: bytes, signer: SigningKey, *, listed: bool) -> bytes:
        """The signed unit; `previous` is the hash of the one before, `listed` names every access unit in it."""
        head = struct.pack(">BBH", UnitType.MANIFEST, VERSION, _LISTED if listed else 0)
        counts = struct.pack(">HHI", len(self._leaves) - 1, self._masked, self._first_seq)
        body = head + self._head + counts + previous + _root(self._leaves)
        if listed:
            body += b"".join(leaf[:8] for leaf in self._leaves[1:])
        return body + signer.sign(MANIFEST_CONTEXT + body)


def varint(number: int) -> bytes:
    """LEB128: seven bits a byte, the lowest first."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _zigzag(number: int) -> int:
    return number << 1 if number >= 0 else (-number << 1) - 1


def _root(nodes: list[bytes]) -> bytes:
    """Pairs joined level by level, a last odd one carried up: the tree that splitting at powers of two gives."""
    while len(nodes) > 1:
        pairs = [_sha(b"\x01" + left + right) for left, right in zip(nodes[::2], nodes[1::2], strict=False)]
        nodes = pairs + nodes[len(pairs) * 2 :]
    return nodes[0]


def _sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
