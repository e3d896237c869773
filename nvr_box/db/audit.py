"""Rows of the audit log, which triggers keep from being changed or removed."""

from collections.abc import Collection, Iterator, Mapping

from nvr_box.db.link import Link

Row = tuple[int, int, str, str, int | None, str, int, str, bytes]
"""number, utc_us, who, action, camera, reason, granted, details (JSON), hash."""
_COLUMNS = "number, utc_us, who, action, camera, reason, granted, details, hash"
TERMS = {
    "before": "number <", "who": "who =", "camera": "camera =", "action": "action =", "start_us": "utc_us >=",
    "end_us": "utc_us <",
}  # fmt: skip
"""What `page` can be narrowed to."""


def append(link: Link, row: Row) -> None:
    """One entry; its number is the next one."""
    link.execute(f"INSERT INTO audit ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def newest(link: Link) -> tuple[int, bytes] | None:
    """Number and hash of the newest, None while the log is empty."""
    row: tuple[int, bytes] | None
    row = link.execute("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1").fetchone()
    return row


def hash_of(link: Link, number: int) -> bytes | None:
    """The hash of one entry, None where it is missing."""
    row = link.execute("SELECT hash FROM audit WHERE number = ?", (number,)).fetchone()
    return bytes(row[0]) if row else None


def every(link: Link) -> Iterator[Row]:
    """All of them, oldest first."""
    yield from link.execute(f"SELECT {_COLUMNS} FROM audit ORDER BY number")


def page(link: Link, wanted: Mapping[str, object], cameras: Collection[int] | None, limit: int) -> list[Row]:
    """Newest first.

    Args:
        wanted: by the names of `TERMS`.
        cameras: entries of others are left out; None for all.
    """
    where = " AND ".join(f"{TERMS[name]} ?" for name in wanted) or "1"
    if cameras is not None:
        known = ", ".join(str(int(number)) for number in sorted(cameras))
        where += f" AND (camera IS NULL OR camera IN ({known}))"
    sql = f"SELECT {_COLUMNS} FROM audit WHERE {where} ORDER BY number DESC LIMIT ?"
    return link.execute(sql, (*wanted.values(), limit)).fetchall()


def granted(link: Link, action: str) -> list[Row]:
    """Those of one action that was not refused, oldest first."""
    sql = f"SELECT {_COLUMNS} FROM audit WHERE action = ? AND granted = 1 ORDER BY number"
    return link.execute(sql, (action,)).fetchall()
