"""What can still be read of a damaged database: a page that cannot be read costs the rows on it, and no others."""

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from nvr_box.db.link import Link

log = logging.getLogger(__name__)
Fits = Callable[[bytes, tuple[Any, ...]], bool]
# Kept by triggers, or made of the others.
_MADE = frozenset({"usage", "block"})
# Best shots belong to passages, so they come after them.
_LAST = ("best_shot",)
_FURTHEST = 1 << 40


def copied(link: Link, aside: Path, fits: Fits, first: bytes) -> dict[str, int]:
    """Copy every table of the database at `aside` as far as it can be read; rows lost by table, where any are.

    Args:
        fits: whether an entry of the audit log belongs behind one with this hash.
        first: the hash that the first entry belongs behind.
    """
    tables = [name for (name,) in link.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
    wanted = [name for name in tables if not name.startswith("sqlite_") and name not in _MADE]
    wanted.sort(key=lambda name: name in _LAST)
    lost = dict.fromkeys(wanted, 0)
    with closing(sqlite3.connect(aside, isolation_level=None)) as old:
        old.text_factory = lambda data: data.decode("utf-8", "replace")
        for table in wanted:
            try:
                lost[table] = _copy_audit(link, old, fits, first) if table == "audit" else _copy(link, old, table)
            except sqlite3.Error as error:
                log.warning("of the damaged database nothing of %s can be read: %s", table, error)
                lost[table] = 1
    return {table: count for table, count in lost.items() if count}


def _copy(link: Link, old: Link, table: str) -> int:
    """Rows lost of one table."""
    info = list(link.execute(f"PRAGMA table_info({table})"))
    there = {row[1] for row in old.execute(f"PRAGMA table_info({table})")}
    columns = [row[1] for row in info if row[1] in there]
    if not columns:
        return 0  # a table that is newer than the damaged database
    marks = ", ".join("?" * len(columns))
    sql = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({marks})"
    (definition,) = link.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (table,)).fetchone()
    keys = ", ".join(row[1] for row in info if row[5])
    read = _by_key(old, table, columns, keys) if "WITHOUT ROWID" in definition else _by_row(old, table, columns)
    lost = 0
    for row in read:
        if isinstance(row, int):
            lost += row
            continue
        try:
            link.execute(sql, row)
        except sqlite3.Error:  # nonsense where a number should be, or a best shot without its passage
            lost += 1
    return lost


def _copy_audit(link: Link, old: Link, fits: Fits, first: bytes) -> int:
    """Entries lost: everything behind the first that does not fit, which would prove nothing any more."""
    kept, newest, previous = 0, 0, first
    columns = [row[1] for row in link.execute("PRAGMA table_info(audit)")]
    for row in _by_row(old, "audit", columns):
        if isinstance(row, int):
            newest += row
            continue
        newest = max(newest, int(row[0]))
        if row[0] == kept + 1 and fits(previous, row):
            link.execute(f"INSERT INTO audit VALUES ({', '.join('?' * len(columns))})", row)
            kept, previous = kept + 1, row[-1]
    return newest - kept


def _by_row(old: Link, table: str, columns: list[str]) -> Iterator[tuple[Any, ...] | int]:
    """Every row that can be read, in order, and how many numbers are passed over where that fails."""
    sql = f"SELECT rowid, {', '.join(columns)} FROM {table} WHERE rowid > ? ORDER BY rowid"
    at = -1
    while True:
        with suppress(sqlite3.Error):
            for row in old.execute(sql, (at,)):
                at = row[0]
                yield row[1:]
            return
        behind = _behind(old, sql, at)
        if behind is None:
            newest = at + 1  # at least
            with suppress(sqlite3.Error):
                newest = old.execute(f"SELECT max(rowid) FROM {table}").fetchone()[0]
            yield max(1, newest - max(at, 0))
            return
        yield behind[0] - at - 1
        at = behind[0]
        yield behind[1:]


def _behind(old: Link, sql: str, at: int) -> tuple[Any, ...] | None:
    """The first row behind `at` that can be read again, None when there is none."""

    def whole(number: int) -> tuple[Any, ...] | None:
        """The first row behind `number`, when it and the way to it can be read."""
        with suppress(sqlite3.Error):
            row: tuple[Any, ...] | None = old.execute(f"{sql} LIMIT 1", (number,)).fetchone()
            return row
        return None

    found, low, step = whole(at), at, 1
    while found is None and step < _FURTHEST:
        low, found = at + step // 2, whole(at + step)
        step *= 2
    while found is not None and found[0] - low > 1:
        middle = (low + found[0]) // 2
        nearer = whole(middle)
        if nearer is None or nearer[0] >= found[0]:
            low = middle
        else:
            found = nearer
    return found


def _by_key(old: Link, table: str, columns: list[str], keys: str) -> Iterator[tuple[Any, ...] | int]:
    """The same of a table without row numbers: from both ends as far as it goes."""
    lost = 0
    for order in ("ASC", "DESC"):
        sql = f"SELECT {', '.join(columns)} FROM {table} ORDER BY {keys} {order}"
        try:
            yield from old.execute(sql)
            return
        except sqlite3.Error:
            lost = 1
    yield lost
