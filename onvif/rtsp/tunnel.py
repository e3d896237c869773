"""RTSP inside HTTP and inside WebSocket, on the port of the web services (ONVIF Streaming 26.06, 5.1.1.4 and 7).

The RTSP server speaks the HTTP tunnel itself; a client expects it where the web services are, so the bytes of its two
connections are handed through. A WebSocket carries RTSP and interleaved packets in binary messages of any size.
Authentication is RTSP's, inside the tunnel.
"""

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping

from aiohttp import WSMsgType, web

COOKIE = "x-sessioncookie"
WEBSOCKET_PATH = "/onvif/rtsp"
PROTOCOL = "rtsp.onvif.org"
MOST_TUNNELS = 64
MOST_PER_ADDRESS = 16
_CHUNK = 1 << 16
_CONNECT_S = 5.0
_ADDRESS = re.compile(rb"(?i)(x-server-ip-address: *)[^\r\n]*")
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Tunnels:
    """Hands tunnels through to an RTSP server on this host.

    Args:
        port: of the RTSP server, called at each tunnel.
        origins: gets the client behind each connection to the RTSP server, by the port that it comes from.
    """

    def __init__(self, port: Callable[[], int], origins: MutableMapping[int, str]) -> None:
        self._port = port
        self._origins = origins
        self._open: Counter[str] = Counter()

    def install(self, app: web.Application) -> None:
        """Take tunnelled requests on any path, and WebSockets on WEBSOCKET_PATH."""

        @web.middleware
        async def hand_through(request: web.Request, handler: Answer) -> web.StreamResponse:
            if COOKIE in request.headers and request.method in {"GET", "POST"}:
                return await self._http(request)
            return await handler(request)

        app.middlewares.append(hand_through)
        app.add_routes([web.get(WEBSOCKET_PATH, self._websocket)])

    @contextlib.asynccontextmanager
    async def _server(self, origin: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """(reader, writer) to the RTSP server; 503 when it does not answer or too many are open."""
        if self._open.total() >= MOST_TUNNELS or self._open[origin] >= MOST_PER_ADDRESS:
            raise web.HTTPServiceUnavailable(text="too many tunnels are open")
        self._open[origin] += 1
        try:
            try:
                async with asyncio.timeout(_CONNECT_S):
                    reader, writer = await asyncio.open_connection("127.0.0.1", self._port())
            except (OSError, TimeoutError) as problem:
                raise web.HTTPServiceUnavailable(text="the RTSP server does not answer") from problem
            here = writer.get_extra_info("sockname")[1]
            self._origins[here] = origin
            try:
                yield reader, writer
            finally:
                self._origins.pop(here, None)
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
        finally:
            self._open[origin] -= 1
            if not self._open[origin]:
                del self._open[origin]

    async def _http(self, request: web.Request) -> web.StreamResponse:
        async with self._server(request.remote or "") as (reader, writer):
            raw = _Raw(writer)
            # From here on the connection is no HTTP: its body never ends, and answers are the RTSP server's.
            request.protocol.set_parser(raw)  # type: ignore[arg-type]  # what it calls is feed_data, as a WebSocket's
            head = f"{request.method} {request.raw_path} HTTP/1.1\r\n".encode()
            head += b"".join(name + b": " + value + b"\r\n" for name, value in request.raw_headers) + b"\r\n"
            writer.write(head)
            if request.can_read_body:
                writer.write(request.content.read_nowait())
            await self._until_closed(request, reader)
        return web.Response(status=200)

    @staticmethod
    async def _until_closed(request: web.Request, reader: asyncio.StreamReader) -> None:
        transport = request.transport
        request.protocol.keep_alive(val=False)
        try:
            if transport is not None and request.method == "GET":
                transport.write(_here(await reader.readuntil(b"\r\n\r\n"), transport.get_extra_info("sockname")[0]))
            while transport is not None and not transport.is_closing() and (data := await reader.read(_CHUNK)):
                transport.write(data)
                await request.protocol._drain_helper()
        except (OSError, EOFError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass
        finally:
            if transport is not None:
                transport.close()

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        async with self._server(request.remote or "") as (reader, writer):
            socket = web.WebSocketResponse(protocols=(PROTOCOL,), max_msg_size=1 << 20, heartbeat=30.0, compress=False)
            await socket.prepare(request)

            async def outward() -> None:
                while data := await reader.read(_CHUNK):
                    await socket.send_bytes(data)
                await socket.close()

            task = asyncio.create_task(outward(), name="rtsp over websocket")
            try:
                async for message in socket:
                    if message.type is not WSMsgType.BINARY:
                        break
                    writer.write(message.data)
                    await writer.drain()
            except OSError:
                pass
            finally:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, OSError):
                    await task
                await socket.close()
        return socket


def _here(head: bytes, address: str) -> bytes:
    """The answer to a tunnel's GET; it names where its POST should go, which the RTSP server behind cannot know."""
    return _ADDRESS.sub(b"\\g<1>" + address.encode(), head)


class _Raw:
    """What aiohttp feeds in place of its HTTP parser: every byte goes on to the RTSP server."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        if not self._writer.is_closing():
            self._writer.write(data)
        return self._writer.is_closing(), b""

    def feed_eof(self) -> None:
        self._writer.close()
