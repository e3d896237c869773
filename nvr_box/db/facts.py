"""Single values by name."""

from nvr_box.db.link import Link


def get(link: Link, name: str) -> str | None:
    """The value, None where there is none."""
    row = link.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
    return str(row[0]) if row else None


def save(link: Link, name: str, value: str) -> None:
    """Set it."""
    link.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, value))


def forget(link: Link, name: str, value: str) -> None:
    """Remove it where it has this value."""
    link.execute("DELETE FROM fact WHERE name = ? AND value = ?", (name, value))
