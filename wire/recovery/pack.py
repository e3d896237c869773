"""Writing the units that travel in SEI user data. The reading half is `units.py`; they share nothing but the page.

`wire/recovery.md`, "Units".
"""

import hashlib
import struct
from collections.abc import Sequence

from wire.keys import SigningKey
from wire.recovery.layout import HASH_BYTES, MANIFEST_CONTEXT, VERSION, Stanza, UnitType

_LISTED = 1


def frame_header(flags: int, gop_id: int, index: int, seq: int, utc_us: int) -> bytes:
    """The clear head of a frame unit."""
    return struct.pack(">BBHIHIQ", UnitType.FRAME, VERSION, flags, gop_id, index, seq, utc_us)


def stanza(kind: Stanza, kids: Sequence[bytes], sealed: bytes) -> bytes:
    """One way to the content key."""
    body = b"".join(kids) + sealed
    return struct.pack(">BH", kind, len(body)) + body


def key_unit(gop_id: int, camera_id: bytes, salt: bytes, stanzas: Sequence[bytes]) -> bytes:
    """Who can open this group of pictures; at most 255 stanzas."""
    head = struct.pack(">BBBBI8s4s", UnitType.KEY, VERSION, len(stanzas), 0, gop_id, camera_id, salt)
    return head + b"".join(stanzas)


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

    def add(self, picture: bytes, header: bytes, tag: bytes, *, masked: bool) -> None:
        """One access unit more."""
        self._leaves.append(_sha(b"\x00" + picture + header + tag))
        self._masked += masked

    def manifest(self, previous: bytes, signer: SigningKey, *, listed: bool) -> bytes:
        """The signed unit; `previous` is the hash of the one before, `listed` names every access unit in it."""
        head = struct.pack(">BBH", UnitType.MANIFEST, VERSION, _LISTED if listed else 0)
        counts = struct.pack(">HHI", len(self._leaves) - 1, self._masked, self._first_seq)
        body = head + self._head + counts + previous + _root(self._leaves)
        if listed:
            body += b"".join(leaf[:8] for leaf in self._leaves[1:])
        return body + signer.sign(MANIFEST_CONTEXT + body)


def _root(nodes: list[bytes]) -> bytes:
    """Pairs joined level by level, a last odd one carried up: the tree that splitting at powers of two gives."""
    while len(nodes) > 1:
        pairs = [_sha(b"\x01" + left + right) for left, right in zip(nodes[::2], nodes[1::2], strict=False)]
        nodes = pairs + nodes[len(pairs) * 2 :]
    return nodes[0]


def _sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
