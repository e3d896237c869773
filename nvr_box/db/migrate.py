"""The numbered migrations: `migrations/NNN_NAME.sql`, applied in order, all in one transaction with their number.

`PRAGMA user_version` is the number of the last one that a database has had. A new database has all of them, so a
migrated one and a new one cannot differ. A process that is killed meanwhile leaves the database as it was before the
first of them: SQLite undoes what did not commit, and the next start begins again.

A migration that was released is never changed; the next one gets the next number. Statements are separated as SQLite
reads them, so triggers may hold semicolons; `PRAGMA foreign_keys` is off while they run, and what the references say
is checked after each of them.
"""

import logging
import os
import shutil
import sqlite3
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from base.errors import StoreError
from base.files import shred, sync_folder
from nvr_box.db import unnumbered

log = logging.getLogger(__name__)
FOLDER = Path(__file__).with_name("migrations")
COPY = ".before-migration"
"""What the name of the copy ends with that is kept of the database as it was before the last migration."""
_KEPT_S = 7 * 86_400.0
_MIB = 1 << 20


class Newer(StoreError):
    """The database is of a later version of this program, which knows more about it than this one."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file."""

    number: int
    statements: tuple[str, ...]


@cache
def migrations() -> tuple[Migration, ...]:
    """All of them, in order, without a gap."""
    files = sorted(FOLDER.glob("[0-9][0-9][0-9]_*.sql"))
    found = tuple(Migration(int(each.name[:3]), _statements(each.read_text(encoding="utf-8"))) for each in files)
    assert [each.number for each in found] == list(range(1, len(found) + 1))
    return found


def newest() -> int:
    """The version of a database of this program."""
    return migrations()[-1].number


def upgrade(link: sqlite3.Connection, path: Path) -> None:
    """Bring the database at `path`, open as `link`, up to this program's version; a copy of the old one is kept.

    Raises:
        Newer: it is of a later version.
        StoreError: a migration left what contradicts itself; nothing of it was kept.
        sqlite3.Error: the disk or the database refused; nothing of the migration at hand was kept.
    """
    version = _version(link)
    refuse_newer(link, path)
    if version == newest():
        return
    fresh = not _tables(link)
    if not fresh:
        log.info("%s: version %d of the database becomes %d", path, version, newest())
        _keep_copy(link, path)
    apply(link)
    if not fresh:
        log.info("%s: the database has version %d now", path, newest())


def apply(link: sqlite3.Connection) -> None:
    """Every migration that it has not had. Raises as `upgrade`."""
    link.execute("PRAGMA foreign_keys = 0")
    try:
        link.execute("BEGIN IMMEDIATE")
        try:
            for each in migrations():
                _apply(link, each)
            link.execute("COMMIT")
        except BaseException:
            if link.in_transaction:
                link.execute("ROLLBACK")
            raise
    finally:
        link.execute("PRAGMA foreign_keys = 1")


def refuse_newer(link: sqlite3.Connection, path: Path) -> None:
    """Raise `Newer` for a database that a later program has written."""
    version = _version(link)
    said = None
    if "fact" in _tables(link):
        said = link.execute("SELECT value FROM fact WHERE name = 'schema'").fetchone()
    if said and said[0].isdigit():
        version = max(version, int(said[0]))
    if version > newest():
        raise Newer(
            f"{path}: the database has version {version}, this program knows versions up to {newest()}:"
            " install the later program again, or put back the database from before"
        )


def copy_of(path: Path) -> Path:
    """Where the copy of the database at `path` lies, where there is one."""
    return path.with_name(path.name + COPY)


def let_copy_go(path: Path) -> None:
    """Destroy the copy after a week: what was let go of in the database since then must not stay in it.

    Raises:
        OSError: the disk refuses.
    """
    with suppress(FileNotFoundError):
        if abs(time.time() - copy_of(path).stat().st_mtime) > _KEPT_S:
            shred(copy_of(path))


def _apply(link: sqlite3.Connection, migration: Migration) -> None:
    # Read here, where no other process can change it any more.
    version = _version(link)
    if version >= migration.number:
        return
    if version == 0 and _tables(link):
        unnumbered.adopt(link, migration.statements)
    else:
        for statement in migration.statements:
            link.execute(statement)
    _check(link, migration.number)
    # For programs from before the numbers, which know this place only.
    link.execute("INSERT OR REPLACE INTO fact VALUES ('schema', ?)", (str(migration.number),))
    link.execute(f"PRAGMA user_version = {migration.number}")


def _check(link: sqlite3.Connection, number: int) -> None:
    wrong = link.execute("PRAGMA foreign_key_check").fetchall()
    if wrong:
        table, row, parent, _ = wrong[0]
        raise StoreError(f"migration {number}: row {row} of {table} would belong to nothing in {parent}")


def _keep_copy(link: sqlite3.Connection, path: Path) -> None:
    """Replace the copy of the last migration. Without room for one the box goes on: each migration is undone whole."""
    copy = copy_of(path)
    part = copy.with_name(copy.name + ".part")
    # Bytes of the copy, and of the log that holds what a migration writes again.
    (pages,), (page_bytes,) = (link.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size"))
    wanted = 2 * pages * page_bytes
    free = shutil.disk_usage(path.parent).free
    if free < wanted:
        log.warning(
            "%s: no copy is kept of the database before its migration: that needs %d MiB, %d MiB are free",
            path, wanted // _MIB + 1, free // _MIB,
        )  # fmt: skip
        return
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with closing(sqlite3.connect(part)) as target:
            link.backup(target)
            # A file of its own: put back, it needs no log beside it.
            target.execute("PRAGMA journal_mode = DELETE")
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.rename(copy)
        sync_folder(path.parent)
    except BaseException as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        if not isinstance(error, OSError | sqlite3.OperationalError):
            raise
        log.warning("%s: the database cannot be copied before its migration: %s", copy, error)


def _version(link: sqlite3.Connection) -> int:
    return int(link.execute("PRAGMA user_version").fetchone()[0])


def _tables(link: sqlite3.Connection) -> frozenset[str]:
    return frozenset(name for (name,) in link.execute("SELECT name FROM sqlite_schema WHERE type = 'table'"))


def _statements(script: str) -> tuple[str, ...]:
    found, lines = [], ""
    for line in script.splitlines(keepends=True):
        lines += line
        if sqlite3.complete_statement(lines):
            found.append(lines.strip())
            lines = ""
    assert not [line for line in lines.splitlines() if line.strip() and not line.lstrip().startswith("--")]
    return tuple(found)
