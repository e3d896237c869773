"""The stream of a camera as a browser plays it: fragmented MP4 by WebSocket, live, recorded or revealed.

Pairs of messages go out: a JSON head, then the bytes. Recorded and revealed streams are sent no further ahead than
the page asks for; a live one as it comes.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from nvr_box.record import grey_start
from nvr_box.record.recordings import MediaSegment
from nvr_box.rights import Right
from nvr_box.web import reveal, sockets
from nvr_box.web.request_fields import BadField, account_of, box, camera_number, fields_of, iso, maybe_time_us, time_us
from nvr_box.web.sockets import End

routes = web.RouteTableDef()

_FIRST_AHEAD_US = 12_000_000
_GAP_S = 0.1


@routes.get(r"/api/cameras/{camera:\d{1,9}}/stream")
async def stream(request: web.Request) -> web.StreamResponse:
    """Play a camera; api.md says what is sent and with which codes the socket is closed."""
    if not sockets.same_origin(request):
        return sockets.refused()
    camera, from_us = camera_number(request), maybe_time_us(request.query, "from")
    key = request.query.get("reveal")
    pieces: AsyncIterator[MediaSegment]
    socket = await sockets.accepted(request)
    if key is not None:
        pieces, start_us = reveal.pieces(request, camera, key, from_us), from_us
    elif from_us is not None:
        pieces, start_us = _recorded_then_live(request, camera, from_us), from_us
    else:
        pieces, start_us = box(request).recordings.live(account_of(request), camera), None
    feed = _Feed(socket, pieces, None if start_us is None else start_us + _FIRST_AHEAD_US)
    refused = sockets.OVER if key else sockets.REFUSED
    needed = (Right.VIEW, Right.REVEAL) if key else (Right.VIEW,)
    rights = sockets.watch_rights(request, needed, camera, "The right to view this camera was taken back.")
    return await sockets.served(socket, feed.send(), feed.listen(), rights, refused=refused)


@dataclass(slots=True)
class _Feed:
    """One socket's pieces; `until_us` is how far the page wants them, None for all that come."""

    socket: web.WebSocketResponse
    pieces: AsyncIterator[MediaSegment]
    until_us: int | None
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self) -> End:
        """Send every piece, each initialisation segment together with the fragment after it."""
        head: MediaSegment | None = None
        first = True
        init, end_s = b"", 0.0
        async with contextlib.aclosing(_closable(self.pieces)) as pieces:
            async for piece in pieces:
                if piece.mime:
                    head, init = piece, piece.data
                    continue
                # A browser begins again at the start, with another description and behind a gap.
                begins = head is not None or piece.start_s > end_s + _GAP_S
                end_s = piece.start_s + piece.duration_s
                data = grey_start.led(init, piece.data) if begins else piece.data
                if first and self.until_us is not None:
                    # Requested a time in a gap, the stream begins behind it: the page counts from there as well.
                    self.until_us = max(self.until_us, piece.utc_us + _FIRST_AHEAD_US)
                first = False
                while self.until_us is not None and piece.utc_us > self.until_us:
                    self._moved.clear()
                    await self._moved.wait()
                said: dict[str, Any] = {
                    "utc": iso(piece.utc_us),
                    "media_s": piece.start_s,
                    "duration_s": piece.duration_s,
                    "init": head is not None,
                    "mime": head.mime if head else None,
                }
                try:
                    await self.socket.send_str(json.dumps(said))
                    await self.socket.send_bytes((head.data if head else b"") + data)
                except ConnectionError:
                    return sockets.DONE, ""
                head = None
        return sockets.DONE, "The recording ends here."

    async def listen(self) -> End:
        """Follow the page's wish for more until it goes."""
        async for message in self.socket:
            if message.type is not WSMsgType.TEXT:
                continue
            try:
                until_us = time_us(fields_of(message.data.encode()), "until")
            except BadField:
                return sockets.REFUSED, "This is not what the page may say here."
            if self.until_us is not None and until_us > self.until_us:
                self.until_us = until_us
                self._moved.set()
        return sockets.DONE, ""


async def _closable(pieces: AsyncIterator[MediaSegment]) -> AsyncGenerator[MediaSegment, None]:
    """Pieces of any iterator, ended with it when that can be ended."""
    try:
        async for piece in pieces:
            yield piece
    finally:
        if isinstance(pieces, AsyncGenerator):
            await pieces.aclose()


async def _recorded_then_live(request: web.Request, camera: int, from_us: int) -> AsyncGenerator[MediaSegment, None]:
    """What was recorded from `from_us` on and, where that ends, what comes in."""
    recordings, account = box(request).recordings, account_of(request)
    end_us = 0
    async for piece in recordings.play(account, camera, from_us):
        end_us = piece.utc_us + round(piece.duration_s * 1e6)
        yield piece
    async for piece in recordings.live(account, camera):
        # Half a fragment of slack: the clock of a segment's start differs from the live one by milliseconds.
        if piece.mime or piece.utc_us >= end_us - round(piece.duration_s * 5e5):
            yield piece
