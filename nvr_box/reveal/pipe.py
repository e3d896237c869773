"""What goes through the pipes between the box and a reveal process: a JSON head and a body of bytes.

Layout: u32 length of the head, u32 length of the body, head, body. The box asks, the process answers with any number
of messages of which the last has `"done": true`.
"""

import asyncio
import json
import struct
from collections.abc import Mapping
from typing import IO, Any

from base.errors import Truncated, WireError

_LENGTHS = struct.Struct(">II")
LARGEST_HEAD, LARGEST_BODY = 1 << 20, 1 << 28

Message = tuple[dict[str, Any], bytes]


def pack(head: Mapping[str, Any], body: bytes = b"") -> bytes:
    """One message as bytes."""
    text = json.dumps(head).encode()
    return _LENGTHS.pack(len(text), len(body)) + text + body


def read(file: IO[bytes]) -> Message | None:
    """The next message of a blocking pipe, None at its end.

    Raises:
        WireError: the pipe breaks off inside a message, or a length is absurd.
    """
    lengths = file.read(_LENGTHS.size)
    if not lengths:
        return None
    if len(lengths) < _LENGTHS.size:
        raise Truncated("message lengths", at=len(lengths))
    head, body = _sizes(lengths)
    text, rest = file.read(head), file.read(body)
    if len(text) < head or len(rest) < body:
        raise Truncated("message", at=len(text) + len(rest))
    return _parsed(text), rest


async def receive(stream: asyncio.StreamReader) -> Message:
    """The next message of a stream.

    Raises:
        WireError: the stream ends, or a length is absurd.
    """
    try:
        head, body = _sizes(await stream.readexactly(_LENGTHS.size))
        return _parsed(await stream.readexactly(head)), await stream.readexactly(body)
    except asyncio.IncompleteReadError as error:
        raise Truncated("the other end is gone", at=len(error.partial)) from error


def _sizes(lengths: bytes) -> tuple[int, int]:
    head, body = _LENGTHS.unpack(lengths)
    if head > LARGEST_HEAD or body > LARGEST_BODY:
        raise WireError(f"message of {head} and {body} bytes")
    return head, body


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        head = json.loads(text)
    except ValueError as error:
        raise WireError("the head of a message is not JSON") from error
    if not isinstance(head, dict):
        raise WireError("the head of a message is no object")
    return head
