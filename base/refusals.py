"""Every kind of error as an HTTP status and a sentence, once.

What a database, a disk or a library says is for the program's own log: an answer says what happened in plain words and
what to do next. Answers of the 500s never hold SQL, a path or a library's words.
"""

import errno
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from base.errors import (
    ConfigError,
    Conflict,
    Error,
    HostError,
    Invalid,
    ModelError,
    NotFound,
    PeerError,
    RightRefused,
    SealError,
    StoreError,
    WireError,
)

_STATUS: tuple[tuple[type[Error], int], ...] = (
    (Invalid, 400),
    (NotFound, 404),
    (Conflict, 409),
    (RightRefused, 403),
    (WireError, 400),
    (SealError, 403),
    (PeerError, 502),
    (StoreError, 503),
    (ConfigError, 503),
    (HostError, 503),
    (ModelError, 503),
)
_FULL_STATUS = 507  # RFC 4918 11.5
_FULL_ERRNO = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True, slots=True)
class Words:
    """The sentences of one program for what its own log has in detail."""

    full: str = "The disk is full, so this was not done."
    database: str = "The database does not take this now, so nothing was changed."
    disk: str = "The disk does not let this be read or written, so nothing was changed."
    config: str = "A file of the configuration cannot be used, and the log says which."
    system: str = "The system does not do its part of this, and the log says why."


def status(error: Error) -> int:
    """The HTTP status that says the same as `error`."""
    if _full(error):
        return _FULL_STATUS
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def field(error: Error) -> str | None:
    """The name of the value that does not fit, where it is one."""
    return error.field if isinstance(error, Invalid) else None


def sentence(error: Error, words: Words) -> str:
    """What an answer says: the error's own words, or those of `words` for what only the log may hold."""
    if _full(error):
        return words.full
    if isinstance(error, StoreError):
        return words.database if any(isinstance(cause, sqlite3.Error) for cause in _causes(error)) else words.disk
    if isinstance(error, ConfigError):
        return words.config
    if isinstance(error, HostError | ModelError) and any(not isinstance(cause, Error) for cause in _causes(error)):
        return words.system
    text = str(error)
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def hides(error: Error) -> bool:
    """Whether the sentence leaves out what the log has to keep."""
    return isinstance(error, StoreError | ConfigError | HostError | ModelError)


def _full(error: Error) -> bool:
    return any(
        (isinstance(cause, OSError) and cause.errno in _FULL_ERRNO)
        or (isinstance(cause, sqlite3.Error) and getattr(cause, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL)
        for cause in _causes(error)
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
