"""Rows of what is recorded instead of a camera's own stream: (recording, source, uri, user, password, transport)."""

from nvr_box.db.link import Link

Row = tuple[int, int | None, str, str, str, str]
_COLUMNS = "recording, source, uri, user, password, transport"


def every(link: Link) -> list[Row]:
    """All of them."""
    return link.execute(f"SELECT {_COLUMNS} FROM feed").fetchall()


def add(link: Link, row: Row) -> None:
    """One of a recording that has none."""
    link.execute(f"INSERT INTO feed ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", row)


def remove(link: Link, recording: int) -> None:
    """That of a recording; nothing where there is none."""
    link.execute("DELETE FROM feed WHERE recording = ?", (recording,))
