"""Rows of legal holds."""

from nvr_box.db.link import Link

Row = tuple[int, str, int, int, int, str, str, int, int, int, int | None]
"""hold, name of the case, camera, start_us, end_us, reason, who, placed_us, kept, missed, lifted_us."""
_COLUMNS = "hold, name, camera, start_us, end_us, reason, who, placed_us, kept, missed, lifted_us"


def standing(link: Link) -> list[Row]:
    """Those that are on, oldest first."""
    sql = f"SELECT {_COLUMNS} FROM hold WHERE lifted_us IS NULL ORDER BY hold"
    return link.execute(sql).fetchall()


def ranges(link: Link, camera: int, start_us: int, end_us: int) -> list[tuple[int, int]]:
    """(start_us, end_us) of those on a camera that touch [start_us, end_us)."""
    sql = (
        "SELECT start_us, end_us FROM hold WHERE camera = :camera AND lifted_us IS NULL"
        " AND start_us < :end AND end_us > :start"
    )
    return link.execute(sql, {"camera": camera, "start": start_us, "end": end_us}).fetchall()


def place(link: Link, values: tuple[str, int, int, int, str, str, int]) -> int:
    """(name, camera, start_us, end_us, reason, who, placed_us) of a new one; its number."""
    row = link.execute(
        "INSERT INTO hold (name, camera, start_us, end_us, reason, who, placed_us) VALUES (?, ?, ?, ?, ?, ?, ?)", values
    )
    return row.lastrowid or 0


def seal(link: Link, number: int, kept: int, missed: int) -> None:
    """How many groups of pictures are sealed to its case, and how many could not be opened."""
    link.execute("UPDATE hold SET kept = ?, missed = ? WHERE hold = ?", (kept, missed, number))


def lift(link: Link, number: int, at_us: int) -> None:
    """End it."""
    link.execute("UPDATE hold SET lifted_us = ? WHERE hold = ?", (at_us, number))
