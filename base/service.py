"""Being a service: systemd's notification protocol and the end of a process.

sd_notify(3) is four lines, so no dependency is taken for it. A watchdog is fed by progress (a frame went through),
never by a timer, so `notify("WATCHDOG=1")` belongs where the progress is.
"""

import asyncio
import contextlib
import ctypes
import logging
import os
import resource
import signal
import socket
from pathlib import Path

from base.errors import ConfigError

log = logging.getLogger(__name__)
_M_ARENA_MAX = -8
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _MCL_CURRENT = 1, 4, 1


def notify(state: str) -> None:
    """Tell systemd `state` (`READY=1`, `STOPPING=1`, `WATCHDOG=1`, `STATUS=…`); nothing happens outside systemd."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
        link.connect("\0" + address[1:] if address.startswith("@") else address)
        link.sendall(state.encode())


async def until_signal() -> None:
    """Return at the first SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


def die_with_parent() -> None:
    """Ask Linux to end this process when its parent goes, however the parent goes; prctl(2), PR_SET_PDEATHSIG."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def raise_files(wanted: int = 65_536) -> int:
    """Let this process open as many files as it may, `wanted` at most; how many that is.

    The soft limit of 1024 that shells and many units start with is for programs that use select(2); we do not.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    return soft if soft != resource.RLIM_INFINITY else wanted


def bound_arenas(most: int = 2) -> None:
    """Keep glibc's allocator to so many arenas; before threads are started.

    With one for each of a dozen threads, pictures and rows that are freed in one arena are no room for the others:
    memory grows for hours by what lies free in arenas, though nothing is kept.
    """
    with contextlib.suppress(AttributeError):  # another C library has no mallopt
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, most)


def no_core_files() -> None:
    """No picture of this process's memory on the disk when it crashes or is aborted."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def keep_files_private(folder: Path | None = None) -> None:
    """What this process makes is for its user alone, and so is `folder`, the one that it keeps everything in.

    Raises:
        ConfigError: the folder can neither be made nor closed to others.
    """
    os.umask(0o077)
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if folder.stat().st_uid == os.geteuid():  # a folder that belongs to another user is theirs to close
            folder.chmod(folder.stat().st_mode & ~0o077)
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror}") from error


def keep_secrets() -> None:
    """No core file, no debugger of another process, and what is allowed of memory locking."""
    no_core_files()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_DUMPABLE, 0)
    if libc.mlockall(_MCL_CURRENT):
        log.debug("memory could not be locked; give the service LimitMEMLOCK")
