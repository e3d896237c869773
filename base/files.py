"""Files that must not be half written, or not be left behind."""

import os
from pathlib import Path

_PRIVATE = 0o600


def sync_folder(folder: Path) -> None:
    """Make what was created, renamed or removed in it last."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, content: bytes, *, mode: int = _PRIVATE) -> None:
    """Put a file in place whole or not at all; it lasts when this returns.

    It is written beside `path` (`NAME.new`, which the next call replaces when this one is cut short), synced, renamed
    over what was there, and the folder synced: a reader of `path` at any moment, after a power cut too, reads the old
    content or the new.

    Raises:
        OSError: it cannot be written; what was there is there still.
    """
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    try:
        _write_new(fresh, content, mode)
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)  # half a file must not fill the disk that was full
        raise
    sync_folder(path.parent)


def write_once(path: Path, content: bytes, *, mode: int = _PRIVATE) -> None:
    """Make a file that must not be there yet, on a stick as well, which has no links; it lasts when this returns.

    Raises:
        FileExistsError: it is there; nothing was changed.
        OSError: it cannot be written; nothing is left of it.
    """
    try:
        _write_new(path, content, mode)
        sync_folder(path.parent)
    except FileExistsError:
        raise
    except OSError:
        path.unlink(missing_ok=True)
        raise


def _write_new(path: Path, content: bytes, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "wb") as file:
        file.write(content)
        file.flush()
        if mode != _PRIVATE:
            os.fchmod(file.fileno(), mode)  # whatever the umask says
        os.fsync(file.fileno())


def blank(path: Path) -> None:
    """Overwrite a file with zeros where it lies; they have reached the disk when this returns. Raises OSError."""
    with path.open("r+b", buffering=0) as file:
        left = os.fstat(file.fileno()).st_size
        while left > 0:
            left -= file.write(bytes(min(left, 1 << 20)))
        os.fsync(file.fileno())


def shred(path: Path) -> None:
    """Overwrite a file where it lies, then remove it; both have reached the disk when this returns.

    What a journalling or copying file system or the flash itself keeps of older content is beyond any program.

    Raises:
        OSError: it cannot be written or removed; it is there still.
    """
    blank(path)
    path.unlink()
    sync_folder(path.parent)
