"""Which segments go first, and what goes with their rows."""

import sqlite3

from nvr_box.record.room import Victim

Rows = list[tuple[int, str]]
"""Numbers and paths of segments."""


def oldest(link: sqlite3.Connection, camera: int, count: int) -> list[Victim]:
    """The segments of a camera that go first."""
    sql = (
        "SELECT end_us - clock_error_us, segment, camera, path, bytes + seen_bytes, end_us - start_us FROM loose"
        " WHERE camera = ? ORDER BY end_us - clock_error_us LIMIT ?"
    )
    return [Victim(*row) for row in link.execute(sql, (camera, count))]


def delete_rows(link: sqlite3.Connection, victims: Rows) -> None:
    """The rows of segments whose files are gone, and the best shots of their time."""
    forget_best_shots(link, [segment for segment, _ in victims])
    link.executemany("DELETE FROM segment WHERE segment = ?", [(segment,) for segment, _ in victims])


def forget_best_shots(link: sqlite3.Connection, victims: list[int]) -> None:
    """Best shots go with the video of their time: an original is not kept longer in one than in the other."""
    numbers = ",".join(map(str, victims))
    span = f"SELECT camera, min(start_us), max(end_us) FROM segment WHERE segment IN ({numbers}) GROUP BY camera"  # noqa: S608
    shots = (
        "DELETE FROM best_shot WHERE packet IN (SELECT packet FROM packet WHERE camera = :camera AND first_us < :end"  # noqa: S608
        " AND first_us >= :start - (SELECT longest_passage_us FROM usage WHERE camera = :camera) AND last_us >= :start"
        " AND NOT EXISTS (SELECT 1 FROM segment WHERE camera = :camera AND garbage = 0"
        " AND start_us <= packet.last_us AND end_us >= packet.first_us"
        " AND start_us >= packet.first_us - (SELECT longest_us FROM usage WHERE camera = :camera)"
        f" AND segment NOT IN ({numbers})))"
    )
    for camera, start, end in link.execute(span).fetchall():
        link.execute(shots, {"camera": camera, "start": start, "end": end})
