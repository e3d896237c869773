"""The box's SQLite database: one writer on its own thread, several readers on others, all off the event loop.

Write-ahead log with `synchronous=FULL`: what a write returned from is on disk. A function handed to `write` runs
inside one transaction and is undone as a whole when it raises.
"""

import asyncio
import contextlib
import os
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from base.errors import StoreError
from base.files import blank
from nvr_box.db import migrate
from nvr_box.db.link import BUSY_MS, Link, connected, is_damage

READERS = 3
T = TypeVar("T")


class Damaged(StoreError):
    """What is in the file is no sound database any more."""


class Store:
    """An open database. Create with `Store.open`, end with `close`."""

    def __init__(self, path: Path, writer: Link, readers: list[Link]) -> None:
        self.path = path
        self._watched = threading.Lock()
        self._free: queue.SimpleQueue[Link] = queue.SimpleQueue()
        self._use(writer, readers)
        self._write_thread = ThreadPoolExecutor(1, "store-write")
        self._unscrubbed = True
        self._read_threads = ThreadPoolExecutor(READERS, "store-read")
        self.damage = ""
        """What was found wrong with the file while it was used, empty while nothing was."""

    def _use(self, writer: Link, readers: list[Link]) -> None:
        # One connection alone sees `data_version` grow; the others wait for the next reader.
        self._writer, self._watch = writer, readers[0]
        for reader in readers[1:]:
            self._free.put(reader)

    @classmethod
    def open(cls, path: Path) -> "Store":
        """Open or create the database at `path`, readable by its owner only.

        Raises:
            Damaged: it is no database, or not a sound one.
            Newer: it is of a later version of this program.
            StoreError: the disk refuses.
        """
        return cls(path, *_opened(path))

    async def write(self, change: Callable[[Link], T]) -> T:
        """Run `change` in one transaction on the writer's thread.

        Raises:
            StoreError: the disk or the database refused; nothing of the change is kept.
        """
        return await asyncio.wrap_future(self.submit(change))

    def submit(self, change: Callable[[Link], T]) -> "Future[T]":
        """`write` for callers on other threads."""
        return self._write_thread.submit(self._transact, change)

    async def read(self, query: Callable[[Link], T]) -> T:
        """Run `query` on a reader's thread; it sees everything written before.

        Raises:
            StoreError: the disk or the database refused.
        """
        return await asyncio.wrap_future(self.ask(query))

    def ask(self, query: Callable[[Link], T]) -> "Future[T]":
        """`read` for callers on other threads."""
        return self._read_threads.submit(self._reading, query)

    async def version(self) -> int:
        """A number that is another one after every change, by this process or another."""
        return await asyncio.to_thread(self._version)

    def mend(self, rebuild: Callable[[], object]) -> "Future[None]":
        """Let go of the file, have it replaced by `rebuild`, and go on with the new one; requests wait meanwhile."""
        return self._write_thread.submit(self._mend, rebuild)  # raises what `open` and `rebuild` do

    async def scrub(self) -> bool:
        """Leave nothing of what was deleted in the files: free pages are overwritten as they become free, and here
        the write-ahead log, which held them before, is emptied and overwritten in place.

        False when another connection reads from the log at this moment: `scrub_rest`, called now and then, makes up
        for it.

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
        self._read_threads.shutdown()
        with contextlib.suppress(StoreError):
            # The log's file is removed with its last connection; what is in it would lie on the disk for ever.
            self._scrub()
        self._let_go()

    def _mend(self, rebuild: Callable[[], object]) -> None:
        with self._watched:
            closed = self._let_go()
            try:
                rebuild()
                links = _opened(self.path)
            except BaseException:
                # Closed connections refuse callers, which would wait for ever without any.
                self._use(closed[0], closed[1:])
                raise
            self._use(*links)
            self.damage = ""

    def _let_go(self) -> list[Link]:
        links = [self._writer, self._watch, *(self._free.get() for _ in range(READERS))]
        _close(links)
        return links

    def _scrub(self) -> bool:
        log = self.path.with_name(self.path.name + "-wal")
        try:
            # Writers, recording among them, do not wait for readers.
            self._writer.execute("PRAGMA busy_timeout = 0")
            busy, *_ = self._writer.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
            if busy:
                return False
            # No connection reads from the log any more, and while this transaction is open none writes to it.
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
            self._writer.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        return True

    def _transact(self, change: Callable[[Link], T]) -> T:
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
            raise self._refused(error) from error
        return result

    def _reading(self, query: Callable[[Link], T]) -> T:
        link = self._free.get()
        try:
            return query(link)
        except sqlite3.Error as error:
            raise self._refused(error) from error
        finally:
            self._free.put(link)

    def _version(self) -> int:
        with self._watched:
            try:
                (version,) = self._watch.execute("PRAGMA data_version").fetchone()
            except sqlite3.Error as error:
                raise self._refused(error) from error
        return int(version)

    def _refused(self, error: sqlite3.Error) -> StoreError:
        if is_damage(error):
            self.damage = str(error)
            return Damaged(f"the database is damaged: {error}")
        return StoreError(f"the database refused: {error}")


def _opened(path: Path) -> tuple[Link, list[Link]]:
    links: list[Link] = []
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        links.append(writer := connected(path))
        migrate.upgrade(writer, path)
        for _ in range(READERS + 1):
            links.append(reader := connected(path))
            reader.execute("PRAGMA query_only = 1")
    except (OSError, sqlite3.Error) as error:
        _close(links)
        kind = Damaged if isinstance(error, sqlite3.Error) and is_damage(error) else StoreError
        raise kind(f"{path}: cannot be opened as the box's database: {error}") from error
    except BaseException:
        _close(links)
        raise
    return writer, links[1:]


def _close(links: list[Link]) -> None:
    for link in links:
        link.close()
