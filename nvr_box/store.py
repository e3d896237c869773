"""The box's SQLite database: one writer on its own thread, readers on another, both off the event loop.

Write-ahead log with `synchronous=FULL`: what a write returned from is on disk. A function handed to `write` runs
inside one transaction and is undone as a whole when it raises.
"""

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from wire.base.errors import StoreError
from wire.base.files import blank

SCHEMA = Path(__file__).with_name("schema.sql")
SCHEMA_VERSION = "1"
_BUSY_MS = 30_000
T = TypeVar("T")


class Store:
    """An open database. Create with `Store.open`, end with `close`."""

    def __init__(self, path: Path, writer: sqlite3.Connection, reader: sqlite3.Connection) -> None:
        self.path = path
        self._writer, self._reader = writer, reader
        self._write_thread = ThreadPoolExecutor(1, "store-write")
        self._read_thread = ThreadPoolExecutor(1, "store-read")
        self._unscrubbed = True

    @classmethod
    def open(cls, path: Path) -> "Store":
        """Open or create the database at `path`, readable by its owner only.

        Raises:
            StoreError: not a database of ours, of a later version, or the disk refuses.
        """
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            writer = _connect(path)
            writer.executescript(SCHEMA.read_text(encoding="utf-8"))
            writer.execute("INSERT OR IGNORE INTO fact VALUES ('schema', ?)", (SCHEMA_VERSION,))
            (version,) = writer.execute("SELECT value FROM fact WHERE name = 'schema'").fetchone()
            reader = _connect(path)
            reader.execute("PRAGMA query_only = 1")
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{path}: cannot be opened as the box's database: {error}") from error
        if version != SCHEMA_VERSION:
            raise StoreError(f"{path}: has schema {version}, this program speaks {SCHEMA_VERSION}")
        return cls(path, writer, reader)

    async def write(self, change: Callable[[sqlite3.Connection], T]) -> T:
        """Run `change` in one transaction on the writer's thread.

        Raises:
            StoreError: the disk or the database refused; nothing of the change is kept.
        """
        return await asyncio.wrap_future(self.submit(change))

    def submit(self, change: Callable[[sqlite3.Connection], T]) -> "Future[T]":
        """`write` for callers on other threads."""
        return self._write_thread.submit(self._transact, change)

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run `query` on the reader's thread; it sees everything written before.

        Raises:
            StoreError: the disk or the database refused.
        """
        return await asyncio.wrap_future(self._read_thread.submit(_reading, query, self._reader))

    async def scrub(self) -> bool:
        """Leave nothing of what was deleted in the files: free pages are overwritten as they become free, and here
        the write-ahead log, which held them before, is emptied and overwritten in place.

        False when somebody reads from the log at this moment: `scrub_rest`, called now and then, makes up for it.

        Raises:
            StoreError: the disk or the database refused.
        """
        self._unscrubbed = True
        return await self.scrub_rest()

    async def scrub_rest(self) -> bool:
        """Do what `scrub` had to leave. Raises as it does."""
        if self._unscrubbed:
            self._unscrubbed = not await asyncio.wrap_future(self._write_thread.submit(self._scrub))
        return not self._unscrubbed

    def close(self) -> None:
        """Finish what was handed over and close."""
        self._write_thread.shutdown()
        self._read_thread.shutdown()
        self._reader.close()
        with contextlib.suppress(StoreError):
            # The log's file is removed with its last connection; what is in it would lie on the disk for ever.
            self._scrub()
        self._writer.close()

    def _scrub(self) -> bool:
        log = self.path.with_name(self.path.name + "-wal")
        try:
            # Writers, recording among them, do not wait for whoever reads.
            self._writer.execute("PRAGMA busy_timeout = 0")
            busy, *_ = self._writer.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
            if busy:
                return False
            # Nobody reads from the log any more, and while this transaction is open nobody writes to it.
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                with contextlib.suppress(FileNotFoundError):
                    blank(log)
            finally:
                self._writer.execute("COMMIT")
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                return False
            raise StoreError(f"the database refused: {error}") from error
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"the database refused: {error}") from error
        finally:
            self._writer.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        return True

    def _transact(self, change: Callable[[sqlite3.Connection], T]) -> T:
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                result = change(self._writer)
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise StoreError(f"the database refused: {error}") from error
        return result


def _connect(path: Path) -> sqlite3.Connection:
    link = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=_BUSY_MS / 1000)
    link.execute("PRAGMA journal_mode = WAL")
    link.execute("PRAGMA synchronous = FULL")
    link.execute("PRAGMA foreign_keys = 1")
    link.execute("PRAGMA secure_delete = ON")
    return link


def _reading(query: Callable[[sqlite3.Connection], T], link: sqlite3.Connection) -> T:
    try:
        return query(link)
    except sqlite3.Error as error:
        raise StoreError(f"the database refused: {error}") from error
