"""Rows of packets, one a passage, and the best shots beside them."""

from collections.abc import Iterable, Iterator, Mapping

from nvr_box.db.link import Link

Row = tuple[int, int, int, int, int, int, str, bytes, str, str]
"""packet, camera, class, first_us, best_us, last_us, model, code, colours (JSON), attributes (JSON)."""
CodeRow = tuple[int, int, int, int, str, bytes, str, str]
"""packet, camera, class, best_us, model, code, colours, attributes: what a comparison needs."""
_COLUMNS = "packet, camera, class, first_us, best_us, last_us, model, code, colours, attributes"
_NO_PACKET = 1 << 62
# What touches a stretch began at most the longest passage of this camera before it.
_LONGEST = "(SELECT longest_passage_us FROM usage WHERE camera = :camera)"
_OTHERS = "packet.model != CASE WHEN class = :person_class THEN :person ELSE :other END"


def add(link: Link, values: tuple[object, ...]) -> int | None:
    """A new one; its number, None where this (camera_id, sequence) is there already.

    Args:
        values: camera, camera_id, sequence, track, class, first_us, best_us, last_us, quality, model, code, box,
            colours, attributes, provenance.
    """
    done = link.execute(
        "INSERT OR IGNORE INTO packet (camera, camera_id, sequence, track, class, first_us, best_us, last_us, quality,"
        " model, code, box, colours, attributes, provenance) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        values,
    )
    return (done.lastrowid or 0) if done.rowcount else None


def add_shot(link: Link, packet: int, jpeg: bytes, kids: bytes) -> None:
    """Its best shot; `kids` are the ids of the keys that the original inside is sealed to, 8 bytes each."""
    link.execute("INSERT INTO best_shot (packet, jpeg, sealed) VALUES (?, ?, ?)", (packet, jpeg, kids))


def codes(link: Link, after: int, before: int | None, count: int) -> list[CodeRow]:
    """Those with numbers between `after` and `before` (None for no end), in order."""
    sql = (
        "SELECT packet, camera, class, best_us, model, code, colours, attributes FROM packet"
        " WHERE packet > ? AND packet < ? ORDER BY packet LIMIT ?"
    )
    return link.execute(sql, (after, _NO_PACKET if before is None else before, count)).fetchall()


def best_before(link: Link, utc_us: int) -> list[int]:
    """Numbers of those whose best shot was before a time."""
    return [packet for (packet,) in link.execute("SELECT packet FROM packet WHERE best_us < ?", (utc_us,))]


def get(link: Link, packets: Iterable[int]) -> list[Row]:
    """The named ones that are still there."""
    sql = f"SELECT {_COLUMNS} FROM packet WHERE packet = ?"
    rows = (link.execute(sql, (number,)).fetchone() for number in packets)
    return [row for row in rows if row]


def ticks(link: Link, camera: int, start_us: int, end_us: int, limit: int) -> list[tuple[int, int, int, int, int]]:
    """(packet, class, first_us, best_us, last_us) of those that touch [start_us, end_us), the latest first."""
    sql = (
        "SELECT packet, class, first_us, best_us, last_us FROM packet WHERE camera = :camera AND first_us < :end"
        f" AND first_us >= :start - {_LONGEST} AND last_us >= :start ORDER BY first_us DESC LIMIT :limit"
    )
    return link.execute(sql, {"camera": camera, "start": start_us, "end": end_us, "limit": limit}).fetchall()


def places(link: Link, camera: int, start_us: int, end_us: int, *, step_us: int, steps: int, kinds: int) -> str | None:
    """Of each that touches [start_us, end_us) one number, by commas; None where none does.

    (first step * `steps` + last step) * `kinds` + class. All in one text: 33,000 rows of three numbers cost five times
    as much to sort or hand on.
    """
    sql = (
        "SELECT group_concat((max(0, (first_us - :start) / :step) * :steps"
        " + min(:steps - 1, (last_us - :start) / :step)) * :kinds + class)"
        " FROM packet WHERE camera = :camera AND first_us < :end AND last_us >= :start"
        f" AND first_us >= :start - {_LONGEST}"
    )
    values = {"camera": camera, "start": start_us, "end": end_us, "step": step_us, "steps": steps, "kinds": kinds}
    text: str | None = link.execute(sql, values).fetchone()[0]
    return text


def beside(link: Link, camera: int, at_us: int, *, later: bool) -> int | None:
    """When the one after `at_us`, or the one before, was first seen."""
    sql = "SELECT min(first_us) FROM packet WHERE camera = ? AND first_us > ?"
    if not later:
        sql = "SELECT max(first_us) FROM packet WHERE camera = ? AND first_us < ?"
    (first_us,) = link.execute(sql, (camera, at_us)).fetchone()
    return None if first_us is None else int(first_us)


def of_track(link: Link, camera: int, track: int, at_us: int, apart_us: int) -> Row | None:
    """The one of a track nearest to `at_us`, no further than `apart_us`, rather with a code than without."""
    sql = (
        f"SELECT {_COLUMNS} FROM packet WHERE camera = :camera AND track = :track"
        f" AND first_us < :last AND first_us >= :first - {_LONGEST} AND last_us > :first"
        " ORDER BY length(code) = 0, abs(best_us - :at) LIMIT 1"
    )
    near = {"camera": camera, "track": track, "at": at_us, "first": at_us - apart_us, "last": at_us + apart_us}
    row: Row | None = link.execute(sql, near).fetchone()
    return row


def best_shot(link: Link, packet: int) -> tuple[int, int, bytes, bool] | None:
    """(camera, best_us, jpeg, whether an original is sealed inside); None without one."""
    columns = "camera, best_us, jpeg, length(sealed) > 0"
    sql = f"SELECT {columns} FROM best_shot JOIN packet USING (packet) WHERE packet = ?"
    row = link.execute(sql, (packet,)).fetchone()
    return (row[0], row[1], row[2], bool(row[3])) if row else None


def sealed_shots(link: Link, camera: int, start_us: int, end_us: int) -> list[bytes]:
    """Best shots with an original inside that were taken in [start_us, end_us)."""
    sql = (
        "SELECT jpeg FROM best_shot JOIN packet USING (packet) WHERE camera = ? AND best_us >= ? AND best_us < ?"
        " AND length(sealed) > 0"
    )
    return [jpeg for (jpeg,) in link.execute(sql, (camera, start_us, end_us))]


def count_of(link: Link, camera: int) -> int:
    """How many are stored of a camera."""
    row = link.execute("SELECT packets FROM usage WHERE camera = ?", (camera,)).fetchone()
    return int(row[0]) if row else 0


def remove_of(link: Link, camera: int) -> None:
    """All of a camera, with their best shots."""
    link.execute("DELETE FROM packet WHERE camera = ?", (camera,))


def count_others(link: Link, models: Mapping[str, object]) -> int:
    """How many carry another model's code.

    Args:
        models: `person_class`, and the models `person` and `other` of that class and of the rest.
    """
    sql = f"SELECT count(*) FROM packet WHERE {_OTHERS}"
    return int(link.execute(sql, models).fetchone()[0])


def others(
    link: Link, models: Mapping[str, object], after: int, count: int
) -> list[tuple[int, bytes, int, int, str, bytes | None, str | None]]:
    """(packet, camera_id, sequence, class, model, jpeg, signing_key) of those behind number `after`."""
    sql = (
        "SELECT packet, packet.camera_id, sequence, class, packet.model, jpeg, signing_key FROM packet"
        f" LEFT JOIN best_shot USING (packet) LEFT JOIN camera USING (camera) WHERE packet > :after AND {_OTHERS}"
        " ORDER BY packet LIMIT :limit"
    )
    return link.execute(sql, {**models, "after": after, "limit": count}).fetchall()


def set_code(link: Link, packet: int, model: str, code: bytes, *, before: str) -> bool:
    """Replace the code that `before` made; False for one that is gone, or has another."""
    sql = "UPDATE packet SET model = ?, code = ? WHERE packet = ? AND model = ?"
    return bool(link.execute(sql, (model, code, packet, before)).rowcount)


def every_shot(link: Link) -> Iterator[tuple[int, bytes, int, str | None, bytes, bytes]]:
    """(packet, camera_id, sequence, signing_key of its camera, jpeg, key ids) of every best shot."""
    yield from link.execute(
        "SELECT packet, packet.camera_id, sequence, signing_key, jpeg, sealed FROM best_shot JOIN packet USING (packet)"
        " LEFT JOIN camera USING (camera)"
    )
