"""What each camera's mask left open in the past, as rows: a recorded picture is shown with the truth of its time.

Where nobody knows when exactly something changed, both hold: the old until it was seen to be over, the new since the
last time that the camera said something else.
"""

import json
import sqlite3
from dataclasses import dataclass

from base.errors import PeerError
from nvr_box.cameras import masking
from nvr_box.cameras.masking import Masking
from nvr_box.db.database import Store

_MOST_ROWS = 2000
MOST_TOLD = 500


@dataclass(frozen=True, slots=True)
class Past:
    """What held from `start_us` until `end_us`; None while it does."""

    start_us: int
    end_us: int | None
    masking: Masking


@dataclass(frozen=True, slots=True)
class Last:
    """What a camera said last, and when."""

    masking: Masking
    confirmed_us: int


class MaskingHistory:
    """All methods raise `StoreError` when the database refuses."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def last(self) -> dict[int, Last]:
        """What holds, by camera, as far as it was written down."""
        sql = "SELECT camera, said, confirmed_us FROM masking WHERE end_us IS NULL ORDER BY masking"
        rows = await self._store.read(lambda link: link.execute(sql).fetchall())
        found = {camera: (_read(said), confirmed_us) for camera, said, confirmed_us in rows}
        return {camera: Last(what, confirmed_us) for camera, (what, confirmed_us) in found.items() if what is not None}

    async def begin(self, camera: int, what: Masking, start_us: int, now_us: int) -> None:
        """Something else holds: since `start_us` at the earliest, and what held before until now at the latest."""
        said = json.dumps(masking.document(what))

        def write(link: sqlite3.Connection) -> None:
            link.execute("UPDATE masking SET end_us = ?, confirmed_us = ? WHERE camera = ? AND end_us IS NULL",
                         (now_us, now_us, camera))  # fmt: skip
            link.execute(
                "INSERT INTO masking (camera, start_us, confirmed_us, said) VALUES (?, ?, ?, ?)",
                (camera, min(start_us, now_us), now_us, said),
            )
            # What is older than every recording, and what a camera that changes its mind all day would fill.
            oldest = "coalesce((SELECT min(start_us) FROM segment WHERE camera = ?1 AND garbage = 0), 0)"
            most = "(SELECT masking FROM masking WHERE camera = ?1 ORDER BY masking DESC LIMIT 1 OFFSET ?2)"
            link.execute(f"DELETE FROM masking WHERE camera = ?1 AND end_us < {oldest}", (camera,))  # noqa: S608
            link.execute(f"DELETE FROM masking WHERE camera = ?1 AND masking <= {most}", (camera, _MOST_ROWS))  # noqa: S608

        await self._store.write(write)

    async def confirm(self, camera: int, now_us: int) -> None:
        """What holds still does."""
        sql = "UPDATE masking SET confirmed_us = ? WHERE camera = ? AND end_us IS NULL"
        await self._store.write(lambda link: link.execute(sql, (now_us, camera)))

    async def between(self, camera: int, start_us: int, end_us: int) -> tuple[Past, ...]:
        """What held at some time in [start, end), the newest `MOST_TOLD`; a time that none covers is not known."""
        sql = (
            "SELECT masking, start_us, end_us, said FROM masking WHERE camera = ? AND end_us > ? AND start_us < ?"
            " UNION ALL SELECT masking, start_us, end_us, said FROM masking"
            " WHERE camera = ? AND end_us IS NULL AND start_us < ? ORDER BY masking DESC LIMIT ?"
        )
        asked = (camera, start_us, end_us, camera, end_us, MOST_TOLD)
        rows = await self._store.read(lambda link: link.execute(sql, asked).fetchall())
        read = [(start, end, _read(said)) for _, start, end, said in reversed(rows)]
        return tuple(Past(start, end, what) for start, end, what in read if what is not None)


def _read(said: str) -> Masking | None:
    """None for a row that another version of the box, or a damaged database, left."""
    try:
        return masking.masking(json.loads(said))
    except (KeyError, TypeError, ValueError, PeerError):
        return None
