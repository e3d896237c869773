"""How much memory reading a stranger's file may take: a few bytes of MP4 can claim a thousand million pictures."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

try:
    import resource
except ImportError:  # Windows has no such limit
    resource = None  # type: ignore[assignment]

_PAGES = Path("/proc/self/statm")


@contextlib.contextmanager
def memory(more_bytes: int) -> Iterator[None]:
    """While it lasts this process gets no more than `more_bytes` beyond what it has; requested more, it gets a
    `MemoryError`. Where the system cannot tell or limit that, nothing happens.
    """
    if resource is None or not _PAGES.exists():
        yield
        return
    has = int(_PAGES.read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = has + more_bytes
    limit = wanted if soft == resource.RLIM_INFINITY else min(soft, wanted)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
