"""What SQLite and our own counters say about a database: every contradiction in it, none where all is well."""

from collections.abc import Iterator

from nvr_box.db.link import Link


def tables(link: Link) -> list[str]:
    """Names of our tables, in order."""
    sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    return [name for (name,) in link.execute(sql)]


def quick_check(link: Link, table: str) -> list[str]:
    """What is wrong with the pages of a table and its indexes; the file is damaged where anything is."""
    return [words for (words,) in link.execute(f"PRAGMA quick_check('{table}')") if words != "ok"]


def whole_check(link: Link) -> list[str]:
    """The same for all of them, every value compared with the indexes."""
    return [words for (words,) in link.execute("PRAGMA integrity_check") if words != "ok"]


def without_parent(link: Link) -> list[tuple[str, int, str]]:
    """(table, row, table that it should belong to) of every row that belongs to nothing."""
    return [(table, row, parent) for table, row, parent, _ in link.execute("PRAGMA foreign_key_check")]


def counters(link: Link) -> Iterator[tuple[int, list[int], list[int]]]:
    """(camera, counted again, as triggers counted): bytes, length and packets each."""
    sql = (
        "SELECT camera, bytes, span_us, packets,"
        " (SELECT coalesce(sum(bytes + seen_bytes), 0) FROM segment WHERE camera = usage.camera AND garbage = 0),"
        " (SELECT coalesce(sum(end_us - start_us), 0) FROM segment WHERE camera = usage.camera AND garbage = 0),"
        " (SELECT count(*) FROM packet WHERE camera = usage.camera) FROM usage"
    )
    for camera, *counts in link.execute(sql):
        yield camera, counts[3:], counts[:3]


def stored_twice(link: Link) -> list[tuple[str, int, int]]:
    """(camera_id in hex, sequence, how often) of packets that are there more than once."""
    return link.execute(
        "SELECT hex(camera_id), sequence, count(*) FROM packet GROUP BY camera_id, sequence HAVING count(*) > 1"
    ).fetchall()


def paired_without_keys(link: Link) -> list[int]:
    """Cameras that are paired and lack what a pairing gives."""
    sql = "SELECT camera FROM camera WHERE paired = 1 AND (signing_key IS NULL OR push_token IS NULL)"
    return [camera for (camera,) in link.execute(sql)]


def sizes(link: Link) -> tuple[int, int, int, int]:
    """How many segments, packets, best shots with an original inside, and audit entries there are."""
    segments, packets, shots, entries = (
        int(link.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
        for table in ("segment", "packet", "best_shot WHERE sealed != x''", "audit")
    )
    return segments, packets, shots, entries
