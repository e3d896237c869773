"""A damaged database: put aside as it is, and what can still be read of it copied into a fresh one.

The recordings themselves lie in files, whose rows `nvr_box/record/crash_recovery.py` makes again; of all else a page
that cannot be read costs the rows on it. What was lost is written down where `check` and the page say it.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from base.clock import utc_us
from base.errors import StoreError
from nvr_box.audit import log as audit
from nvr_box.db import cameras as camera_rows
from nvr_box.db import facts, rescue
from nvr_box.db.database import Store
from nvr_box.db.link import Link
from nvr_box.notices import Notice

log = logging.getLogger(__name__)
FOLDER = "damaged"
_FACT, _BOX = "damage", "the box"
_SAID_FOR_US = 7 * 86_400_000_000


@dataclass(frozen=True, slots=True)
class DatabaseDamage:
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


def rebuild(path: Path, recordings: Path, why: str) -> DatabaseDamage:
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
        lost = store.submit(lambda link: rescue.copied(link, aside, audit.fits, audit.FIRST)).result()
        damage = DatabaseDamage(now_us, why, f"{FOLDER}/{aside.name}", lost)
        store.submit(lambda link: _write_down(link, damage, recordings)).result()
    finally:
        store.close()
    log.error("%s", damage.sentence())
    return damage


def last(link: Link) -> DatabaseDamage | None:
    """The last damage, None when there never was any."""
    said = facts.get(link, _FACT)
    return DatabaseDamage(**json.loads(said)) if said else None


def notices(damage: DatabaseDamage | None) -> Iterator[Notice]:
    """For a week."""
    if damage is not None and abs(utc_us() - damage.utc_us) < _SAID_FOR_US:
        words = damage.sentence()
        yield Notice("database", words[:1].upper() + words[1:] + ".")


def _write_down(link: Link, damage: DatabaseDamage, recordings: Path) -> None:
    values = {"utc_us": damage.utc_us, "why": damage.why, "file": damage.file, "lost": damage.lost}
    facts.save(link, _FACT, json.dumps(values))
    # A number that recordings lie under is never given to another camera.
    for folder in recordings.iterdir() if recordings.exists() else ():
        if folder.name.isdigit():
            camera_rows.reserve(link, int(folder.name))
    details: dict[str, audit.Detail] = {"why": damage.why, "file": damage.file}
    details |= {f"lost_{table}": count for table, count in damage.lost.items()}
    audit.append(link, _BOX, "database", camera=None, reason="", granted=True, details=details)
