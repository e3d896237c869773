"""The recorders that run, one thread per camera, and connections held without recording. Belongs to the event loop."""

import asyncio
import ipaddress
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from nvr_box.cameras.camera_store import CameraRow
from nvr_box.cameras.keepalive import StreamKeeper
from nvr_box.cameras.sign_ins import SignIn, words
from nvr_box.cameras.stream_sources import WantedStream
from nvr_box.record.recorder import Recorder, RecorderStatus
from nvr_box.record.recordings import Recordings
from nvr_box.record.retention import Retention
from nvr_box.record.segments import Segments
from nvr_box.record.source import RecordedStream, SignInRefused

log = logging.getLogger(__name__)
# The demo promises to end within five seconds; what a recorder leaves open the next start finishes.
_STOP_S = 2.5


class Recorders:
    """Starts and stops them; asks them how they are."""

    def __init__(self, recordings: Recordings, segments: Segments, retention: Retention, *, segment_s: int) -> None:
        self._recordings, self._segments, self._retention = recordings, segments, retention
        self._segment_s = segment_s
        self._running: dict[int, Recorder] = {}
        self._held: dict[str, tuple[WantedStream, StreamKeeper]] = {}
        self._ended = False
        self._loop = asyncio.get_running_loop()

    def now(self, camera: int) -> RecorderStatus | None:
        """How the recorder of `camera` is doing, None when it has none."""
        recorder = self._running.get(camera)
        return recorder.now if recorder else None

    def stuck(self, after_s: float) -> list[str]:
        """The cameras whose recorder's thread has not gone on for so long."""
        since_mono_s = time.monotonic() - after_s
        return [recorder.name for recorder in self._running.values() if recorder.turned_mono_s < since_mono_s]

    def status(self) -> str:
        """How many are recorded, of how many."""
        recorded = sum(recorder.now.connected for recorder in self._running.values())
        return f"{recorded} of {len(self._running)} cameras are recorded"

    def start(
        self,
        camera: CameraRow,
        wanted: WantedStream,
        on_events: Callable[[int, bytes], None],
        sign_in: SignIn | None = None,
        want_key: Callable[[], None] = lambda: None,
    ) -> None:
        """Record `wanted` as `camera` until `stop`; one that is recorded goes on as it does.

        Args:
            on_events: called with the camera and each metadata document that has events in it.
            sign_in: of the account that `wanted` names.
            want_key: called when no viewer could begin to watch, since the camera refreshes its picture gradually.
        """
        sign_in = sign_in or SignIn()
        if camera.camera in self._running or self._ended:
            return
        hub = self._recordings.hub(camera.camera)

        def publish(*fragment: Any) -> None:
            """On the recorder's thread."""
            self._loop.call_soon_threadsafe(hub.publish, *fragment)

        def wanted_there() -> None:
            """On the recorder's thread."""
            self._loop.call_soon_threadsafe(want_key)

        recorder = Recorder(
            camera.camera,
            camera.name,
            lambda: _open(wanted, sign_in),
            self._segments,
            segment_s=self._segment_s,
            make_room=self._retention.make_room,
            publish=publish,
            on_events=lambda document: self._publish(on_events, camera.camera, document),
            near=is_near(wanted.uri),
            want_key=wanted_there,
        )

        def joined() -> None:
            if recorder.now.connected and recorder.now.refreshes:
                want_key()

        hub.joined = joined
        self._running[camera.camera] = recorder
        recorder.start()

    def _publish(self, on_events: Callable[[int, bytes], None], camera: int, document: bytes) -> None:
        """On the recorder's thread."""
        self._loop.call_soon_threadsafe(on_events, camera, document)

    async def stop(self, camera: int) -> None:
        """End it; its open segment is finished when this returns."""
        recorder = self._running.pop(camera, None)
        if recorder:
            recorder.stop()
            await asyncio.to_thread(recorder.join, _STOP_S)

    def held(self, token: str) -> RecorderStatus | None:
        """How the connection `token` is doing that `hold` keeps, None when it keeps none."""
        found = self._held.get(token)
        return found[1].now if found else None

    def hold(self, streams: Mapping[str, WantedStream]) -> None:
        """Be connected to these streams, by any name, and to no others, without recording them."""
        for token, (wanted, holder) in tuple(self._held.items()):
            if streams.get(token) != wanted:
                holder.stop()
                del self._held[token]
        for token, wanted in streams.items():
            if token not in self._held and not self._ended:
                sign_in = SignIn()
                holder = StreamKeeper(token, lambda wanted=wanted, sign_in=sign_in: _open(wanted, sign_in))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
                self._held[token] = wanted, holder
                holder.start()

    async def stop_all(self) -> None:
        """End every one, and begin no more."""
        self._ended = True
        recorders, self._running = self._running, {}
        self.hold({})
        for recorder in recorders.values():
            recorder.stop()
        joins = [asyncio.to_thread(recorder.join, _STOP_S) for recorder in recorders.values()]
        for camera, ended in zip(recorders, await asyncio.gather(*joins), strict=True):
            if not ended:
                log.warning("camera %d: its recorder did not end in time; the next start finishes its segment", camera)


def is_near(uri: str) -> bool:
    """Whether an address is of this network: private, link-local, this host, or a name that no public zone knows."""
    try:
        host = urlsplit(uri).hostname or ""
    except ValueError:
        return False
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return bool(host) and ("." not in host or host.endswith((".local", ".lan", ".home.arpa", ".internal")))


def _open(wanted: WantedStream, sign_in: SignIn) -> RecordedStream:
    sign_in.check()
    try:
        source = RecordedStream(wanted.uri, wanted.user, wanted.password, wanted.transport)
    except SignInRefused as error:
        sign_in.refused()
        raise SignInRefused(words(sign_in.waiting_s)) from error
    sign_in.accepted()
    return source
