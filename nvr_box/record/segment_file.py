"""One segment's file while it is written: the order of steps that a crash cannot turn into a lie.

Create exclusively → write whole fragments → fsync the file → fsync its folder → only then a row (by the caller).
A file without a row is therefore unfinished, its whole fragments are still good (`nvr_box/record/crash_recovery.py`).
"""

import errno
import hashlib
import os
import time
from datetime import UTC, datetime
from pathlib import Path

from base.errors import StoreError

# What a power cut may take beyond the fragment being written.
_SYNC_EVERY_S = 5.0


class DiskFull(StoreError):
    """No room; the file ends after the last whole write."""


class SegmentFile:
    """An open segment file. Belongs to one thread.

    Attributes:
        path: below the recordings folder.
        size: bytes written.
    """

    def __init__(self, root: Path, camera: int, start_us: int) -> None:
        """Create `CAMERA/YYYY-MM-DD/HH/START_US.mp4` (UTC), with a number behind it when it exists.

        Raises:
            StoreError: the disk refuses.
        """
        at = datetime.fromtimestamp(start_us / 1e6, UTC)
        folder = root / str(camera) / f"{at:%Y-%m-%d}" / f"{at:%H}"
        try:
            _make_folder(folder, root)
            self._fd, name = _create(folder, start_us)
        except OSError as error:
            raise _refused(error, folder) from error
        self.path = (folder / name).relative_to(root)
        self.size = 0
        self._file, self._folder = folder / name, folder
        self._hash = hashlib.sha256()
        self._synced_mono_s = time.monotonic()

    def write(self, data: bytes) -> None:
        """Append `data` as a whole or not at all.

        Raises:
            DiskFull: there is no room.
            StoreError: the disk refuses for another reason.
        """
        try:
            written = 0
            while written < len(data):
                written += os.write(self._fd, data[written:])
            if time.monotonic() - self._synced_mono_s > _SYNC_EVERY_S:
                os.fdatasync(self._fd)
                self._synced_mono_s = time.monotonic()
        except OSError as error:
            os.ftruncate(self._fd, self.size)
            os.lseek(self._fd, self.size, os.SEEK_SET)
            raise _refused(error, self._file) from error
        self._hash.update(data)
        self.size += len(data)

    def finish(self) -> bytes:
        """Make it durable and close it; returns the SHA-256 of the whole file."""
        try:
            os.fsync(self._fd)
            os.close(self._fd)
            sync_folder(self._folder)
        except OSError as error:
            raise _refused(error, self._file) from error
        return self._hash.digest()

    def discard(self) -> None:
        """Close and remove a file that holds no fragment."""
        os.close(self._fd)
        self._file.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """fsync(2) of a folder: what was created or unlinked in it stays so after a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _make_folder(folder: Path, root: Path) -> None:
    missing = []
    at = folder
    while not at.exists() and at != root.parent:
        missing.append(at)
        at = at.parent
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        sync_folder(each.parent)


def _create(folder: Path, start_us: int) -> tuple[int, str]:
    for again in range(1000):
        name = f"{start_us}_{again}.mp4" if again else f"{start_us}.mp4"
        try:
            return os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640), name
        except FileExistsError:
            continue
    raise OSError(errno.EEXIST, "a thousand segments begin in the same microsecond")


def _refused(error: OSError, path: Path) -> StoreError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"{path}: the disk is full")
    return StoreError(f"{path}: {error.strerror or error}")
