"""Looking for damage in the database before anybody needs the damaged page: one table after the other, slowly.

SQLite finds a damaged page when it is read, and what is not read for a month (old entries of the log, passages of last
week) may rot for a month. `quick_check` of one table reads its pages and those of its indexes; on a connection of its
own it holds no writer back.
"""

import asyncio
import logging
import threading

from nvr_box.db.database import Store
from nvr_box.db.link import DatabaseError, is_damage, looking
from nvr_box.db.soundness import quick_check, tables

log = logging.getLogger(__name__)
# While it reads, the write-ahead log cannot begin from its start: a table that takes longer is left half checked.
_LONGEST_S = 20.0


class Soundness:
    """One box's; belongs to the event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._last = ""

    async def step(self) -> None:
        """Look at the next table; what is found is the store's `damage`, which housekeeping mends."""
        if self._store.damage:
            return
        self._last, fault = await asyncio.to_thread(self._look, self._last)
        if fault:
            self._store.damage = self._store.damage or fault

    def _look(self, last: str) -> tuple[str, str]:
        """The table that was checked, behind `last` in turn, and what is wrong with it."""
        table = last
        try:
            with looking(self._store.path) as link:
                names = tables(link)
                table = next((name for name in names if name > last), min(names, default=""))
                late = threading.Timer(_LONGEST_S, link.interrupt)
                late.start()
                try:
                    said = quick_check(link, table)
                finally:
                    late.cancel()
                    late.join()  # it may hold the connection, which is closed next
        except DatabaseError as error:
            if is_damage(error):
                return table, f"{table}: {error}" if table else str(error)
            log.debug("%s was not checked to its end: %s", table or "the database", error)
            return table, ""
        return table, f"{table}: {said[0].splitlines()[-1]}" if said else ""
