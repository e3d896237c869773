"""Rows of the events that cameras sent while they were recorded: (event, camera, utc_us, topic, operation, items)."""

from collections.abc import Iterable

from nvr_box.db.link import Link

Row = tuple[int, int, int, str, str, str]
_COLUMNS = "event, camera, utc_us, topic, operation, items"


def add(link: Link, rows: Iterable[tuple[int, int, str, str, str]]) -> None:
    """Rows without their number."""
    link.executemany("INSERT INTO event (camera, utc_us, topic, operation, items) VALUES (?, ?, ?, ?, ?)", rows)


def prune(link: Link, camera: int, most: int) -> None:
    """Remove the oldest of a camera until about `most` are left."""
    oldest = "SELECT utc_us FROM event WHERE camera = ? ORDER BY utc_us DESC LIMIT 1 OFFSET ?"
    found = link.execute(oldest, (camera, most)).fetchone()
    if found:
        link.execute("DELETE FROM event WHERE camera = ? AND utc_us <= ?", (camera, found[0]))


def page(
    link: Link, camera: int, start_us: int, end_us: int, *, after: tuple[int, int] | None, reverse: bool, limit: int
) -> list[Row]:
    """Those in [start_us, end_us] in order of time.

    Args:
        after: time and number of the last one of the page before.
        reverse: the latest first.
    """
    sign, order = ("<", "DESC") if reverse else (">", "ASC")
    sql = f"SELECT {_COLUMNS} FROM event WHERE camera = ? AND utc_us BETWEEN ? AND ?"
    values: tuple[int, ...] = (camera, start_us, end_us)
    if after is not None:
        sql += f" AND (utc_us, event) {sign} (?, ?)"
        values += after
    sql += f" ORDER BY utc_us {order}, event {order} LIMIT {limit}"
    return link.execute(sql, values).fetchall()


def last_states(link: Link, camera: int, at_us: int) -> list[Row]:
    """Of each property of the camera its last event until `at_us`."""
    sql = (
        f"SELECT {_COLUMNS} FROM (SELECT *, row_number() OVER ("
        " PARTITION BY topic, json_extract(items, '$[0]'), json_extract(items, '$[1]')"
        " ORDER BY utc_us DESC, event DESC) AS age FROM event"
        " WHERE camera = ? AND utc_us <= ? AND operation != '') WHERE age = 1 ORDER BY topic, event"
    )
    return link.execute(sql, (camera, at_us)).fetchall()


def topics(link: Link) -> frozenset[str]:
    """Each that occurs; a step along the index for each of them."""
    sql = (
        "WITH RECURSIVE kind(topic) AS (SELECT min(topic) FROM event UNION ALL"
        " SELECT (SELECT min(topic) FROM event WHERE topic > kind.topic) FROM kind WHERE kind.topic IS NOT NULL)"
        " SELECT topic FROM kind WHERE topic IS NOT NULL"
    )
    return frozenset(topic for (topic,) in link.execute(sql))


def remove_of(link: Link, camera: int) -> None:
    """All of a camera."""
    link.execute("DELETE FROM event WHERE camera = ?", (camera,))
