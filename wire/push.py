"""The body and the answer of a push: sealed packets, length-prefixed, and what became of each (`wire/push.md`)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from base.errors import PeerError, Truncated, WireError
from wire.features.packet import MAX_BYTES

CONTENT_TYPE = "application/vnd.veilcam.packets"
MOST_PACKETS = 1000
_LENGTH_BYTES = 4
_SEALED_BYTES = MAX_BYTES + 1024
"""What sealing adds is less than a kibibyte."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Packet number `index` of the batch was not taken; `sequence` is None when it could not even be opened."""

    sequence: int | None
    index: int
    why: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch: `acknowledged` sequences are on disk (now or already before)."""

    acknowledged: tuple[int, ...]
    refused: tuple[Refusal, ...]

    def to_json(self) -> dict[str, Any]:
        """The answer of the box."""
        refused = [
            {"sequence": refusal.sequence, "index": refusal.index, "why": refusal.why} for refusal in self.refused
        ]
        return {"acknowledged": list(self.acknowledged), "refused": refused}

    @classmethod
    def from_json(cls, reply: Any, sent: Sequence[int]) -> "Receipt":
        """Read an answer from outside.

        Args:
            sent: the sequence numbers of the batch, in its order; no other number counts.

        Raises:
            PeerError: it has another shape.
        """
        known = set(sent)
        if not isinstance(reply, Mapping) or not isinstance(reply.get("acknowledged", []), list):
            raise PeerError("the box's reply to a push has no list of acknowledged packets")
        if not isinstance(reply.get("refused") or [], list):
            raise PeerError("the box's reply to a push has no list of refused packets")
        acknowledged = tuple(n for n in reply.get("acknowledged", []) if type(n) is int and n in known)
        refused = []
        for entry in reply.get("refused") or []:
            if not isinstance(entry, dict):
                continue
            sequence, index = entry.get("sequence"), entry.get("index")
            if not isinstance(sequence, int | None):
                continue
            index = index if isinstance(index, int) and 0 <= index < len(sent) else None
            if sequence not in known and index is not None:
                sequence = sent[index]
            if sequence is not None and sequence in known and sequence not in acknowledged:
                refused.append(Refusal(int(sequence), sent.index(sequence), str(entry.get("why", ""))))
        return cls(acknowledged, tuple(refused))


def join(packets: Iterable[bytes]) -> bytes:
    """The body of these sealed packets."""
    return b"".join(len(packet).to_bytes(_LENGTH_BYTES) + packet for packet in packets)


def framed_bytes(packet: bytes) -> int:
    """What a sealed packet takes of a body."""
    return _LENGTH_BYTES + len(packet)


def split(body: bytes) -> list[bytes]:
    """The sealed packets of a body.

    Raises:
        WireError: a length that does not fit, or too many packets.
    """
    packets: list[bytes] = []
    at = 0
    while at < len(body):
        if at + _LENGTH_BYTES > len(body):
            raise Truncated("length of a packet", at=at)
        size = int.from_bytes(body[at : at + _LENGTH_BYTES])
        if size > _SEALED_BYTES:
            raise WireError(f"a sealed packet of {size} bytes, at most {_SEALED_BYTES}", at=at)
        start = at + _LENGTH_BYTES
        if start + size > len(body):
            raise Truncated(f"packet of {size} bytes", at=at)
        packets.append(body[start : start + size])
        at = start + size
        if len(packets) > MOST_PACKETS:
            raise WireError(f"more than {MOST_PACKETS} packets in one batch", at=at)
    return packets
