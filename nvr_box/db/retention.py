"""What may go, and what goes with it. Every rule spares locked segments and those on legal hold (the view `loose`)."""

from nvr_box.db.link import Link

Rows = list[tuple[int, str]]
"""Numbers and paths of segments."""


def oldest(link: Link, camera: int, count: int) -> list[tuple[int, int, int, str, int, int]]:
    """(age_us, segment, camera, path, bytes, span_us) of the segments of a camera that go first."""
    sql = (
        "SELECT end_us - clock_error_us, segment, camera, path, bytes + seen_bytes, end_us - start_us FROM loose"
        " WHERE camera = ? ORDER BY end_us - clock_error_us LIMIT ?"
    )
    return link.execute(sql, (camera, count)).fetchall()


def older_than(link: Link, before_us: int, count: int) -> Rows:
    """Segments that ended before a time."""
    sql = (
        "SELECT segment, path FROM usage CROSS JOIN loose USING (camera)"
        " WHERE loose.end_us - loose.clock_error_us < ? LIMIT ?"
    )
    return link.execute(sql, (before_us, count)).fetchall()


def past_their_term(link: Link, now_us: int, count: int) -> Rows:
    """Segments that are older than what was set for their recording."""
    sql = (
        "SELECT segment, path FROM keep CROSS JOIN loose USING (camera)"
        " WHERE loose.end_us - loose.clock_error_us < ? - keep_s * 1000000 LIMIT ?"
    )
    return link.execute(sql, (now_us, count)).fetchall()


def is_loose(link: Link, segment: int) -> bool:
    """Whether it may go."""
    return bool(link.execute("SELECT count(*) FROM loose WHERE segment = ?", (segment,)).fetchone()[0])


def bytes_by_camera(link: Link) -> list[tuple[int, int]]:
    """(camera, bytes of recordings and best shots)."""
    return link.execute("SELECT camera, bytes + shot_bytes FROM usage").fetchall()


def recorded_bytes(link: Link) -> int:
    """Of every camera."""
    return int(link.execute("SELECT coalesce(sum(bytes), 0) FROM usage").fetchone()[0])


def spans_us(link: Link) -> dict[int, int]:
    """Recorded time by camera."""
    return dict(link.execute("SELECT camera, span_us FROM usage").fetchall())


def mark(link: Link, victims: Rows) -> Rows:
    """Mark segments whose files are about to be unlinked."""
    link.executemany("UPDATE segment SET garbage = 1 WHERE segment = ?", [(segment,) for segment, _ in victims])
    return victims


def mark_loose(link: Link, camera: int) -> None:
    """Mark whatever of a camera may go."""
    loose = "SELECT segment FROM loose WHERE camera = ?"
    link.execute(f"UPDATE segment SET garbage = 1 WHERE segment IN ({loose})", (camera,))


def marked(link: Link, count: int = -1) -> Rows:
    """What was marked but not removed; all of it by default."""
    return link.execute("SELECT segment, path FROM segment WHERE garbage = 1 LIMIT ?", (count,)).fetchall()


def remove(link: Link, victims: Rows) -> None:
    """The rows of segments whose files are gone, and the best shots of their time."""
    _forget_best_shots(link, [segment for segment, _ in victims])
    link.executemany("DELETE FROM segment WHERE segment = ?", [(segment,) for segment, _ in victims])


def _forget_best_shots(link: Link, victims: list[int]) -> None:
    """Best shots go with the video of their time: an original is not kept longer in one than in the other."""
    numbers = ",".join(map(str, victims))
    span = f"SELECT camera, min(start_us), max(end_us) FROM segment WHERE segment IN ({numbers}) GROUP BY camera"
    shots = (
        "DELETE FROM best_shot WHERE packet IN (SELECT packet FROM packet WHERE camera = :camera AND first_us < :end"
        " AND first_us >= :start - (SELECT longest_passage_us FROM usage WHERE camera = :camera) AND last_us >= :start"
        " AND NOT EXISTS (SELECT 1 FROM segment WHERE camera = :camera AND garbage = 0"
        " AND start_us <= packet.last_us AND end_us >= packet.first_us"
        " AND start_us >= packet.first_us - (SELECT longest_us FROM usage WHERE camera = :camera)"
        f" AND segment NOT IN ({numbers})))"
    )
    for camera, start, end in link.execute(span).fetchall():
        link.execute(shots, {"camera": camera, "start": start, "end": end})


def forget_packets(link: Link, before_us: int, count: int) -> int:
    """Remove packets that are old and of whose time nothing is recorded any more, so many at once; how many."""
    return link.execute(_PACKETS, {"before": before_us, "rows": count}).rowcount


def forget_events(link: Link, before_us: int, count: int) -> int:
    """The same for events."""
    return link.execute(_EVENTS, {"before": before_us, "rows": count}).rowcount


def days_left(link: Link, before_us: int) -> frozenset[str]:
    """Days before a time of which something is recorded that its own day's key has to open."""
    sql = (
        "SELECT DISTINCT date(segment.start_us / 1000000, 'unixepoch') FROM usage CROSS JOIN segment USING (camera)"
        " WHERE garbage = 0 AND segment.start_us < ? AND (locked = 1 OR NOT EXISTS (SELECT 1 FROM hold"
        " WHERE hold.camera = segment.camera AND hold.lifted_us IS NULL AND hold.start_us < segment.end_us"
        " AND hold.end_us > segment.start_us))"
    )
    return frozenset(day for (day,) in link.execute(sql, (before_us,)))


def _unseen(table: str, first: str, last: str, old: str) -> str:
    return (
        f"DELETE FROM {table} WHERE {table} IN (SELECT {table} FROM {table} WHERE {old} AND NOT EXISTS"
        f" (SELECT 1 FROM segment WHERE segment.camera = {table}.camera AND garbage = 0"
        f" AND start_us <= {table}.{last} AND end_us >= {table}.{first} AND start_us >= {table}.{first}"
        f" - coalesce((SELECT longest_us FROM usage WHERE usage.camera = {table}.camera), 0)) LIMIT :rows)"
    )


_PACKETS = _unseen("packet", "first_us", "last_us", "best_us < :before AND last_us < :before")
_EVENTS = _unseen("event", "utc_us", "utc_us", "utc_us < :before")
