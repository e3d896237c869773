"""Recording one camera: stream in, segments on disk, fragments to viewers; again and again until stopped.

One thread per camera, because reading, muxing and fsync block; about one per mille of a core for a 1080p stream.
"""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from io import FileIO
from typing import TypeVar

from av.video.stream import VideoStream

from base.clock import utc_us
from base.errors import Error, PeerError, StoreError
from base.logs import printable
from nvr_box.record.fmp4 import TIMESCALE, Fragment
from nvr_box.record.muxer import Muxer
from nvr_box.record.parameters import Parameters
from nvr_box.record.recovery_point import begins_whole
from nvr_box.record.segment_cut import Cut, OpenSegment, cut
from nvr_box.record.segment_file import DiskFull, SegmentFile
from nvr_box.record.segments import Growing, Segments
from nvr_box.record.sightings import SUFFIX, Documents, Sighting, pack
from nvr_box.record.source import RecordedStream, Timed
from nvr_box.record.timing import CLOCK_TOLERANCE_S

log = logging.getLogger(__name__)

T = TypeVar("T")
Publish = Callable[[bytes, str, int, Fragment, bytes], None]
# How long a recorder that ends waits for the row of its last segment; the next start finds the file without.
_SETTLE_S = 1.5
RECORDED = frozenset({"h264", "hevc", "mjpeg"})
NEAR_BACK_OFF_S = (0.5, 1.0, 1.0, 2.0)
BACK_OFF_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)


@dataclass(frozen=True, slots=True)
class RecorderStatus:
    """How one recorder is doing; replaced as a whole, so that any thread may read it."""

    connected: bool = False
    ever_connected: bool = False
    since_utc_us: int = 0
    message: str = ""
    clock_offset_s: float | None = None
    codec: str = ""
    width: int = 0
    height: int = 0
    rate_fps: float = 0.0
    last_frame_utc_us: int | None = None
    asked_utc_us: int | None = None
    refreshes: bool = False
    """Whether the segment began at a recovery point, from which a browser plays behind a grey picture alone."""


class Recorder:
    """The thread of one camera. `stop` ends it within the source's silence limit.

    Args:
        on_events: called on that thread with each metadata document that has events in it.
        near: whether the camera is on the same network, where frequent requests cost nothing.
        want_key: called on that thread when a segment begins without a whole picture; the camera shall send one.
    """

    def __init__(
        self,
        camera: int,
        name: str,
        stream: Callable[[], RecordedStream],
        segments: Segments,
        *,
        segment_s: int,
        make_room: Callable[[], bool],
        publish: Publish,
        on_events: Callable[[bytes], None] = lambda _document: None,
        near: bool = False,
        want_key: Callable[[], None] = lambda: None,
    ) -> None:
        self.camera = camera
        self.now = RecorderStatus(since_utc_us=utc_us())
        self.turned_mono_s = time.monotonic()
        """When the thread last went on to something: a packet, an attempt, a wait."""
        self.name = name
        self._open_stream = stream
        self._segments = segments
        self._segment_90k = segment_s * TIMESCALE
        # Staggered, so that cameras do not all fsync in the same second.
        self._first_90k = int(self._segment_90k * (0.5 + 0.5 * (camera * 0.618 % 1)))
        self._make_room = make_room
        self._publish = publish
        self._on_events = on_events
        self._near = near
        self._want_key = want_key
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"record-{camera}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end; the open segment is finished."""
        self._stopping.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; whether it came."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            self.turned_mono_s = time.monotonic()
            self.now = replace(self.now, asked_utc_us=utc_us())
            try:
                self._record()
                why = "the stream ended"
                failures = 0
            except Error as error:
                why = str(error)
                failures = 0 if self.now.connected else failures + 1
            except Exception as error:
                # Whatever a stream makes libav or us raise: a thread that ends here would record nothing ever again,
                # and its last words would go on saying that it does.
                why = f"its stream cannot be recorded: {printable(str(error)) or type(error).__name__}"
                failures += 1
                log.log(logging.ERROR if failures == 1 else logging.DEBUG, "%s", self.name, exc_info=True)
            if self._stopping.is_set():
                break
            first = self.now.connected or not self.now.message
            log.log(logging.WARNING if first else logging.DEBUG, "%s: %s", self.name, why)
            since = utc_us() if first else self.now.since_utc_us
            self.now = replace(self.now, connected=False, since_utc_us=since, message=why)
            back_off_s = NEAR_BACK_OFF_S if self._near else BACK_OFF_S
            self._stopping.wait(back_off_s[min(failures, len(back_off_s) - 1)])
        self._segments.wait_stored(_SETTLE_S)

    def _record(self) -> None:
        """One connection, until it ends."""
        source = self._open_stream()
        codec = source.stream.codec_context.name
        if codec not in RECORDED:
            source.close()
            raise PeerError(f"its stream is {codec}; recorded are H.264, H.265 and JPEG")
        parameters = Parameters(source.stream)
        open_segment: _Open | None = None

        def seen(found: list[Sighting]) -> None:
            if open_segment is not None:
                open_segment.see(found)

        source.stopping = self._stopping.is_set
        try:
            for timed in source.packets(Documents(seen, self._on_events).feed):
                if self._stopping.is_set():
                    break
                self.turned_mono_s = time.monotonic()
                whole = timed.key and begins_whole(timed.packet, codec)
                action = cut(
                    None if open_segment is None else open_segment.at(timed, refreshes=self.now.refreshes),
                    key=timed.key, changed=timed.key and parameters.changed(timed.packet), whole=whole,
                    camera_timed=_has_camera_time(timed),
                )  # fmt: skip
                if action is Cut.REOPEN:
                    raise PeerError("no picture to begin with for 5 min; the stream is opened again")
                if action in {Cut.BEGIN, Cut.ROLL}:
                    if open_segment is not None:
                        open_segment.finish()
                    self._report_recording(parameters.stream, source.rate_fps, refreshes=not whole)
                    limit = self._first_90k if open_segment is None else self._segment_90k
                    open_segment = _Open(self, Muxer(parameters.stream), timed, limit)
                if open_segment is not None:
                    open_segment.add(timed)
                    self.now = replace(self.now, last_frame_utc_us=timed.utc_us, clock_offset_s=timed.offset_s)
        finally:
            try:
                if open_segment is not None:
                    open_segment.finish()
            finally:
                parameters.close()
                source.close()

    def _report_recording(self, stream: VideoStream, rate_fps: float, *, refreshes: bool) -> None:
        """A segment begins: say what is recorded now."""
        picture = stream.codec_context
        if not self.now.connected:
            log.info("%s: recording", self.name)
            self.now = RecorderStatus(connected=True, ever_connected=True, since_utc_us=utc_us(), rate_fps=rate_fps)
        elif (self.now.width, self.now.height) != (picture.width, picture.height):
            log.info("%s: the camera sends %dx%d now", self.name, picture.width, picture.height)
        self.now = replace(
            self.now, codec=picture.name, width=picture.width, height=picture.height, refreshes=refreshes
        )
        if refreshes:
            self._want_key()


def _has_camera_time(timed: Timed) -> bool:
    """Whether its time is the camera's own: one that is far from the box's dates nothing."""
    return timed.offset_s is not None and abs(timed.offset_s) <= CLOCK_TOLERANCE_S


class _Open:
    """The segment being written: muxer, file, and where it is in time."""

    def __init__(self, recorder: Recorder, muxer: Muxer, first: Timed, limit_90k: int) -> None:
        self._recorder = recorder
        self._muxer = muxer
        self._start_us = first.utc_us
        self._start_90k = first.dts_90k
        self._limit_90k = limit_90k
        self._key_90k = self._gop_90k = 0
        self._file: SegmentFile | None = None
        self._growing: Growing | None = None
        self._has_clock = _has_camera_time(first)
        self._sightings: FileIO | None = None
        self._seen_bytes = 0
        self._finished = False

    def at(self, timed: Timed, *, refreshes: bool) -> OpenSegment:
        """What is known of it when this packet comes."""
        age_90k = timed.dts_90k - self._start_90k
        drift_us = timed.utc_us - (self._start_us + age_90k * 1_000_000 // TIMESCALE)
        known = OpenSegment(
            age_90k, self._key_90k, self._gop_90k, self._limit_90k, drift_us, self._has_clock, refreshes
        )
        camera_timed = _has_camera_time(timed)
        if timed.key and self._has_clock and camera_timed and known.stepped(camera_timed=camera_timed):
            log.warning("%s: the clock moved by %.2f s", self._recorder.name, drift_us / 1e6)
        return known

    def add(self, timed: Timed) -> None:
        """One more packet."""
        at_90k = timed.dts_90k - self._start_90k
        if timed.key and at_90k:
            self._gop_90k = at_90k - self._key_90k
            self._key_90k = at_90k
        pts_90k = timed.pts_90k - self._start_90k
        self._write(self._muxer.feed(timed.packet, at_90k, pts_90k, timed.step_90k))

    def see(self, found: list[Sighting]) -> None:
        """What the camera saw, into the file beside the segment; losing it loses no picture: a full disk is let be."""
        if self._file is None:
            return
        try:
            if self._sightings is None:
                path = self._recorder._segments.root / self._file.path.with_suffix(SUFFIX)
                self._sightings = path.open("ab", buffering=0)
            data = b"".join(pack(each) for each in found)
            if self._sightings.write(data) != len(data):
                self._sightings.truncate(self._seen_bytes)  # half of one would make nonsense of those behind it
                return
            self._seen_bytes += len(data)
        except OSError as error:
            log.debug("%s: sightings not kept: %s", self._recorder.name, error)

    def finish(self) -> None:
        """Write the rest, make it durable, then its row; once, whatever happens."""
        if self._finished:
            return
        self._finished = True
        try:
            self._write(self._muxer.finish())
        finally:
            if self._file is not None:
                self._commit(self._file)

    def _commit(self, file: SegmentFile) -> None:
        segments, camera = self._recorder._segments, self._recorder.camera
        if self._sightings is not None:
            with contextlib.suppress(OSError):
                os.fsync(self._sightings.fileno())
            self._sightings.close()
        whole = self._growing.snapshot() if self._growing else None
        try:
            if whole is None:
                file.discard()
                segments.drop(str(file.path))
            else:
                segments.add(replace(whole, sha256=file.finish(), seen_bytes=self._seen_bytes))
        except StoreError:
            segments.drop(str(file.path), left=True)
            raise
        finally:
            # A recorder that was stopped while its camera was silent may end after the next one has begun.
            if segments.growing.get(camera) is self._growing:
                segments.growing.pop(camera, None)

    def _write(self, whole: list[tuple[Fragment, bytes]]) -> None:
        muxer = self._muxer
        for fragment, data in whole:
            if self._file is None:
                self._file = self._with_room(self._create)
                self._store(muxer.init)
                self._growing = Growing(
                    self._recorder.camera, self._start_us, str(self._file.path), muxer.init, muxer.mime
                )
                self._recorder._segments.growing[self._recorder.camera] = self._growing
            self._store(data)
            assert self._growing is not None
            self._growing.fragments.append(fragment)
            self._recorder._publish(muxer.init, muxer.mime, self._start_us, fragment, data)

    def _create(self) -> SegmentFile:
        segments = self._recorder._segments
        with segments.opening() as being_written:
            file = SegmentFile(segments.root, self._recorder.camera, self._start_us)
            being_written.add(str(file.path))
        return file

    def _store(self, data: bytes) -> None:
        assert self._file is not None
        file = self._file
        self._with_room(lambda: file.write(data))

    def _with_room(self, step: Callable[[], T]) -> T:
        """Do `step`, making room as often as the disk is full and something may go."""
        while True:
            try:
                return step()
            except DiskFull:
                if not self._recorder._make_room():
                    raise StoreError("the disk is full, and nothing that is on it may be removed") from None
