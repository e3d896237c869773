"""Rows of what cameras' masks left open: (start_us, end_us or None, said as JSON), and of which camera."""

from nvr_box.db.link import Link

Row = tuple[int, int | None, str]
Lasting = tuple[int, str, int]
"""Camera, said, when it was confirmed last."""


def lasting(link: Link) -> list[Lasting]:
    """What is not known to be over, oldest first."""
    return link.execute(
        "SELECT camera, said, confirmed_us FROM masking WHERE end_us IS NULL ORDER BY masking"
    ).fetchall()


def begin(link: Link, camera: int, said: str, start_us: int, now_us: int) -> None:
    """End what lasts and begin another one."""
    link.execute(
        "UPDATE masking SET end_us = ?, confirmed_us = ? WHERE camera = ? AND end_us IS NULL", (now_us, now_us, camera)
    )
    link.execute(
        "INSERT INTO masking (camera, start_us, confirmed_us, said) VALUES (?, ?, ?, ?)",
        (camera, start_us, now_us, said),
    )


def confirm(link: Link, camera: int, now_us: int) -> None:
    """What lasts still does."""
    link.execute("UPDATE masking SET confirmed_us = ? WHERE camera = ? AND end_us IS NULL", (now_us, camera))


def forget(link: Link, camera: int, most: int) -> None:
    """Remove what is older than every recording of the camera, and all but the newest `most`."""
    link.execute(
        "DELETE FROM masking WHERE camera = ?1 AND end_us <"
        " coalesce((SELECT min(start_us) FROM segment WHERE camera = ?1 AND garbage = 0), 0)",
        (camera,),
    )
    link.execute(
        "DELETE FROM masking WHERE camera = ?1 AND masking <="
        " (SELECT masking FROM masking WHERE camera = ?1 ORDER BY masking DESC LIMIT 1 OFFSET ?2)",
        (camera, most),
    )


def between(link: Link, camera: int, start_us: int, end_us: int, most: int) -> list[Row]:
    """What held at some time in [start, end), the newest `most`, oldest first."""
    sql = (
        "SELECT masking, start_us, end_us, said FROM masking WHERE camera = ? AND end_us > ? AND start_us < ?"
        " UNION ALL SELECT masking, start_us, end_us, said FROM masking"
        " WHERE camera = ? AND end_us IS NULL AND start_us < ? ORDER BY masking DESC LIMIT ?"
    )
    found = link.execute(sql, (camera, start_us, end_us, camera, end_us, most)).fetchall()
    return [(start, end, said) for _, start, end, said in reversed(found)]
