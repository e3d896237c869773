"""A damaged database: put aside as it is, and what can still be read of it copied into a fresh one.

The recordings themselves lie in files, whose rows `nvr_box/record/salvage.py` makes anew; of everything else a page
that cannot be read costs the rows on it. What was lost is written down where `check` and the page say it.
"""

import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from base.errors import StoreError
from nvr_box.audit import log as audit
from nvr_box.clock import utc_us
from nvr_box.db.database import Store
from nvr_box.notices import Notice

log = logging.getLogger(__name__)
FOLDER = "damaged"
_FACT, _BOX = "damage", "the box"
# Kept by triggers, or made of the others.
_MADE = frozenset({"usage", "block"})
# Best shots belong to passages, so they come after them.
_LAST = ("best_shot",)
_FURTHEST = 1 << 40
_SAID_FOR_US = 7 * 86_400_000_000


@dataclass(frozen=True, slots=True)
class Damage:
    """What happened to the database once.

    Attributes:
        file: where the damaged one lies, below the state folder.
        lost: rows that could not be read, at most, by table.
    """

    utc_us: int
    why: str
    file: str
    lost: dict[str, int]

    def sentence(self) -> str:
        """For people."""
        gone = ", ".join(f"up to {count} of {table}" for table, count in sorted(self.lost.items()) if count)
        said = f"the database was damaged ({self.why}) and made anew from what could be read; it lies in {self.file}"
        return f"{said}. Lost: {gone or 'nothing that was missed'}"


def rebuild(path: Path, recordings: Path, why: str) -> Damage:
    """Put the database at `path` aside and make another of what can be read.

    Raises:
        StoreError: the disk refuses.
    """
    now_us = utc_us()
    aside = path.parent / FOLDER / f"{path.stem}-{now_us // 1_000_000}{path.suffix}"
    try:
        aside.parent.mkdir(mode=0o700, exist_ok=True)
        for end in ("-wal", "-shm", ""):
            with suppress(FileNotFoundError):
                path.with_name(path.name + end).rename(aside.with_name(aside.name + end))
    except OSError as error:
        raise StoreError(f"{path}: the damaged database cannot be put aside: {error.strerror}") from error
    store = Store.open(path)
    try:
        lost = store.submit(lambda link: _copied(link, aside)).result()
        damage = Damage(now_us, why, f"{FOLDER}/{aside.name}", lost)
        store.submit(lambda link: _write_down(link, damage, recordings)).result()
    finally:
        store.close()
    log.error("%s", damage.sentence())
    return damage


def last(link: sqlite3.Connection) -> Damage | None:
    """The last damage, None when there never was any."""
    row = link.execute("SELECT value FROM fact WHERE name = ?", (_FACT,)).fetchone()
    return Damage(**json.loads(row[0])) if row else None


def notices(damage: Damage | None) -> Iterator[Notice]:
    """For a week."""
    if damage is not None and abs(utc_us() - damage.utc_us) < _SAID_FOR_US:
        words = damage.sentence()
        yield Notice("database", words[:1].upper() + words[1:] + ".")


def _copied(link: sqlite3.Connection, aside: Path) -> dict[str, int]:
    """Copy every table as far as it can be read; what was lost."""
    tables = [name for (name,) in link.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
    wanted = [name for name in tables if not name.startswith("sqlite_") and name not in _MADE]
    wanted.sort(key=lambda name: name in _LAST)
    lost = dict.fromkeys(wanted, 0)
    with closing(sqlite3.connect(aside, isolation_level=None)) as old:
        old.text_factory = lambda data: data.decode("utf-8", "replace")
        for table in wanted:
            try:
                lost[table] = _copy_audit(link, old) if table == "audit" else _copy(link, old, table)
            except sqlite3.Error as error:
                log.warning("of the damaged database nothing of %s can be read: %s", table, error)
                lost[table] = 1
    return {table: count for table, count in lost.items() if count}


def _copy(link: sqlite3.Connection, old: sqlite3.Connection, table: str) -> int:
    """Rows lost of one table."""
    info = list(link.execute(f"PRAGMA table_info({table})"))
    there = {row[1] for row in old.execute(f"PRAGMA table_info({table})")}
    columns = [row[1] for row in info if row[1] in there]
    if not columns:
        return 0  # a table that is newer than the damaged database
    marks = ", ".join("?" * len(columns))
    sql = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - names of our schema
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


def _copy_audit(link: sqlite3.Connection, old: sqlite3.Connection) -> int:
    """Entries lost: everything behind the first that does not fit, which would prove nothing any more."""
    kept, newest, previous = 0, 0, audit.FIRST
    columns = [row[1] for row in link.execute("PRAGMA table_info(audit)")]
    for row in _by_row(old, "audit", columns):
        if isinstance(row, int):
            newest += row
            continue
        newest = max(newest, int(row[0]))
        if row[0] == kept + 1 and audit.fits(previous, row):
            link.execute(f"INSERT INTO audit VALUES ({', '.join('?' * len(columns))})", row)  # noqa: S608
            kept, previous = kept + 1, row[-1]
    return newest - kept


def _by_row(old: sqlite3.Connection, table: str, columns: list[str]) -> Iterator[tuple[Any, ...] | int]:
    """Every row that can be read, in order, and how many numbers are passed over where that fails."""
    sql = f"SELECT rowid, {', '.join(columns)} FROM {table} WHERE rowid > ? ORDER BY rowid"  # noqa: S608 - as above
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
                newest = old.execute(f"SELECT max(rowid) FROM {table}").fetchone()[0]  # noqa: S608 - as above
            yield max(1, newest - max(at, 0))
            return
        yield behind[0] - at - 1
        at = behind[0]
        yield behind[1:]


def _behind(old: sqlite3.Connection, sql: str, at: int) -> tuple[Any, ...] | None:
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


def _by_key(
    old: sqlite3.Connection, table: str, columns: list[str], keys: str
) -> Iterator[tuple[Any, ...] | int]:
    """The same of a table without row numbers: from both ends as far as it goes."""
    lost = 0
    for order in ("ASC", "DESC"):
        sql = f"SELECT {', '.join(columns)} FROM {table} ORDER BY {keys} {order}"  # noqa: S608 - as above
        try:
            yield from old.execute(sql)
            return
        except sqlite3.Error:
            lost = 1
    yield lost


def _write_down(link: sqlite3.Connection, damage: Damage, recordings: Path) -> None:
    values = {"utc_us": damage.utc_us, "why": damage.why, "file": damage.file, "lost": damage.lost}
    link.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (_FACT, json.dumps(values)))
    # A number that recordings lie under is never given to another camera.
    for folder in recordings.iterdir() if recordings.exists() else ():
        if folder.name.isdigit():
            link.execute(
                "INSERT OR IGNORE INTO camera (camera, name, xaddr, user, password, stream_uri, profile, manufacturer,"
                " model, serial, recording, removed, added_utc_us)"
                " VALUES (?, '', '', '', '', '', '', '', '', '', 0, 1, 0)",
                (int(folder.name),),
            )
    details: dict[str, audit.Detail] = {"why": damage.why, "file": damage.file}
    details |= {f"lost_{table}": count for table, count in damage.lost.items()}
    audit.append(link, _BOX, "database", camera=None, reason="", granted=True, details=details)
