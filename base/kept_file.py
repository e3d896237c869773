"""A small file that a device cannot do without, and its copy: half a file is put aside, never the end of the program.

`NAME` is what holds. `NAME.kept` is written after it with the same content, so that one of the two is whole whatever
the flash loses; a `NAME` that cannot be read is renamed to `NAME.damaged-TIME` (of these the newest few stay), and the
copy takes its place.
"""

import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from base.errors import Error, StoreError
from base.files import sync_folder, write_atomically

MOST_DAMAGED = 4
T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Damage:
    """What was found at start.

    Attributes:
        file: the name of the file that could not be read.
        why: what is wrong with it, for a log.
        restored: whether its copy holds; else a default does.
    """

    file: str
    why: str
    restored: bool


@dataclass(frozen=True, slots=True)
class Read(Generic[T]):
    """What a kept file gave: `value` is None where there is none."""

    value: T | None
    damage: Damage | None = None


def read(path: Path, parse: Callable[[bytes], T]) -> Read[T]:
    """Read `path`, or its copy where that is damaged. Never raises for what lies on the disk.

    Args:
        parse: the value of the content; raises ValueError, TypeError, KeyError or an `Error` for what is none.
    """
    try:
        content = path.read_bytes()
        value = parse(content)
    except FileNotFoundError:
        return Read(None)  # never set, or removed by hand to begin again: the copy is of what was before that
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, Error) as problem:
        return _restored(path, parse, str(problem) or type(problem).__name__)
    if _content(_copy(path)) != content:
        with contextlib.suppress(OSError):  # cut short between the two, or the copy is what was lost
            write_atomically(_copy(path), content)
    return Read(value)


def write(path: Path, content: bytes) -> None:
    """Put a new content in place, of mode 0600, and its copy.

    Raises:
        StoreError: it cannot be written; the old one holds.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as problem:
        raise StoreError(f"{path} cannot be written: {problem.strerror}") from problem
    try:
        write_atomically(_copy(path), content)
    except OSError as problem:
        log.warning("%s: its copy cannot be written: %s", path, problem.strerror)


def remove(path: Path) -> None:
    """Remove it with its copy and with what was put aside.

    Raises:
        StoreError: it cannot be removed.
    """
    try:
        for file in (path, _copy(path), *_damaged(path)):
            file.unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            sync_folder(path.parent)
    except OSError as problem:
        raise StoreError(f"{path} cannot be removed: {problem.strerror}") from problem


def forget_damaged(path: Path) -> None:
    """Remove what was put aside: passwords and keys may be in it. Raises StoreError."""
    try:
        for file in _damaged(path):
            file.unlink(missing_ok=True)
    except OSError as problem:
        raise StoreError(f"{path} cannot be removed: {problem.strerror}") from problem


def _restored(path: Path, parse: Callable[[bytes], T], why: str) -> Read[T]:
    aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    for old in _damaged(path)[: -(MOST_DAMAGED - 1)]:
        with contextlib.suppress(OSError):
            old.unlink()
    with contextlib.suppress(OSError):
        path.rename(aside)
    value, content = None, _content(_copy(path))
    if content is not None:
        with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError, Error):
            value = parse(content)
    restored = value is not None
    if restored and content is not None:
        with contextlib.suppress(OSError):
            write_atomically(path, content)
    log.error(
        "%s is damaged and put aside as %s: %s; %s",
        path, aside.name, why, "its copy holds" if restored else "there is no copy: begins as if it had never been set",
    )  # fmt: skip
    return Read(value, Damage(path.name, why, restored))


def _copy(path: Path) -> Path:
    return path.with_name(f"{path.name}.kept")


def _damaged(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.name}.damaged-*"))


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
