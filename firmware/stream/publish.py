"""What becomes of a masked picture: streams, metadata, events. All on the encode thread.

Everything here has the masked picture only; see `firmware.stream.pipeline.Outputs`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from firmware.analytics import Engine
from firmware.analytics.engine import CONFIGURATION, SOURCE_CONFIGURATION
from firmware.analytics.palette import coloured
from firmware.analytics.rules.base import TrackedObject, TrackedPicture
from firmware.capture.frame import CLOCK_90K, I420
from firmware.encode.access_unit import AccessUnit
from firmware.stream.event_track import EventTrack
from firmware.stream.live import PipelineControl
from firmware.stream.mounts import MountPoints
from firmware.stream.pipeline import Masked
from firmware.vision.frame_detections import FrameDetections, TrackBox
from onvif import metadata
from onvif.events.bus import Bus
from onvif.events.topics import CELL_MOTION, MOTION_ALARM, SIGNAL_LOSS
from wire.features.packet import ColourShare
from wire.features.vocabulary import ObjectClass

SOURCE = {"Source": "source"}
CELL_MOTION_SOURCE = {
    "VideoSourceConfigurationToken": SOURCE_CONFIGURATION, "VideoAnalyticsConfigurationToken": CONFIGURATION,
    "Rule": "Motion",
}  # fmt: skip
"""Of the same alarm in the form that recorders of Profile S listen for."""
_TYPES = {
    ObjectClass.PERSON: ("Human", ""),
    ObjectClass.BICYCLE: ("Bicycle", "Bicycle"),
    ObjectClass.CAR: ("Vehicle", "Car"),
    ObjectClass.MOTORCYCLE: ("Vehicle", "Motorcycle"),
    ObjectClass.BUS: ("Vehicle", "Bus"),
    ObjectClass.TRUCK: ("Vehicle", "Truck"),
}
_CONFIRMED_S = 0.3  # a track that lasted no longer may be noise
_CALM_S = 2.0
_MOVED_OF_WIDTH = 0.3


class MotionAlarm:
    """True while a tracked object moves, and for two seconds after."""

    def __init__(self) -> None:
        self.state = False
        self._anchor: dict[int, tuple[float, float]] = {}
        self._moved_90k: int | None = None

    def update(self, sight: FrameDetections) -> bool:
        """Take one sighting; whether the alarm stands now."""
        for track in sight.tracks:
            if track.age_s >= _CONFIRMED_S and track.seen and self._moved(track):
                self._moved_90k = sight.pts_90k
        for ended in sight.ended:
            self._anchor.pop(ended, None)
        self.state = self._moved_90k is not None and sight.pts_90k - self._moved_90k <= _CALM_S * CLOCK_90K
        return self.state

    def _moved(self, track: TrackBox) -> bool:
        x0, y0, x1, y1 = (float(edge) for edge in track.box)
        centre = ((x0 + x1) / 2, (y0 + y1) / 2)
        anchor = self._anchor.setdefault(track.id, centre)
        far = abs(centre[0] - anchor[0]) + abs(centre[1] - anchor[1]) > _MOVED_OF_WIDTH * (x1 - x0)
        if far:
            self._anchor[track.id] = centre
        return far


@dataclass(frozen=True, slots=True)
class Publisher:
    """The pipeline's outputs.

    Args:
        live: what the services see.
        paths: the RTSP streams.
        bus: where events are said.
        engine: which objects are described, and what rules find in them.
        alarm: the motion alarm.
        best_shots: shown every masked picture and its media time (the describer's thumbnails).
        colours: what the describer knows of a track's colours by now.
        events: the events in the metadata streams.
        describes: whether the metadata configuration selects what is seen.
    """

    live: PipelineControl
    paths: MountPoints
    bus: Bus
    engine: Engine
    alarm: MotionAlarm
    best_shots: Callable[[I420, int], None]
    colours: Callable[[int], tuple[ColourShare, ...]]
    events: EventTrack
    describes: Callable[[], bool]

    def masked(self, masked: Masked) -> None:
        """Sub stream, snapshot, metadata and events of one masked picture."""
        self.live.show(masked)
        self.best_shots(masked.picture, masked.pts_90k)
        if self.paths.watched("sub"):
            unit = self.live.sub.encode(masked.picture, masked.pts_90k, masked.utc_us)
            if unit is not None:
                self.paths.video("sub", unit)
        if masked.sight is not None:
            self._describe(masked, masked.sight)

    def access_unit(self, unit: AccessUnit) -> None:
        """The main stream."""
        self.paths.video("main", unit)

    def signal(self, *, lost: bool, why: str) -> None:  # noqa: ARG002  # the log has the reason, the event a state
        """The sensor's state as an event."""
        self.live.signal_lost = lost
        self.bus.publish(SIGNAL_LOSS.path, SOURCE, {"State": lost})

    def _describe(self, masked: Masked, sight: FrameDetections) -> None:
        utc = datetime.fromtimestamp(masked.utc_us / 1e6, UTC)
        shown = [track for track in sight.tracks if track.age_s >= _CONFIRMED_S]
        moving = self.alarm.update(sight)
        self.bus.publish(MOTION_ALARM.path, SOURCE, {"State": moving}, at=utc)
        self.bus.publish(CELL_MOTION.path, CELL_MOTION_SOURCE, {"IsMotion": moving}, at=utc)
        self.engine.judge(self._tracked(shown, sight, utc))
        frame = self.engine.describe(self._frame(shown, sight, utc))
        self.events.picture(masked.pts_90k, masked.utc_us)
        if self.paths.metadata_watched and self.describes():
            self.paths.metadata(metadata.document([frame]), pts_90k=masked.pts_90k, utc_us=masked.utc_us)

    def _tracked(self, shown: list[TrackBox], sight: FrameDetections, utc: datetime) -> TrackedPicture:
        width, height = self.live.source.width, self.live.source.height
        objects = tuple(
            TrackedObject(
                track.id,
                _TYPES[track.class_][0],
                track.score,
                metadata.MetadataBox.from_pixels(track.box.tolist(), width, height),
                track.seen,
            )
            for track in shown
        )
        return TrackedPicture(utc, objects, width, height, moved=sight.moved)

    def _frame(self, shown: list[TrackBox], sight: FrameDetections, utc: datetime) -> metadata.MetadataFrame:
        source = self.live.source
        objects = []
        for track in shown:
            type_, vehicle = _TYPES[track.class_]
            box = metadata.MetadataBox.from_pixels(track.box.tolist(), source.width, source.height)
            seen = metadata.MetadataObject(track.id, box, type_=type_, likelihood=track.score, vehicle=vehicle)
            objects.append(coloured(seen, self.colours(track.id)))
        return metadata.MetadataFrame(utc, tuple(objects), deleted=sight.ended)
