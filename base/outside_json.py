"""JSON from outside: one way to read it, bounded in size and depth."""

import json
from typing import Any

from base.errors import WireError

MOST_DEPTH = 16


def read_json(data: bytes, *, limit: int, what: str) -> Any:
    """The value of an untrusted document.

    Code that walks, prints or compares the value needs a frame of the stack for each list in a list, so depth
    is refused here.

    Args:
        limit: the largest size in bytes that is read.
        what: what the document should be, for the message ("the pairing document").

    Raises:
        WireError: too large, not JSON, or nested deeper than `MOST_DEPTH`.
    """
    if len(data) > limit:
        raise WireError(f"{what} has more than {limit} bytes")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise WireError(f"{what} is no JSON") from error
    level = [value]
    for _ in range(MOST_DEPTH):
        level = [inner for container in level for inner in _inside(container)]
        if not level:
            return value
    raise WireError(f"{what} is nested deeper than {MOST_DEPTH}")


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
