"""Feature packets from paired cameras, taken once and kept."""

from dataclasses import dataclass


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


class Intake:
    """The receiving end of the cameras' push."""

    async def accept(self, token: str, batch: bytes) -> Receipt:
        """Take a pushed body (`u32 length || sealed packet`, repeated); idempotent by (camera_id, sequence).

        Args:
            token: the bearer token that the camera got when it was paired.

        Raises:
            Refused: no paired camera has this token (401).
            WireError: the framing of the batch is broken (400); nothing was taken.
            StoreError: the disk or database refused (503); the camera keeps its packets.
        """
        raise NotImplementedError
