"""Packets on their way to the box: on disk before they are sent, gone only when the box has them.

SQLite in the camera's state directory, WAL, one writer. Packets lie there sealed; nothing in the file can be opened
with what the camera holds. A sequence number is given once and never again, also after the file was lost: a new file
begins at the second of its making, above any number that an older one can have reached (packets are far fewer than
seconds), and within the 32 bits that a packet has for it.
"""

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from base.errors import SealError, StoreError, WireError

log = logging.getLogger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS packet (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    sealed   BLOB NOT NULL,
    made_us  INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS refused (
    sequence INTEGER PRIMARY KEY,
    sealed   BLOB NOT NULL,
    made_us  INTEGER NOT NULL,
    why      TEXT NOT NULL,
    at_us    INTEGER NOT NULL
);
"""
_PARKED = 2000


@dataclass(frozen=True, slots=True)
class Queued:
    """One packet that the box has not acknowledged."""

    sequence: int
    sealed: bytes


class Outbox:
    """The queue. Any thread; calls are short.

    Args:
        path: the database file; made when missing.
        clock: UTC seconds.

    Raises:
        StoreError: the file cannot be opened, or is not an outbox.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._parked: deque[Callable[[int], bytes]] = deque()
        self.lost = 0
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
            self._db.execute(
                "INSERT INTO sqlite_sequence (name, seq) SELECT 'packet', ? "
                "WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'packet')",
                (int(clock()),),
            )
            path.chmod(0o600)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"{path}: the outbox cannot be used: {error}") from error

    @classmethod
    def open_or_replace(cls, path: Path, clock: Callable[[], float] = time.time) -> "Outbox":
        """The outbox at `path`; a damaged file is put aside and a new one begun, for a camera must not stop for it.

        Raises:
            StoreError: the file cannot be opened or put aside.
        """
        try:
            return cls(path, clock)
        except StoreError as error:
            broken = isinstance(error.__cause__, sqlite3.DatabaseError)
            if not broken or isinstance(error.__cause__, sqlite3.OperationalError):
                raise
            aside = path.with_name(f"{path.name}.damaged-{int(clock())}")
            log.error("%s; put aside as %s: the packets in it are lost to the box", error, aside.name)  # noqa: TRY400  # the operator's sentence
            try:
                path.rename(aside)
                for end in ("-wal", "-shm"):
                    path.with_name(path.name + end).unlink(missing_ok=True)
            except OSError as refused:
                raise StoreError(f"{path}: damaged, and cannot be put aside: {refused.strerror}") from refused
            return cls(path, clock)

    def add(self, seal: Callable[[int], bytes]) -> int | None:
        """Number, seal and keep one packet.

        While the disk refuses, packets wait in memory (2000 at most, then the oldest are lost and counted in `lost`)
        and are written as soon as it takes them.

        Args:
            seal: given the packet's sequence number, returns it sealed.

        Returns:
            the sequence number, or None when the packet waits in memory.
        """
        with self._lock:
            self._parked.append(seal)
            if len(self._parked) > _PARKED:
                self._parked.popleft()
                self.lost += 1
            return self._write_parked()

    def retry(self) -> bool:
        """Write what waits in memory; True when nothing waits any more."""
        with self._lock:
            self._write_parked()
            return not self._parked

    def head(self, count: int) -> list[Queued]:
        """The oldest packets, at most `count`.

        Raises:
            StoreError: the database refuses.
        """
        with self._lock:
            try:
                rows = self._db.execute("SELECT sequence, sealed FROM packet ORDER BY sequence LIMIT ?", (count,))
                return [Queued(sequence, bytes(sealed)) for sequence, sealed in rows]
            except sqlite3.Error as error:
                raise StoreError(f"{self.path}: {error}") from error

    def acknowledge(self, sequences: Iterable[int]) -> None:
        """The box has committed these: forget them. Unknown numbers are ignored, so it may be repeated.

        Raises:
            StoreError: the database refuses; they will be sent and acknowledged again.
        """
        with self._lock:
            try:
                self._db.executemany("DELETE FROM packet WHERE sequence = ?", [(number,) for number in sequences])
            except sqlite3.Error as error:
                raise StoreError(f"{self.path}: {error}") from error

    def refuse(self, sequence: int, why: str) -> None:
        """The box will never take this one: put it aside, with the reason.

        Raises:
            StoreError: the database refuses.
        """
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.execute(
                    "INSERT OR REPLACE INTO refused SELECT sequence, sealed, made_us, ?, ? FROM packet "
                    "WHERE sequence = ?",
                    (why[:500], int(self._clock() * 1e6), sequence),
                )
                self._db.execute("DELETE FROM packet WHERE sequence = ?", (sequence,))
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                self._roll_back()
                raise StoreError(f"{self.path}: {error}") from error

    def counts(self) -> tuple[int, int]:
        """Packets waiting (in memory too) and packets refused."""
        with self._lock:
            waiting, refused = self._db.execute(
                "SELECT (SELECT count(*) FROM packet), (SELECT count(*) FROM refused)"
            ).fetchone()
            return waiting + len(self._parked), refused

    def forget_all(self) -> None:
        """Remove every packet: they are sealed to a box that this camera no longer belongs to."""
        with self._lock:
            self._parked.clear()
            self._db.execute("DELETE FROM packet")

    def close(self) -> None:
        """Write what waits, if the disk takes it, and close."""
        with self._lock:
            self._write_parked()
            if self._parked:
                log.error("%s: %d packets could not be written and are lost", self.path, len(self._parked))
            self._db.close()

    def _write_parked(self) -> int | None:
        sequence: int | None = None
        while self._parked:
            try:
                sequence = self._insert(self._parked[0])
            except (SealError, WireError) as error:
                # It will never be sealed: waiting for it would hold up every packet behind it.
                self._roll_back()
                self.lost += 1
                log.error("%s: a packet is lost: %s", self.path, error)  # noqa: TRY400  # the operator's sentence
            except sqlite3.Error as error:
                self._roll_back()
                if len(self._parked) == 1:
                    log.error(  # noqa: TRY400  # the operator's sentence; a trace adds nothing
                        "%s: %s; packets wait in memory until the disk takes them", self.path, error
                    )
                return None
            self._parked.popleft()
        return sequence

    def _insert(self, seal: Callable[[int], bytes]) -> int:
        made_us = int(self._clock() * 1e6)
        self._db.execute("BEGIN IMMEDIATE")
        cursor = self._db.execute("INSERT INTO packet (sealed, made_us) VALUES (x'', ?)", (made_us,))
        sequence = cursor.lastrowid
        assert sequence is not None
        self._db.execute("UPDATE packet SET sealed = ? WHERE sequence = ?", (seal(sequence), sequence))
        self._db.execute("COMMIT")
        return sequence

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
