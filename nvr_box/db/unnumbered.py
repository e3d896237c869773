"""Databases from before the numbers: they all say 0, and their schemas differ.

Such a one is compared with the first migration: a table without a column gets it or is made again, and what is not as
there of indexes goes and comes back with it, as triggers and views always do. What triggers count is counted once
where nothing has counted before.
"""

import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing

_ASIDE = "_unnumbered"
# At the end of a table that may have millions of rows: nothing is copied for these.
_ADDED = {
    "segment": {"clock_error_us": "INTEGER NOT NULL DEFAULT 0", "seen_bytes": "INTEGER NOT NULL DEFAULT 0"},
}
_COUNTED = (
    "DELETE FROM usage",
    (
        "INSERT INTO usage (camera, bytes, span_us, longest_us)"
        " SELECT camera, sum(bytes + seen_bytes), sum(end_us - start_us), max(end_us - start_us) FROM segment"
        " WHERE garbage = 0 GROUP BY camera"
    ),
    (
        "INSERT INTO usage (camera, packets, longest_passage_us)"
        " SELECT camera, count(*), max(last_us - first_us) FROM packet WHERE true GROUP BY camera"
        " ON CONFLICT (camera) DO UPDATE SET packets = excluded.packets,"
        " longest_passage_us = excluded.longest_passage_us"
    ),
    (
        "UPDATE usage SET shot_bytes = coalesce("
        "(SELECT sum(length(jpeg)) FROM packet JOIN best_shot USING (packet) WHERE packet.camera = usage.camera), 0)"
    ),
)


def adopt(link: sqlite3.Connection, first: Sequence[str]) -> None:
    """Make the database one of the first migration, whose statements these are; in its transaction.

    References are not checked meanwhile (`PRAGMA foreign_keys = 0`).
    """
    counted = bool(_columns(link, "usage"))
    with closing(sqlite3.connect(":memory:")) as wanted:
        for statement in first:
            wanted.execute(statement)
        aside = _clear(link, wanted)
    for statement in first:
        link.execute(statement)
    for table in aside:
        _move(link, table)
    if aside or not counted:
        for statement in _COUNTED:
            link.execute(statement)


def _clear(link: sqlite3.Connection, wanted: sqlite3.Connection) -> list[str]:
    """Add columns, and drop what is to be made again; the tables that were put aside for that."""
    for kind, name in link.execute("SELECT type, name FROM sqlite_schema WHERE type IN ('trigger', 'view')").fetchall():
        link.execute(f"DROP {kind} {name}")
    aside = [table for table in _names(link, "table") & _names(wanted, "table") if not _matched(link, wanted, table)]
    indexes = "SELECT name, tbl_name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"
    kept = {name: _words(sql) for name, _, sql in wanted.execute(indexes)}
    for name, table, sql in link.execute(indexes).fetchall():
        if table in aside or kept.get(name) != _words(sql):
            link.execute(f"DROP INDEX {name}")
    if aside:
        # What refers to a table goes on referring to its name.
        link.execute("PRAGMA legacy_alter_table = 1")
        for table in aside:
            link.execute(f"ALTER TABLE {table} RENAME TO {table}{_ASIDE}")
        link.execute("PRAGMA legacy_alter_table = 0")
    return aside


def _matched(link: sqlite3.Connection, wanted: sqlite3.Connection, table: str) -> bool:
    """Whether a table has the right columns, now that those were added that could be."""
    for column, kind in _ADDED.get(table, {}).items():
        if column not in (each[0] for each in _columns(link, table)):
            link.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
    return _columns(link, table) == _columns(wanted, table)


def _move(link: sqlite3.Connection, table: str) -> None:
    """The rows from aside, and the number that the next row must not go below."""
    there = {column[0] for column in _columns(link, table + _ASIDE)}
    named = ", ".join(str(column[0]) for column in _columns(link, table) if column[0] in there)
    link.execute(f"INSERT INTO {table} ({named}) SELECT {named} FROM {table}{_ASIDE}")
    if _columns(link, "sqlite_sequence"):
        last = link.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table + _ASIDE,)).fetchone()
        if last:
            link.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
            link.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (table, *last))
    link.execute(f"DROP TABLE {table}{_ASIDE}")


def _names(link: sqlite3.Connection, kind: str) -> frozenset[str]:
    sql = "SELECT name FROM sqlite_schema WHERE type = ? AND name NOT LIKE 'sqlite_%'"
    return frozenset(name for (name,) in link.execute(sql, (kind,)))


def _columns(link: sqlite3.Connection, table: str) -> tuple[tuple[object, ...], ...]:
    """(name, type, NOT NULL, default, place in the key) of each; nothing where there is no such table."""
    return tuple(row[1:] for row in link.execute(f"PRAGMA table_info({table})"))


def _words(sql: str) -> str:
    """A statement without comments and spaces that do not matter."""
    return re.sub(r"\s+", " ", re.sub(r"--[^\n]*", "", sql)).strip()
