"""Limits on the connections of a TCP port: how many in all, how many per address, how long without a request.

A connection costs a file descriptor and memory before its first byte, TLS and authentication included, so it is
bounded where it is accepted. A connection without a request makes room for new ones when the port is full.
"""

import asyncio
import contextlib
import resource
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

_AT_ONCE = 128
_UNREAD_MS = 60_000
"""What we send and the peer does not take for so long ends its connection."""
KEEP_ALIVE_S = 60.0
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of one port, or of the ports of one application together.

    Args:
        in_all: connections; fewer where the process may open few files.
        patience_s: from the connection to the first whole request head, the handshake of TLS included.
    """

    in_all: int = 256
    per_address: int = 64
    patience_s: float = 15.0

    @property
    def most(self) -> int:
        """A sixth of the files that the process may open: recordings need theirs."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return self.in_all if soft == resource.RLIM_INFINITY else min(self.in_all, max(8, soft // 6))


class ConnectionLimit:
    """The connections that are there. Belongs to the event loop."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        self.bounds = bounds or Bounds()
        self._connections: dict[Any, _BoundSocket] = {}
        self._by_address: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._connections)

    def mark_requested(self, peer: Any) -> None:
        """The connection has sent a request: it may stay for as long as it is served.

        Args:
            peer: its address as the transport gives it (`peername`).
        """
        connection = self._connections.get(peer)
        if connection is not None:
            connection.mark_requested()

    def admit(self, link: "_BoundSocket", peer: Any) -> bool:
        """Whether a new connection may come in; where it is too full, the oldest without a request is closed."""
        address = str(peer[0]) if peer else ""
        if self._by_address[address] >= self.bounds.per_address and not self._make_room(address):
            return False
        if len(self._connections) >= self.bounds.most and not self._make_room(None):
            return False
        self._connections[peer] = link
        self._by_address[address] += 1
        link.enter(self, peer)
        return True

    def forget(self, peer: Any, link: "_BoundSocket") -> None:
        """It has gone."""
        if self._connections.get(peer) is link:
            del self._connections[peer]
            address = str(peer[0]) if peer else ""
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def _make_room(self, address: str | None) -> bool:
        for peer, connection in self._connections.items():
            if not connection.has_requested and (address is None or (peer and peer[0] == address)):
                connection.expel()
                return True
        return False


class _BoundSocket(socket.socket):
    """An accepted connection; asyncio closes it when it is done with it."""

    has_requested = False
    _limit: ConnectionLimit | None = None
    _peer: Any = None
    _timer: asyncio.TimerHandle | None = None

    def enter(self, limit: ConnectionLimit, peer: Any) -> None:
        self._limit, self._peer = limit, peer
        self._timer = asyncio.get_running_loop().call_later(limit.bounds.patience_s, self.expel)

    def mark_requested(self) -> None:
        self.has_requested = True
        if self._timer is not None:
            self._timer.cancel()

    def expel(self) -> None:
        """End it from here: its transport sees the end and closes, in the middle of a handshake too."""
        self._leave()
        with contextlib.suppress(OSError):  # the peer was quicker
            self.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """As a socket's."""
        self._leave()
        super().close()

    def _leave(self) -> None:
        limit, self._limit = self._limit, None
        if self._timer is not None:
            self._timer.cancel()
        if limit is not None:
            limit.forget(self._peer, self)


class _BoundListener(socket.socket):
    """A listening socket that accepts what its limit admits."""

    limit: ConnectionLimit

    def accept(self) -> tuple[socket.socket, Any]:
        """As a socket's; connections that are not admitted are closed."""
        for _ in range(_AT_ONCE):
            link, peer = super().accept()
            connection = _BoundSocket(link.family, link.type, link.proto, fileno=link.detach())
            if self.limit.admit(connection, peer):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_MS)
                return connection, peer
            connection.close()
        raise BlockingIOError


def listen(host: str, port: int, limit: ConnectionLimit | None = None) -> socket.socket:
    """A listening socket; the address `::` means every interface by both families.

    Args:
        limit: which connections are admitted, all when left out.

    Raises:
        OSError: the port cannot be had.
    """
    if ":" in host:
        plain = socket.create_server((host, port), family=socket.AF_INET6, dualstack_ipv6=host == "::")
    else:
        plain = socket.create_server((host, port))
    if limit is None:
        return plain
    listener = _BoundListener(plain.family, plain.type, plain.proto, fileno=plain.detach())
    listener.limit = limit
    return listener


CONNECTION_LIMIT = web.AppKey("connection_limit", ConnectionLimit)


def bound_connections(app: web.Application, limit: ConnectionLimit) -> None:
    """Let the ports of an application be bounded by `limit`: a connection that sent the head of a request may stay.

    Bodies are taken as they are; one that is packed is refused with 415.
    """

    @web.middleware
    async def mark(request: web.Request, handler: Answer) -> web.StreamResponse:
        if request.transport is not None:
            limit.mark_requested(request.transport.get_extra_info("peername"))
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            return web.Response(status=415, text="send the body as it is, without Content-Encoding")
        return await handler(request)

    app[CONNECTION_LIMIT] = limit
    app.middlewares.insert(0, mark)


async def runner_of(app: web.Application) -> web.AppRunner:
    """The runner of an application, set up, with our time limits."""
    # Unpacking is done as bytes come, before any route or limit: 200 kB of gzip held the event loop for 3 s.
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=1.0, keepalive_timeout=KEEP_ALIVE_S, auto_decompress=False
    )
    await runner.setup()
    return runner


async def read_in_time(request: web.Request, *, most: int, limit_s: float) -> bytes:
    """The body of a request.

    Raises:
        HTTPRequestEntityTooLarge: more than `most` bytes.
        HTTPRequestTimeout: it took longer than `limit_s`.
    """
    if (request.content_length or 0) > most:
        raise web.HTTPRequestEntityTooLarge(max_size=most, actual_size=request.content_length or 0)
    body = bytearray()
    try:
        async with asyncio.timeout(limit_s):
            while len(body) <= most and (more := await request.content.read(most + 1 - len(body))):
                body += more
    except TimeoutError as error:
        raise web.HTTPRequestTimeout(text=f"the body took longer than {limit_s:g} s") from error
    if len(body) > most:
        raise web.HTTPRequestEntityTooLarge(max_size=most, actual_size=len(body))
    return bytes(body)
