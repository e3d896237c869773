"""Asking for a reveal, being refused or granted, and watching it until the time is up."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from nvr_box.record.recordings import Piece
from nvr_box.rights import Account


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What the reader said of the GOPs shown so far, counted in access units.

    Attributes:
        opened: the originals were restored.
        nothing_masked: opened, and the camera had masked nothing.
        missing: recovery data was removed on the way.
        not_for_us: sealed for somebody else.
        damaged: recovery data does not authenticate.
        base_altered: opened, but the masked picture is not what the camera made.
        unsigned: opened, but the origin could not be proven.
        reason: the newest refusal as a sentence, empty when there was none.
    """

    opened: int = 0
    nothing_masked: int = 0
    missing: int = 0
    not_for_us: int = 0
    damaged: int = 0
    base_altered: int = 0
    unsigned: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RevealSession:
    """A reveal that is on. `watermark` is what every revealed picture shows."""

    key: str
    who: str
    camera: int
    reason: str
    started_us: int
    expires_us: int
    watermark: str
    verdicts: Verdicts


class Reveals:
    """Time-boxed reveals, each in a process that alone holds the private key. Needs `REVEAL` for the camera."""

    async def start(
        self,
        by: Account,
        camera: int,
        *,
        reason: str,
        passphrase: str,
        minutes: float | None = None,
    ) -> RevealSession:
        """Unlock the reveal key with `passphrase` in a new process, for at most the configured time.

        Raises:
            Refused: right, reason (at least 8 characters) or passphrase; each refusal has its audit entry.
        """
        raise NotImplementedError

    def play(
        self,
        by: Account,
        key: str,
        start_us: int,
        end_us: int | None = None,
        *,
        point: tuple[float, float] | None = None,
    ) -> AsyncIterator[Piece]:
        """Recorded pieces with the originals restored and the watermark drawn, re-encoded as H.264.

        Args:
            point: x, y as shares 0..1 of the picture at `start_us`: only the person there is shown and bystanders
                stay masked; None for the whole picture.

        Raises:
            Refused: the session is over or another person's.
        """
        raise NotImplementedError

    async def still(self, by: Account, key: str, utc_us: int) -> bytes:
        """One revealed, watermarked JPEG at `utc_us`."""
        raise NotImplementedError

    def active(self, by: Account) -> tuple[RevealSession, ...]:
        """The sessions of `by` that are on."""
        raise NotImplementedError

    async def end(self, by: Account, key: str) -> None:
        """End it now: the process is gone when this returns; ending twice is nothing."""
        raise NotImplementedError
