"""The box's SQLite database: one writer on its own thread, readers on another, both off the event loop.

Write-ahead log with `synchronous=FULL`: what a write returned from is on disk. A function handed to `write` runs
inside one transaction and is undone as a whole when it raises.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from wire.base.errors import StoreError

SCHEMA = Path(__file__).with_name("schema.sql")
SCHEMA_VERSION = "1"
T = TypeVar("T")


class Store:
    """An open database. Create with `Store.open`, end with `close`."""

    def __init__(self, path: Path, writer: sqlite3.Connection, reader: sqlite3.Connection) -> None:
        self.path = path
        self._writer, self._reader = writer, reader
        self._write_thread = ThreadPoolExecutor(1, "store-write")
        self._read_thread = ThreadPoolExecutor(1, "store-read")

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

    def close(self) -> None:
        """Finish what was handed over and close."""
        self._write_thread.shutdown()
        self._read_thread.shutdown()
        self._reader.close()
        self._writer.close()

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
    link = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
    link.execute("PRAGMA journal_mode = WAL")
    link.execute("PRAGMA synchronous = FULL")
    link.execute("PRAGMA foreign_keys = 1")
    return link


def _reading(query: Callable[[sqlite3.Connection], T], link: sqlite3.Connection) -> T:
    try:
        return query(link)
    except sqlite3.Error as error:
        raise StoreError(f"the database refused: {error}") from error
