"""RTSP requests and answers as bytes, inside HTTP too (RFC 2326, 6 and 7; Apple's tunnel)."""

import asyncio
import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

METHODS = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER"
LINE_BYTES = 4096
_HEADERS, _BODY = 64, 1 << 16
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
            405: "Method Not Allowed", 454: "Session Not Found", 455: "Method Not Valid in This State",
            457: "Invalid Range", 459: "Aggregate Operation Not Allowed", 461: "Unsupported Transport",
            503: "Service Unavailable", 551: "Option not supported"}  # fmt: skip


class RtspRefusal(Exception):
    """An RTSP status other than 200, with further headers."""

    def __init__(self, status: int, *headers: tuple[str, str]) -> None:
        super().__init__(_REASONS[status])
        self.status = status
        self.headers = headers


@dataclass(frozen=True, slots=True)
class RtspRequest:
    method: str
    url: str
    headers: Mapping[str, str]

    @property
    def path(self) -> list[str]:
        """Segments of the URL's path."""
        return [segment for segment in urlsplit(self.url).path.split("/") if segment]


async def read_line(reader: asyncio.StreamReader) -> str:
    """One line of text; interleaved packets (RTCP of the client) are read and dropped."""
    while (first := await reader.readexactly(1)) == b"$":
        size = int.from_bytes((await reader.readexactly(3))[1:])
        await reader.readexactly(size)
    return (first + await reader.readuntil(b"\n")).decode().strip()


async def read_headers(reader: asyncio.StreamReader) -> dict[str, str]:
    """Up to the empty line, names in lower case."""
    headers: dict[str, str] = {}
    while len(headers) < _HEADERS and (text := (await reader.readuntil(b"\n")).decode().strip()):
        name, _, value = text.partition(":")
        headers[name.strip().lower()] = value.strip()
    return headers


async def read_request(reader: asyncio.StreamReader, line: str) -> RtspRequest:
    """What follows its first line; the body is read and dropped.

    Raises:
        ValueError: it is no RTSP, or too large.
    """
    method, url, version = line.split()
    if not version.startswith("RTSP/1."):
        raise ValueError("neither RTSP nor HTTP")
    headers = await read_headers(reader)
    size = int(headers.get("content-length", "0"))
    if not 0 <= size <= _BODY:
        raise ValueError("a body too large")
    await reader.readexactly(size)
    return RtspRequest(method, url, headers)


def answer(request: RtspRequest, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    """A whole response; `CSeq` and the length come by themselves."""
    lines = [f"RTSP/1.0 {status} {_REASONS[status]}", f"CSeq: {request.headers.get('cseq', '0')}"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


async def decode(coded: asyncio.StreamReader, plain: asyncio.StreamReader) -> None:
    """Base64 in pieces of any size, with line breaks anywhere, each request padded or not."""
    rest = b""
    while data := await coded.read(4096):
        rest += b"".join(data.split())
        whole = len(rest) - len(rest) % 4
        for at in range(0, whole, 4):
            plain.feed_data(base64.b64decode(rest[at : at + 4]))
        rest = rest[whole:]
    plain.feed_eof()
