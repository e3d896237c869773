"""What packages may take of the disk: a budget of their own, and never of what the recordings leave free."""

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from base.errors import RightRefused
from nvr_box.record.media_segment import MediaSegment

MIB = 1 << 20
# The files of a package and the package itself are there at once for a moment.
_TWICE = 2
# A revealed picture is encoded again, at more bytes than the masked one.
_REVEALED = 4
# The newest segment grows meanwhile, and there are reports.
_MARGIN = 8 * MIB


class NoRoom(RightRefused):
    """A package would take more than it may."""


@dataclass(slots=True)
class BudgetShare:
    """What one package may still take."""

    left: int


class Budget:
    """One box's. Belongs to the event loop.

    Args:
        folder: where packages lie.
        limit: bytes for all that are being made or wait to be fetched.
        floor: free bytes that no package may touch.
    """

    def __init__(self, folder: Path, limit: int, floor: int) -> None:
        self._folder, self._limit, self._floor = folder, limit, floor
        self._reserved = 0

    @contextmanager
    def reserve(self, recorded: int, *, revealed: bool) -> Iterator[BudgetShare]:
        """Room for a package of so many recorded bytes, for as long as it is made.

        Raises:
            NoRoom: there is none; the message says why and what to do.
        """
        wanted = (recorded * (_REVEALED if revealed else 1) + _MARGIN) * _TWICE
        waiting = sum(each.stat().st_size for each in self._folder.glob("*.zip")) if self._folder.exists() else 0
        if wanted > self._limit - self._reserved - waiting:
            raise NoRoom(
                f"packages may take {self._limit // MIB:,} MiB in all, and {(self._reserved + waiting) / MIB:,.0f} MiB"
                f" are taken: this one may need {wanted / MIB:,.0f}. Fetch what waits, try again later, or choose less"
            )
        existing = next(each for each in (self._folder, *self._folder.parents) if each.exists())
        free = shutil.disk_usage(existing).free - self._reserved
        if free - wanted < self._floor:
            raise NoRoom(
                f"a package may need {wanted / MIB:,.0f} MiB, and {free / MIB:,.0f} MiB are free, of which"
                f" {self._floor // MIB:,} belong to the recordings: make room on the disk, or choose less"
            )
        self._reserved += wanted
        try:
            yield BudgetShare(wanted // _TWICE)
        finally:
            self._reserved -= wanted


async def metered(pieces: AsyncIterator[MediaSegment], share: BudgetShare) -> AsyncIterator[MediaSegment]:
    """The same pieces, as long as the package's share lasts.

    Raises:
        NoRoom: it takes more than was set aside for it.
    """
    async for piece in pieces:
        share.left -= len(piece.data)
        if share.left < 0:
            raise NoRoom("the package becomes larger than the room that was set aside for it; choose less")
        yield piece
