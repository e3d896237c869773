"""One picture in, one `Sight` out: when to detect, what the tracker makes of it, where the faces are."""

from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware.capture.frame import CLOCK_90K, Picture
from firmware.vision.again import look_again
from firmware.vision.furniture import Furniture
from firmware.vision.looks import LENGTH, looks
from firmware.vision.settings import VisionSettings
from firmware.vision.sight import Sight, TrackBox
from firmware.vision.tracker import Seen, Tracker
from firmware.vision.tuning import Tuning
from models import Models
from models.detections import Boxes, Detections, ious
from models.detector import BESIDE_TRACK_THRESHOLD, MASKING_THRESHOLD
from wire.features.vocabulary import ObjectClass

# A face is sought on people at least this tall; on smaller ones it has fewer than 7 pixels and the body says enough.
_FACE_BODY_PX = 48
# Furniture is found best by its weakest detections, which are followed by nobody.
_FURNITURE_THRESHOLD = 0.1
# Where somebody is followed, a detection far too weak to begin anything still says where he is: behind a post the
# detector sees half of him and doubts it. It must overlap the followed box by this much.
_BESIDE = 0.25


# Grey levels between the darkest and the brightest fiftieth of a picture below which the detector is blind: measured on
# the demo clip, dimmed it still meets 0.92 of the people at 12 levels, 0.77 at 8 and none at 4; bleached 0.58 at 12.
# Somebody with an image editor sees more.
_BLIND_BELOW = 12
_BLIND_EVERY_PX = 16


class Eyes:
    """Call `look` once per picture, in order, on one thread."""

    def __init__(self, models: Models, rate: Fraction, settings: VisionSettings | None = None,
                 tuning: Tuning | None = None) -> None:
        # The camera's stages have threads of their own; OpenCV's would only take from them, and at these sizes waiting
        # for each other costs more than they save: 3.3 ms of processor time a picture against 2.6 on a busy machine.
        cv2.setNumThreads(1)
        self._models = models
        self._settings = settings or VisionSettings()
        # Half a picture early, for pictures do not come to the tick; that later pictures than the rate says do not make
        # runs of the detector rarer, this is a time and no number.
        self._detect_90k = round((self._settings.detect_every - 0.5) * CLOCK_90K / rate)
        self._due_90k: int | None = None
        self._tracker = Tracker(tuning)
        self._furniture = Furniture()
        self._number = 0
        self._face_of: dict[int, int] = {}
        self._followed: tuple[TrackBox, ...] = ()

    def look(self, i420: Picture, pts_90k: int) -> Sight:
        """What is in the picture `i420`, taken at `pts_90k`.

        Raises:
            ModelError: the networks cannot be trusted any more.
        """
        now_s, height = pts_90k / CLOCK_90K, i420.shape[0] * 2 // 3
        blind = _contrast(i420[:height]) < _BLIND_BELOW
        detects = self._due_90k is None or self._settings.detect_every == 1 or pts_90k >= self._due_90k
        self._number += 1
        if not detects:
            followed = self._tracker.update(None, now_s)
            self._followed = followed.tracks
            nothing = np.zeros((0, 4), np.float32)
            return Sight(pts_90k, followed.tracks, Detections.none(), nothing, followed.ended, blind)
        self._due_90k = pts_90k + self._detect_90k
        rgb = np.asarray(cv2.cvtColor(i420, cv2.COLOR_YUV2RGB_I420), np.uint8)
        faint = self._models.detector.detect(rgb, BESIDE_TRACK_THRESHOLD)
        faint = look_again(self._models.detector, rgb, faint, self._followed, self._settings.look_again)
        every = faint.where(faint.scores >= _FURNITURE_THRESHOLD)
        still = self._furniture.still(i420[:height], now_s, every.boxes)
        strong = every.scores >= MASKING_THRESHOLD
        found = every.where(strong)
        seen = Seen(found, self._looks(rgb, found), still[strong], self._furniture.known(found.boxes))
        followed = self._tracker.update(seen, now_s)
        self._followed = followed.tracks
        free = ~followed.taken
        unowned = still & (every.classes == ObjectClass.PERSON)
        unowned[strong] &= free
        self._furniture.remember(every.boxes[unowned], now_s)
        beside = _beside(faint.where(faint.scores < MASKING_THRESHOLD), followed.tracks)
        weak = Detections.joined([found.where(free), beside])
        return Sight(pts_90k, followed.tracks, weak, self._faces(rgb, followed.tracks), followed.ended, blind)

    def _looks(self, rgb: NDArray[np.uint8], found: Detections) -> NDArray[np.float32]:
        """Looks of the detections that the tracker asks for it; the weak ones are matched by their boxes alone."""
        rows = np.zeros((len(found), LENGTH), np.float32)
        strong = found.scores >= self._tracker.tuning.strong
        rows[strong] = looks(rgb, found.boxes[strong])
        return rows

    def _faces(self, rgb: NDArray[np.uint8], tracks: tuple[TrackBox, ...]) -> Boxes:
        """Faces of the people who were not asked for the longest time."""
        people = [t for t in tracks if t.class_ is ObjectClass.PERSON and t.seen
                  and t.box[3] - t.box[1] >= _FACE_BODY_PX]
        people.sort(key=lambda track: self._face_of.get(track.id, -1))
        chosen = people[:self._settings.faces_per_picture]
        self._face_of = {t.id: self._face_of[t.id] for t in tracks if t.id in self._face_of}
        self._face_of.update({track.id: self._number for track in chosen})
        bodies = np.array([track.box for track in chosen], np.float32).reshape(-1, 4)
        return self._models.faces.on_bodies(rgb, bodies)


def _beside(faint: Detections, tracks: tuple[TrackBox, ...]) -> Detections:
    """Those of `faint` that lie where a person is followed."""
    people = np.array([t.box for t in tracks if t.class_ is ObjectClass.PERSON], np.float32).reshape(-1, 4)
    near = (ious(faint.boxes, people) > _BESIDE).any(axis=1)
    return faint.where(np.asarray(near & (faint.classes == ObjectClass.PERSON)))


def _contrast(luma: Picture) -> float:
    """Grey levels between the 2nd and the 98th percentile of every sixteenth sample of every sixteenth row."""
    samples = np.sort(luma[::_BLIND_EVERY_PX, ::_BLIND_EVERY_PX], axis=None)
    edge = len(samples) // 50
    return float(samples[-1 - edge]) - float(samples[edge])
