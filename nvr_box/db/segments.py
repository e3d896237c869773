"""Rows of segments. What is marked as garbage is no longer there for anybody but retention (`retention.py`)."""

from collections.abc import Sequence

from nvr_box.db.link import Link

Row = tuple[int, int, int, int, str, int, bytes, str, bytes, int]
"""segment, camera, start_us, end_us, path, bytes, sha256, mime, gop_index, locked."""
_DAY_US = 86_400_000_000
_COLUMNS = "segment, camera, start_us, end_us, path, bytes, sha256, mime, gop_index, locked"
# What touches a time began at most this before it.
_LONGEST = "(SELECT longest_us FROM usage WHERE camera = :camera)"
_TOUCHES = f"start_us < :end AND start_us > :start - {_LONGEST} AND end_us > :start"


def between(link: Link, camera: int, start_us: int, end_us: int) -> list[Row]:
    """Those that touch [start_us, end_us), by start."""
    sql = (
        f"SELECT {_COLUMNS} FROM segment WHERE camera = :camera AND garbage = 0 AND {_TOUCHES}"
        " ORDER BY start_us, segment"
    )
    return link.execute(sql, {"camera": camera, "start": start_us, "end": end_us}).fetchall()


def stretches(link: Link, camera: int, start_us: int, end_us: int) -> list[tuple[int, int, bool]]:
    """(start_us, end_us, locked) of those that touch [start_us, end_us), by start; out of an index alone."""
    sql = (
        f"SELECT start_us, end_us, locked FROM segment WHERE camera = :camera AND garbage = 0 AND {_TOUCHES}"
        " ORDER BY start_us"
    )
    return link.execute(sql, {"camera": camera, "start": start_us, "end": end_us}).fetchall()


def mimes(link: Link, camera: int) -> list[str]:
    """The types of its segments, each once, by their first appearance; a step along the index for each of them."""
    of = "FROM segment WHERE camera = :camera AND garbage = 0"
    sql = (
        f"WITH RECURSIVE kind(mime) AS (SELECT min(mime) {of} UNION ALL"
        f" SELECT (SELECT min(mime) {of} AND mime > kind.mime) FROM kind WHERE kind.mime IS NOT NULL)"
        f" SELECT mime FROM kind WHERE mime IS NOT NULL ORDER BY (SELECT min(start_us) {of} AND mime = kind.mime)"
    )
    return [mime for (mime,) in link.execute(sql, {"camera": camera})]


def following(link: Link, camera: int, after_us: int, known: str) -> Row | None:
    """The next that ends after `after_us`, other than the one at path `known`."""
    sql = (
        f"SELECT {_COLUMNS} FROM segment WHERE camera = :camera AND garbage = 0"
        f" AND start_us > :after - {_LONGEST} AND end_us > :after AND path != :known ORDER BY start_us, segment"
        " LIMIT 1"
    )
    row: Row | None = link.execute(sql, {"camera": camera, "after": after_us, "known": known}).fetchone()
    return row


def size_and_oldest(link: Link, camera: int) -> tuple[int, int | None]:
    """(bytes, start_us of the oldest) of one camera."""
    sql = (
        "SELECT coalesce((SELECT bytes FROM usage WHERE camera = :camera), 0),"
        " (SELECT start_us FROM segment WHERE camera = :camera AND garbage = 0 ORDER BY start_us LIMIT 1)"
    )
    found: tuple[int, int | None] = link.execute(sql, {"camera": camera}).fetchone()
    return found


def newest_us(link: Link) -> int | None:
    """The end of the newest of all."""
    (newest,) = link.execute(
        "SELECT max((SELECT end_us FROM segment WHERE camera = usage.camera AND garbage = 0 ORDER BY start_us DESC"
        " LIMIT 1)) FROM usage"
    ).fetchone()
    return None if newest is None else int(newest)


def set_locked(link: Link, camera: int, start_us: int, end_us: int, *, locked: bool) -> int:
    """Lock or unlock those that touch [start_us, end_us); how many."""
    sql = f"UPDATE segment SET locked = :locked WHERE camera = :camera AND garbage = 0 AND {_TOUCHES}"
    return link.execute(sql, {"locked": locked, "camera": camera, "start": start_us, "end": end_us}).rowcount


def believe_clock(link: Link, least_us: int, most_us: int) -> None:
    """What was recorded while the clock was doubted by so much was dated rightly."""
    sql = "UPDATE segment SET clock_error_us = 0 WHERE clock_error_us != 0 AND clock_error_us BETWEEN ? AND ?"
    link.execute(sql, (least_us, most_us))


def add(link: Link, values: tuple[int, int, int, str, int, bytes, str, bytes, int, int, int]) -> None:
    """The row of a file; of a path that has one already only the lock changes.

    Args:
        values: camera, start_us, end_us, path, bytes, sha256, mime, gop_index, locked, seen_bytes, clock_error_us.
    """
    link.execute(
        "INSERT INTO segment (camera, start_us, end_us, path, bytes, sha256, mime, gop_index, locked, seen_bytes,"
        " clock_error_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (path) DO UPDATE SET locked = excluded.locked",
        values,
    )


def remove_paths(link: Link, paths: Sequence[str]) -> None:
    """The rows of these files."""
    link.execute(f"DELETE FROM segment WHERE path IN ({', '.join('?' * len(paths))})", paths)


def in_folder(link: Link, folder: str) -> dict[str, int]:
    """{path: segment} of the files below `folder`, which ends with a slash; marked ones too."""
    sql = "SELECT path, segment FROM segment WHERE path >= ? AND path < ?"
    return dict(link.execute(sql, (folder, folder[:-1] + chr(ord("/") + 1))).fetchall())


def recorded_by_day(link: Link) -> list[tuple[int, int, int]]:
    """(camera, day since 1970, recorded microseconds): day by day along the index, without sorting a history."""
    of = "FROM segment WHERE camera = ? AND garbage = 0 AND start_us >= ?"
    found = []
    for (camera,) in link.execute("SELECT camera FROM usage").fetchall():
        after_us = 0
        while (first_us := link.execute(f"SELECT min(start_us) {of}", (camera, after_us)).fetchone()[0]) is not None:
            day = first_us // _DAY_US
            after_us = (day + 1) * _DAY_US
            sql = f"SELECT sum(end_us - start_us) {of} AND start_us < ?"
            (length_us,) = link.execute(sql, (camera, first_us, after_us)).fetchone()
            found.append((camera, day, length_us))
    return found


def files(link: Link) -> list[tuple[int, str, int, bytes, bytes]]:
    """(segment, path, bytes, sha256, gop_index) of all that are not marked as garbage."""
    return link.execute("SELECT segment, path, bytes, sha256, gop_index FROM segment WHERE garbage = 0").fetchall()


def is_there(link: Link, segment: int) -> bool:
    """Whether it is, and is not marked as garbage."""
    sql = "SELECT count(*) FROM segment WHERE segment = ? AND garbage = 0"
    return bool(link.execute(sql, (segment,)).fetchone()[0])


def paths(link: Link) -> frozenset[str]:
    """Of all, marked ones too."""
    return frozenset(path for (path,) in link.execute("SELECT path FROM segment"))


def last_start_us(link: Link, camera: int) -> int | None:
    """When the last of a camera began, as far as the clock is believed."""
    sql = "SELECT max(start_us - clock_error_us) FROM segment WHERE camera = ? AND garbage = 0"
    at_us: int | None = link.execute(sql, (camera,)).fetchone()[0]
    return at_us
