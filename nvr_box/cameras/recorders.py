"""The recorders that run, one thread per camera. Belongs to the event loop."""

import asyncio
import logging
from typing import Any

from nvr_box.cameras.roster import Camera
from nvr_box.record.recorder import Recorder, Recording
from nvr_box.record.recordings import Recordings
from nvr_box.record.retention import Retention
from nvr_box.record.segments import Segments
from nvr_box.record.source import Source

log = logging.getLogger(__name__)
# The demo promises to end within five seconds; what a recorder leaves open the next start finishes.
_STOP_S = 2.5


class Recorders:
    """Starts and stops them; asks them how they are."""

    def __init__(self, recordings: Recordings, segments: Segments, retention: Retention, *, segment_s: int) -> None:
        self._recordings, self._segments, self._retention = recordings, segments, retention
        self._segment_s = segment_s
        self._running: dict[int, Recorder] = {}
        self._loop = asyncio.get_running_loop()

    def now(self, camera: int) -> Recording | None:
        """How the recorder of `camera` is doing, None when it has none."""
        recorder = self._running.get(camera)
        return recorder.now if recorder else None

    def start(self, camera: Camera, password: str) -> None:
        """Record `camera` until `stop`."""
        hub = self._recordings.hub(camera.camera)

        def publish(*fragment: Any) -> None:
            """On the recorder's thread."""
            self._loop.call_soon_threadsafe(hub.publish, *fragment)

        recorder = Recorder(
            camera.camera,
            camera.name,
            lambda: Source(camera.stream_uri, camera.user, password),
            self._segments,
            segment_s=self._segment_s,
            make_room=self._retention.make_room,
            publish=publish,
        )
        self._running[camera.camera] = recorder
        recorder.start()

    async def stop(self, camera: int) -> None:
        """End it; its open segment is finished when this returns."""
        recorder = self._running.pop(camera, None)
        if recorder:
            recorder.stop()
            await asyncio.to_thread(recorder.join, _STOP_S)

    async def stop_all(self) -> None:
        """End every one."""
        recorders, self._running = self._running, {}
        for recorder in recorders.values():
            recorder.stop()
        joins = [asyncio.to_thread(recorder.join, _STOP_S) for recorder in recorders.values()]
        for camera, ended in zip(recorders, await asyncio.gather(*joins), strict=True):
            if not ended:
                log.warning("camera %d: its recorder did not end in time; the next start finishes its segment", camera)
