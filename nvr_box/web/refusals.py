"""Errors of the box's parts as a status and a sentence: the one place where the page's answers learn of them.

What a database, a disk or a library says is for the box's own log: the page says what happened in plain words, what
goes on regardless, and what to do next.
"""

import errno
from collections.abc import Iterator

from base.errors import (
    ConfigError,
    Conflict,
    Error,
    Invalid,
    ModelError,
    NotFound,
    PeerError,
    SealError,
    StoreError,
    WireError,
)
from nvr_box.db.link import DatabaseError, is_full
from nvr_box.rights import Refused

_STATUS: tuple[tuple[type[Error], int], ...] = (
    (Refused, 403),
    (SealError, 403),
    (Invalid, 400),
    (Conflict, 409),
    (ConfigError, 400),
    (WireError, 400),
    (NotFound, 404),
    (StoreError, 503),
    (PeerError, 502),
    (ModelError, 503),
)
_FULL_STATUS = 507  # RFC 4918 11.5
_FULL_ERRNO = {errno.ENOSPC, errno.EDQUOT}

FULL = (
    "The box's disk is full, so this was not done. The red notice says what the box does about it;"
    " an administrator has to free space or put in a larger disk."
)
DATABASE = (
    "The box's database does not take this now, so nothing was changed. Try again in a minute; if it stays so,"
    " an administrator runs `python -m nvr_box check` on the box."
)
DISK = (
    "The box's disk does not let this be read or written, so nothing was changed. Try again in a minute; if it stays"
    " so, an administrator looks at the disk: the box's log names the file."
)
UNFORESEEN = (
    "The box made a mistake with this, and its log says which. Recording is not affected; try again,"
    " and if it stays so, send the log to whoever looks after the box."
)


def status(error: Error) -> int:
    """The HTTP status that says the same as `error`."""
    if _full(error):
        return _FULL_STATUS
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def field(error: Error) -> str | None:
    """The name of the value that does not fit, where it is one."""
    return error.field if isinstance(error, Invalid) else None


def sentence(error: Error) -> str:
    """What the page shows: never a path, SQL, or a library's own words about a disk."""
    if _full(error):
        return FULL
    if isinstance(error, StoreError):
        causes = list(_causes(error))
        if any(isinstance(each, DatabaseError) for each in causes):
            return DATABASE
        if any(isinstance(each, OSError) for each in causes):
            return DISK
    words = str(error)
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", "!", "?")) else ".")


def hides(error: Error) -> bool:
    """Whether the sentence leaves out what the box's log has to keep."""
    return isinstance(error, StoreError) and not isinstance(error, NotFound)


def _full(error: Error) -> bool:
    return any(
        (isinstance(each, OSError) and each.errno in _FULL_ERRNO)
        or is_full(each)
        for each in _causes(error)
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
