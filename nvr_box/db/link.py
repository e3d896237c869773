"""A connection to the database. Outside this folder it is handed on and not inspected."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

Link = sqlite3.Connection
DatabaseError = sqlite3.Error
"""What SQLite raises; `Store` makes a StoreError of it."""
BUSY_MS = 30_000
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def connected(path: Path) -> Link:
    """Open the database for writing: what a commit returned from is on disk, and nothing deleted stays in the file."""
    link = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=BUSY_MS / 1000)
    link.execute("PRAGMA journal_mode = WAL")
    link.execute("PRAGMA synchronous = FULL")
    link.execute("PRAGMA foreign_keys = 1")
    link.execute("PRAGMA secure_delete = ON")
    return link


@contextmanager
def looking(path: Path) -> Iterator[Link]:
    """Open it for reading alone, on a connection of its own."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as link:
        yield link


def is_damage(error: DatabaseError) -> bool:
    """Whether SQLite says that the file itself is not sound."""
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _DAMAGE


def is_full(error: BaseException) -> bool:
    """Whether SQLite found no room on the disk."""
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
