"""One line a record: readable by hand, with journald priority prefixes under systemd.

Never log credentials, pixels, codes or keys; text that a device sent goes through `printable` first.
"""

import logging
import os
import sys

_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class _Journal(logging.Formatter):
    """sd-daemon(3): `<N>` before the line sets its priority; journald adds the time itself."""

    def format(self, record: logging.LogRecord) -> str:
        priority = _PRIORITY.get(record.levelno, 6)
        return f"<{priority}>{super().format(record)}"


class _Strangers(logging.Filter):
    """Drops what aiohttp says, with a traceback, about bytes that are no HTTP: it has answered 400, and any client may
    send such bytes as often as they like.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        problem = record.exc_info[1] if record.exc_info else None
        return not type(problem).__module__.startswith("aiohttp.http_exceptions")


def start(part: str, *, level: str = "INFO") -> None:
    """Send this process's records to stderr, each naming `part` (a camera's name, or a process of the box)."""
    handler = logging.StreamHandler(sys.stderr)
    if "JOURNAL_STREAM" in os.environ:
        handler.setFormatter(_Journal(f"{part} %(name)s: %(message)s"))
    else:
        handler.setFormatter(logging.Formatter(f"%(asctime)s %(levelname)-7s {part} %(name)s: %(message)s", "%H:%M:%S"))
    handler.addFilter(_Strangers())
    logging.basicConfig(level=level, handlers=[handler], force=True)


def printable(text: str, *, limit: int = 200) -> str:
    """`text` from outside, made safe for one log line: control characters replaced, cut at `limit`."""
    return "".join(ch if ch.isprintable() else "\N{REPLACEMENT CHARACTER}" for ch in text[:limit])
