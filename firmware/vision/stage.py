"""One picture in, one `FrameDetections` out: when to detect, what the tracker makes of it, where the faces are."""

from collections.abc import Callable
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware.capture.frame import CLOCK_90K, I420
from firmware.vision.camera_motion import CameraMotion
from firmware.vision.colour_histogram import LENGTH, colour_histograms
from firmware.vision.frame_detections import FrameDetections, TrackBox
from firmware.vision.occupied_places import OccupiedPlaces
from firmware.vision.redetect import redetect_lost
from firmware.vision.settings import VisionSettings
from firmware.vision.size_schedule import SizeSchedule
from firmware.vision.static_objects import StaticObjects
from firmware.vision.tracker import DetectedObjects, Followed, Tracker
from firmware.vision.tuning import Tuning
from firmware.vision.visibility import visibility
from models import Models
from models.detections import Boxes, Detections, areas, intersections, ious
from models.detector import BESIDE_TRACK_THRESHOLD, MASKING_THRESHOLD, OBJECT_THRESHOLD
from wire.features.vocabulary import ObjectClass

# A face is sought on people at least this tall; on smaller ones it has fewer than 7 pixels and the body says enough.
_FACE_BODY_PX = 48
# Furniture is found best by its weakest detections, which no track takes.
_FURNITURE_THRESHOLD = 0.1
# Where a person is tracked, a detection far too weak to begin anything still says where they are: behind a post the
# detector sees half of them and doubts it. It must overlap the tracked box by this much.
_BESIDE = 0.25
# … and lie within it, grown by so much of its size: beside people that are near, the weakest boxes are anything.
_BESIDE_GROWN, _BESIDE_INSIDE = 0.05, 0.9
# In haze people hardly stand out, and so do their false alarms: people who lie in fog score from .07 on.
_HAZY_THRESHOLD = 0.06
# A face that no body explains: how far the head and the shoulders reach, in its widths and heights.
_HEAD_ACROSS, _HEAD_UP, _HEAD_DOWN = 0.9, 0.7, 1.0
# Where the detector can afford to run no oftener, whatever moves and is not explained is masked, as in haze.
_SPARSE_S = 0.5
_FACES_EVERY_S, _FACES_LONG_SIDE, _FACES_THRESHOLD = 0.5, 320, 0.45


class VisionStage:
    """Call `detect` once per picture, in order, on one thread."""

    def __init__(
        self,
        models: Models,
        rate: Fraction,
        settings: VisionSettings | None = None,
        tuning: Tuning | None = None,
        interval_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """Load nothing.

        Args:
            interval_s: called each time: the detector runs no sooner than so long after it ran last.
        """
        # The camera's stages have threads of their own; OpenCV's would only take from them, and at these sizes waiting
        # for each other costs more than they save: 3.3 ms of processor time a picture against 2.6 on a busy machine.
        cv2.setNumThreads(1)
        self._models = models
        self._settings = settings or VisionSettings()
        # Half a picture early, for pictures do not come to the tick; that later pictures than the rate says do not make
        # runs of the detector rarer, this is a time and no number.
        every = self._settings.detect_every
        self._detect_90k = 0 if every == 1 else round((every - 0.5) * CLOCK_90K / rate)
        self._detected_90k: int | None = None
        self._interval_s = interval_s
        self._tracker = Tracker(tuning)
        self._furniture = StaticObjects()
        self._number = 0
        self._face_of: dict[int, int] = {}
        self._followed: tuple[TrackBox, ...] = ()
        self._detector = models.detector
        self._turns = SizeSchedule(self._detector.scales)
        self._belief = OccupiedPlaces(self._detector.scales)
        self._camera_motion = CameraMotion()
        self._faces_s = -_FACES_EVERY_S

    def detect(self, i420: I420, pts_90k: int) -> FrameDetections:
        """What is in the picture `i420`, taken at `pts_90k`.

        Raises:
            ModelError: the networks cannot be trusted any more.
        """
        now_s, height = pts_90k / CLOCK_90K, i420.shape[0] * 2 // 3
        luma, shows = i420[:height], visibility(i420)
        moved = self._camera_motion.moved(luma, now_s)
        if moved:
            self._belief.forget()
        interval_s = self._interval_s()
        rest_90k = max(self._detect_90k, round(interval_s * CLOCK_90K))
        detects = self._detected_90k is None or pts_90k - self._detected_90k >= rest_90k
        self._number += 1
        if not detects:
            followed = self._tracker.update(None, now_s)
            weak, faces, kept = Detections.none(), np.zeros((0, 4), np.float32), np.zeros((0, 4), np.float32)
        else:
            self._detected_90k = pts_90k
            followed, weak, faces, kept = self._detect(i420, now_s, hazy=shows.hazy)
        self._followed = followed.tracks
        return FrameDetections(
            pts_90k,
            followed.tracks,
            weak,
            faces,
            followed.ended,
            kept=kept,
            blind=shows.blind,
            colourless=shows.colourless,
            hazy=shows.hazy,
            moved=moved,
            sparse=interval_s > _SPARSE_S,
        )

    def _detect(self, i420: I420, now_s: float, *, hazy: bool) -> tuple[Followed, Detections, Boxes, Boxes]:
        """What is followed, what else was found, faces, and places of people that nothing found."""
        luma = i420[: i420.shape[0] * 2 // 3]
        rgb = np.asarray(cv2.cvtColor(i420, cv2.COLOR_YUV2RGB_I420), np.uint8)
        faint = self._detector.detect(rgb, BESIDE_TRACK_THRESHOLD, self._turns.next(now_s))
        self._turns.record(faint)
        faint = redetect_lost(self._detector, rgb, faint, self._followed, self._settings.look_again)
        every = faint.where(faint.scores >= _FURNITURE_THRESHOLD)
        still = self._furniture.still(luma, now_s, every.boxes)
        strong = every.scores >= MASKING_THRESHOLD
        found = every.where(strong)
        seen = DetectedObjects(found, self._looks(rgb, found), still[strong], self._furniture.known(found.boxes))
        followed = self._tracker.update(seen, now_s)
        free = ~followed.taken
        unowned = still & (every.classes == ObjectClass.PERSON)
        unowned[strong] &= free
        self._furniture.remember(every.boxes[unowned], now_s)
        weaker = faint.where(faint.scores < MASKING_THRESHOLD)
        weak = [found.where(free), _beside(weaker, followed.tracks), self._heads(rgb, found, now_s)]
        if hazy:
            weak.append(weaker.where((weaker.scores >= _HAZY_THRESHOLD) & (weaker.classes == ObjectClass.PERSON)))
        people = [t.box for t in followed.tracks if t.class_ is ObjectClass.PERSON and t.seen]
        kept = self._belief.update(luma, found, np.array(people, np.float32).reshape(-1, 4), now_s)
        return followed, Detections.joined(weak), self._faces(rgb, followed.tracks), kept

    def _heads(self, rgb: NDArray[np.uint8], found: Detections, now_s: float) -> Detections:
        """Heads and shoulders around faces without a body: of people so near that no body is seen."""
        if not self._settings.faces_per_picture or now_s - self._faces_s < _FACES_EVERY_S:
            return Detections.none()
        self._faces_s = now_s
        factor = min(_FACES_LONG_SIDE / max(rgb.shape[:2]), 1.0)
        small = np.asarray(cv2.resize(rgb, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8)
        faces = self._models.faces.find(small, _FACES_THRESHOLD) / np.float32(factor)
        people = found.boxes[found.classes == ObjectClass.PERSON]
        owned = intersections(faces, people) >= 0.7 * areas(faces)[:, None]  # most of the face
        x0, y0, x1, y1 = faces[~owned.any(axis=1)].T
        across, down = (x1 - x0) * _HEAD_ACROSS, y1 - y0
        height, width = rgb.shape[:2]
        heads = np.stack([x0 - across, y0 - down * _HEAD_UP, x1 + across, y1 + down * _HEAD_DOWN], axis=1)
        heads = np.clip(heads, 0, np.array([width, height, width, height]))
        return Detections(
            heads.astype(np.float32),
            np.full(len(heads), OBJECT_THRESHOLD, np.float32),
            np.full(len(heads), int(ObjectClass.PERSON), np.uint8),
        )

    def _looks(self, rgb: NDArray[np.uint8], found: Detections) -> NDArray[np.float32]:
        """Colours of the detections that the tracker compares; weak ones are matched by their boxes alone."""
        rows = np.zeros((len(found), LENGTH), np.float32)
        strong = found.scores >= self._tracker.tuning.strong
        rows[strong] = colour_histograms(rgb, found.boxes[strong])
        return rows

    def _faces(self, rgb: NDArray[np.uint8], tracks: tuple[TrackBox, ...]) -> Boxes:
        """Faces of the people that were not searched for the longest time."""
        people = [
            t for t in tracks if t.class_ is ObjectClass.PERSON and t.seen and t.box[3] - t.box[1] >= _FACE_BODY_PX
        ]
        people.sort(key=lambda track: self._face_of.get(track.id, -1))
        chosen = people[: self._settings.faces_per_picture]
        self._face_of = {t.id: self._face_of[t.id] for t in tracks if t.id in self._face_of}
        self._face_of.update({track.id: self._number for track in chosen})
        bodies = np.array([track.box for track in chosen], np.float32).reshape(-1, 4)
        return self._models.faces.on_bodies(rgb, bodies)


def _beside(faint: Detections, tracks: tuple[TrackBox, ...]) -> Detections:
    """Those of `faint` that lie where a person is followed, and hardly anywhere else."""
    people = np.array([t.box for t in tracks if t.class_ is ObjectClass.PERSON], np.float32).reshape(-1, 4)
    size = (people[:, 2:] - people[:, :2]) * _BESIDE_GROWN
    grown = np.concatenate([people[:, :2] - size, people[:, 2:] + size], axis=1).astype(np.float32)
    inside = intersections(faint.boxes, grown) >= _BESIDE_INSIDE * areas(faint.boxes)[:, None]
    near = ((ious(faint.boxes, people) > _BESIDE) & inside).any(axis=1)
    return faint.where(np.asarray(near & (faint.classes == ObjectClass.PERSON)))
