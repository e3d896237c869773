"""Files that must not be half written, or not be left behind."""

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make what was created, renamed or removed in it last."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_private(path: Path, content: bytes) -> None:
    """Put a file of mode 0600 in place whole or not at all; it lasts when this returns. Raises OSError."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


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
