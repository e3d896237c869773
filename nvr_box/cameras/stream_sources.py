"""Where recordings get their pictures from when not from their own camera: rows in the database, a copy in memory.

ONVIF clients decide it with receivers and recording jobs; it is kept beside the cameras, so that recording goes on
after a crash before any client asks.
"""

import asyncio
from dataclasses import dataclass

from base.errors import NotFound
from nvr_box.cameras.camera_store import CameraRow, CameraStore
from nvr_box.db import feeds as feed_rows
from nvr_box.db.database import Store
from nvr_box.db.link import Link


@dataclass(frozen=True, slots=True)
class StreamSource:
    """One source of pictures.

    Args:
        source: the camera whose own stream it is; None for the stream at `uri`.
        uri: an RTSP address without credentials; empty with no `source` for none at all.
        transport: `tcp` (interleaved), `udp`, or `http` (the tunnel).
    """

    source: int | None = None
    uri: str = ""
    user: str = ""
    password: str = ""
    transport: str = "tcp"


@dataclass(frozen=True, slots=True)
class WantedStream:
    """A stream to open, all of it known."""

    uri: str
    user: str
    password: str
    transport: str = "tcp"


class StreamSources:
    """Feeds by the number of the recording. Belongs to the event loop."""

    def __init__(self, store: Store, roster: CameraStore) -> None:
        self._store, self._roster = store, roster
        self._feeds: dict[int, StreamSource] = {}
        self._loading = asyncio.Lock()
        self._loaded = False

    async def load(self) -> None:
        """Read the rows; before anything else, once."""
        async with self._loading:
            if self._loaded:
                return
            for recording, source, uri, user, password, transport in await self._store.read(feed_rows.every):
                self._feeds[recording] = StreamSource(source, uri, user, password, transport)
            self._loaded = True

    def get(self, recording: int) -> StreamSource | None:
        """None for a camera that is recorded from its own stream, as it tells it."""
        return self._feeds.get(recording)

    async def save(self, recording: int, feed: StreamSource | None) -> None:
        """Keep it, or let the recording be its own camera's again. Raises `StoreError` when the disk refuses."""
        if self._feeds.get(recording) == feed:
            return

        def change(link: Link) -> None:
            feed_rows.remove(link, recording)
            if feed is not None:
                row = (recording, feed.source, feed.uri, feed.user, feed.password, feed.transport)
                feed_rows.add(link, row)

        await self._store.write(change)
        if feed is None:
            self._feeds.pop(recording, None)
        else:
            self._feeds[recording] = feed

    def of(self, camera: CameraRow) -> WantedStream | None:
        """What a recording is to be recorded from now; None for nothing."""
        return self.resolve(self._feeds.get(camera.camera, StreamSource(camera.camera)))

    def camera_of(self, recording: int) -> int | None:
        """The camera whose own stream a recording records."""
        return self._feeds.get(recording, StreamSource(recording)).source

    def resolve(self, feed: StreamSource) -> WantedStream | None:
        """The stream behind a feed; an address of an added camera's own host and port uses that camera's account."""
        if feed.source is not None:
            try:
                camera = self._roster.get(feed.source)
            except NotFound:
                return None
            if not camera.stream_uri:
                return None
            return WantedStream(camera.stream_uri, *self._roster.stream_account(camera.camera), feed.transport)
        if not feed.uri:
            return None
        if not feed.user:
            for camera in self._roster.all():
                if camera.stream_uri and _place(camera.stream_uri) == _place(feed.uri):
                    return WantedStream(feed.uri, *self._roster.stream_account(camera.camera), feed.transport)
        return WantedStream(feed.uri, feed.user, feed.password, feed.transport)


def _place(uri: str) -> tuple[str, str]:
    """Scheme and authority without credentials."""
    scheme, _, rest = uri.partition("://")
    return scheme, rest.partition("/")[0].rpartition("@")[2]
