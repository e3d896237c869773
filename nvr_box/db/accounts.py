"""Rows of accounts: (name, verifier, rights as JSON, cameras as JSON)."""

from nvr_box.db.link import Link

Row = tuple[str, str, str, str]


def everyone(link: Link) -> list[Row]:
    """All of them."""
    return link.execute("SELECT name, verifier, rights, cameras FROM account").fetchall()


def save(link: Link, row: Row) -> None:
    """Create or change one."""
    link.execute("INSERT OR REPLACE INTO account (name, verifier, rights, cameras) VALUES (?, ?, ?, ?)", row)


def remove(link: Link, name: str) -> None:
    """Remove one; nothing where there is none."""
    link.execute("DELETE FROM account WHERE name = ?", (name,))
