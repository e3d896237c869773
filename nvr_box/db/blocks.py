"""Rows of blocks: (block, last, form, models, data), the first and the last packet that are in one."""

from nvr_box.db.link import Link

Row = tuple[int, int, str, str, bytes]


def ranges(link: Link) -> list[tuple[int, int]]:
    """(first, last) of every block, in order."""
    return link.execute("SELECT block, last FROM block ORDER BY block").fetchall()


def get(link: Link, first: int) -> Row | None:
    """One of them."""
    sql = "SELECT block, last, form, models, data FROM block WHERE block = ?"
    row: Row | None = link.execute(sql, (first,)).fetchone()
    return row


def counts(link: Link, first: int, last: int) -> dict[str, int]:
    """How many packets there are from `first` to `last`, by model."""
    sql = "SELECT model, count(*) FROM packet WHERE packet BETWEEN ? AND ? GROUP BY model"
    return dict(link.execute(sql, (first, last)).fetchall())


def save(link: Link, row: Row) -> None:
    """In place of those that it touches."""
    link.execute("DELETE FROM block WHERE block <= ? AND last >= ?", (row[1], row[0]))
    link.execute("INSERT INTO block (block, last, form, models, data) VALUES (?, ?, ?, ?, ?)", row)
