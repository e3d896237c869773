"""What each camera's mask left open in the past, as rows: a recorded picture is shown with the truth of its time.

Where it is not known when exactly something changed, both hold: the old until it was seen to be over, the new since the
last time that the camera said something else.
"""

import json
from dataclasses import dataclass

from base.errors import PeerError
from nvr_box.cameras import masking
from nvr_box.cameras.masking import Masking
from nvr_box.db import maskings as masking_rows
from nvr_box.db.database import Store
from nvr_box.db.link import Link

_MOST_ROWS = 2000
MOST_TOLD = 500


@dataclass(frozen=True, slots=True)
class PastMasking:
    """What held from `start_us` until `end_us`; None while it does."""

    start_us: int
    end_us: int | None
    masking: Masking


@dataclass(frozen=True, slots=True)
class LastMasking:
    """What a camera said last, and when."""

    masking: Masking
    confirmed_us: int


class MaskingHistory:
    """All methods raise `StoreError` when the database refuses."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def last(self) -> dict[int, LastMasking]:
        """What holds, by camera, as far as it was written down."""
        rows = await self._store.read(masking_rows.lasting)
        found = {camera: (_read(said), confirmed_us) for camera, said, confirmed_us in rows}
        return {
            camera: LastMasking(what, confirmed_us)
            for camera, (what, confirmed_us) in found.items()
            if what is not None
        }

    async def begin(self, camera: int, what: Masking, start_us: int, now_us: int) -> None:
        """Something else holds: since `start_us` at the earliest, and what held before until now at the latest."""
        said = json.dumps(masking.document(what))

        def write(link: Link) -> None:
            masking_rows.begin(link, camera, said, min(start_us, now_us), now_us)
            # A camera that changes its mind all day fills no disk.
            masking_rows.forget(link, camera, _MOST_ROWS)

        await self._store.write(write)

    async def confirm(self, camera: int, now_us: int) -> None:
        """What holds still does."""
        await self._store.write(lambda link: masking_rows.confirm(link, camera, now_us))

    async def between(self, camera: int, start_us: int, end_us: int) -> tuple[PastMasking, ...]:
        """What held at some time in [start, end), the newest `MOST_TOLD`; a time that none covers is not known."""
        rows = await self._store.read(lambda link: masking_rows.between(link, camera, start_us, end_us, MOST_TOLD))
        read = [(start, end, _read(said)) for start, end, said in rows]
        return tuple(PastMasking(start, end, what) for start, end, what in read if what is not None)


def _read(said: str) -> Masking | None:
    """None for a row that another version of the box, or a damaged database, left."""
    try:
        return masking.masking(json.loads(said))
    except (KeyError, TypeError, ValueError, PeerError):
        return None
