"""Rows of cameras, and what is kept beside them: accounts for their streams, terms of their recordings, endpoints.

A removed camera keeps its row, so that its recordings keep their number.
"""

from collections.abc import Iterable, Sequence

from nvr_box.db.link import Link

COLUMNS = (
    "camera, name, xaddr, user, stream_uri, profile, manufacturer, model, serial, camera_id, signing_key,"
    " appearance_model, paired, recording, added_utc_us, sealed_to"
)
_FIELDS = COLUMNS.replace("camera, ", "", 1)
_MARKS = ", ".join("?" * 15)


def every(link: Link) -> list[tuple[object, ...]]:
    """(password, *COLUMNS) of those that are not removed, in order of adding."""
    sql = f"SELECT password, {COLUMNS} FROM camera WHERE removed = 0 ORDER BY camera"
    return link.execute(sql).fetchall()


def known_by(link: Link, camera_id: str | None) -> tuple[int, str | None] | None:
    """Number and signing key of the camera with this id (hex), removed ones too; None where there is none."""
    row: tuple[int, str | None] | None
    row = link.execute("SELECT camera, signing_key FROM camera WHERE camera_id = ?", (camera_id,)).fetchone()
    return row


def signed_in_by(link: Link, push_token: str) -> tuple[int, str, str] | None:
    """Number, id and signing key of the paired camera whose token has this hash; None where there is none."""
    sql = "SELECT camera, camera_id, signing_key FROM camera WHERE push_token = ? AND paired = 1 AND removed = 0"
    row: tuple[int, str, str] | None = link.execute(sql, (push_token,)).fetchone()
    return row


def id_of(link: Link, camera: int) -> str | None:
    """The id (hex) of a camera of ours, removed ones too."""
    row = link.execute("SELECT camera_id FROM camera WHERE camera = ?", (camera,)).fetchone()
    return row[0] if row else None


def begin(link: Link) -> int:
    """An empty row; its number."""
    number = link.execute(
        "INSERT INTO camera (name, xaddr, user, password, stream_uri, profile, manufacturer, model, serial,"
        " added_utc_us) VALUES ('', '', '', '', '', '', '', '', '', 0)"
    ).lastrowid
    assert number is not None
    return number


def reserve(link: Link, camera: int) -> None:
    """The row of a removed camera under a number that recordings lie under, where there is none."""
    link.execute(
        "INSERT OR IGNORE INTO camera (camera, name, xaddr, user, password, stream_uri, profile, manufacturer,"
        " model, serial, recording, removed, added_utc_us) VALUES (?, '', '', '', '', '', '', '', '', '', 0, 1, 0)",
        (camera,),
    )


def update(link: Link, camera: int, fields: Sequence[object]) -> None:
    """Everything of `COLUMNS` behind the number."""
    sql = f"UPDATE camera SET ({_FIELDS}) = ({_MARKS}) WHERE camera = ?"
    link.execute(sql, (*fields, camera))


def add_secrets(link: Link, camera: int, password: str, push_token: str | None) -> None:
    """What a camera has that is added, or comes back."""
    sql = "UPDATE camera SET password = ?, push_token = ?, removed = 0 WHERE camera = ?"
    link.execute(sql, (password, push_token, camera))


def set_push_token(link: Link, camera: int, push_token: str) -> None:
    """The hash of what it signs in with."""
    link.execute("UPDATE camera SET push_token = ? WHERE camera = ?", (push_token, camera))


def set_password(link: Link, camera: int, password: str) -> None:
    """What the box signs in with."""
    link.execute("UPDATE camera SET password = ? WHERE camera = ?", (password, camera))


def remove(link: Link, camera: int) -> None:
    """Mark the row as removed, and remove what lies beside it."""
    link.execute("DELETE FROM keep WHERE camera = ?", (camera,))
    link.execute("DELETE FROM stream_account WHERE camera = ?", (camera,))
    link.execute("DELETE FROM endpoint WHERE camera = ?", (camera,))
    link.execute(
        "UPDATE camera SET removed = 1, paired = 0, password = '', push_token = NULL WHERE camera = ?", (camera,)
    )


def stream_accounts(link: Link) -> dict[int, tuple[str, str]]:
    """Name and password for its streams, by camera that has an account of its own for them."""
    rows = link.execute("SELECT camera, user, password FROM stream_account")
    return {camera: (user, password) for camera, user, password in rows}


def set_stream_account(link: Link, camera: int, account: tuple[str, str] | None) -> None:
    """None for none."""
    link.execute("DELETE FROM stream_account WHERE camera = ?", (camera,))
    if account is not None:
        link.execute("INSERT INTO stream_account (camera, user, password) VALUES (?, ?, ?)", (camera, *account))


def set_term(link: Link, camera: int, keep_s: int) -> None:
    """How long its recordings may be kept at most; 0 for no limit of its own."""
    link.execute("DELETE FROM keep WHERE camera = ?", (camera,))
    if keep_s:
        link.execute("INSERT INTO keep (camera, keep_s) VALUES (?, ?)", (camera, keep_s))


def note_endpoints(link: Link, rows: Iterable[tuple[int, str]]) -> None:
    """(camera, endpoint) each; the first that was seen of a camera stays."""
    link.executemany("INSERT OR IGNORE INTO endpoint (camera, endpoint) VALUES (?, ?)", rows)


def endpoint(link: Link, camera: int) -> str | None:
    """By which discovery knows it, None while it is not noted."""
    row = link.execute("SELECT endpoint FROM endpoint WHERE camera = ?", (camera,)).fetchone()
    return str(row[0]) if row else None
