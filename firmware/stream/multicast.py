"""Profiles that were started to send to their multicast groups: they do until they are stopped, across restarts."""

import asyncio
from collections.abc import AsyncIterator, Callable
from zlib import crc32

from aiohttp import web

from base.settings_file import Stored
from firmware.media_state import METADATA, MediaState, Multicast
from firmware.stream.mounts import path, stream_content
from onvif.rtsp.serve import RtspServer
from onvif.rtsp.viewer import multicast

GroupOf = Callable[[Multicast, str], Multicast]


def grouping(seed: str) -> GroupOf:
    """The multicast group of a configuration as set, or as it follows from the serial number and the token.

    The latter is of the organisation-local scope (RFC 2365), with an even port as RTP wants it (RFC 3550 §11).
    """

    def group(stored: Multicast, token: str) -> Multicast:
        if stored.address and stored.port:
            return stored
        number = crc32(f"{seed}/{token}".encode())
        address = stored.address or f"239.192.{number >> 8 & 255}.{number % 254 + 1}"
        return Multicast(address, stored.port or 40_000 + (number >> 16) % 10_000 * 2, stored.ttl)

    return group


class Multicasting:
    """Holds the streams of started profiles on their groups. Event loop.

    Args:
        server: of RTSP.
        media: profiles, and which of them were started.
    """

    def __init__(self, server: RtspServer, media: Stored[MediaState], group: GroupOf) -> None:
        self._server = server
        self._media = media
        self._group = group
        self._running: dict[tuple[object, ...], asyncio.Task[None]] = {}
        self._ended = False

    async def running(self, _app: web.Application) -> AsyncIterator[None]:
        """Belongs in the application's `cleanup_ctx`."""
        loop = asyncio.get_running_loop()
        self._apply(self._media.value)

        def changed(_old: MediaState, new: MediaState) -> None:
            if not self._ended:
                loop.call_soon_threadsafe(self._apply, new)

        self._media.listen(changed)
        yield
        self._ended = True
        tasks, self._running = list(self._running.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _apply(self, state: MediaState) -> None:
        if self._ended:
            return
        wanted: set[tuple[object, ...]] = set()
        for profile in state.profiles:
            carried = stream_content(profile)
            if profile.token in state.multicasting and carried is not None:
                groups = [self._group(state.metadata.multicast, METADATA)] if carried.metadata else []
                if carried.encoder:
                    groups.append(self._group(state.encoders[carried.encoder].multicast, carried.encoder))
                # Other groups or other tracks are another session.
                wanted.add((profile.token, carried, *groups))
        for key in self._running.keys() - wanted:
            self._running.pop(key).cancel()
        for key in wanted - self._running.keys():
            token = str(key[0])
            user, password = self._server.internal_credentials
            self._running[key] = asyncio.get_running_loop().create_task(
                multicast(self._server.inner_port, path(token), user, password), name=f"multicast {token}"
            )
