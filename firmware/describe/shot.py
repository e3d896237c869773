"""How good a picture of an object is for recognising it again: size and sharpness, behind gates.

Sharpness alone prefers occlusions (the edges of two people) and size alone the moment before a person leaves the
picture, so what is covered, cut or uncertain does not compete at all while anything better is there.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware.vision.frame_detections import FrameDetections, TrackBox
from models.detections import Boxes, areas, intersections
from wire.features.vocabulary import ObjectClass

# Gates. A box that touches the border is taken as cut: how much of the object is beyond it cannot be known.
_COVERED = 0.1
_BORDER_PX = 3.0
_MINIMUM_HEIGHT_PX = 40
# Boxes of people side by side are found too narrow by about this share of their width.
_DOUBT = 0.15
# A person that the detector hardly sees hides just as much.
_WEAK = 0.2
_MINIMUM_SCORE = 0.45
_MINIMUM_AGE_S = 0.2
# Sharpness saturates: mean squared gradient of a crop in these pixels at which half the credit is given.
_SHARP_SIZE = (32, 64)
_SHARP_HALF = 1500.0
_HEIGHT_HALF_PX = 80.0
# A person seen upright is about this wide; arms, bags and companions make the box wider.
_UPRIGHT_ASPECT = 0.42


@dataclass(frozen=True, slots=True)
class ShotQuality:
    """What a shot is worth.

    Args:
        quality: 0..1 among shots that passed the gates or among those that did not.
        passed: whether it passed the gates.
        covered: share of the box that nearer objects hide.
    """

    quality: float
    passed: bool
    covered: float

    @property
    def rank(self) -> tuple[bool, float]:
        """Order of shots: gates first."""
        return self.passed, self.quality


def judge(luma: NDArray[np.uint8], track: TrackBox, sight: FrameDetections) -> ShotQuality:
    """The worth of `track` as seen in `sight`; `luma` (h, w) is the picture's Y plane."""
    x0, y0, x1, y1 = (float(edge) for edge in track.box)
    rows, columns = luma.shape
    cut = x0 < _BORDER_PX or y0 < _BORDER_PX or x1 > columns - _BORDER_PX or y1 > rows - _BORDER_PX
    hidden = covered(track, sight)
    high = y1 - y0
    passed = (
        hidden <= _COVERED
        and not cut
        and high >= _MINIMUM_HEIGHT_PX
        and track.score >= _MINIMUM_SCORE
        and track.seen
        and track.age_s >= _MINIMUM_AGE_S
    )
    size = high / (high + _HEIGHT_HALF_PX)
    keen = _sharpness(luma, track.box)
    clear = 1 - min(hidden / 0.5, 1.0)
    quality = size**0.5 * keen**0.5 * (0.5 + 0.5 * track.score) * clear * _pose(track)
    return ShotQuality(float(quality * (0.6 if cut else 1.0)), passed, hidden)


def covered(track: TrackBox, sight: FrameDetections) -> float:
    """Share of the track's box that is inside the boxes of objects standing nearer (whose feet are lower)."""
    others = [other.box for other in sight.tracks if other.id != track.id and other.box[3] > track.box[3]]
    weak = sight.weak.boxes[(sight.weak.scores >= _WEAK) & (sight.weak.boxes[:, 3] > track.box[3] + 2)]
    nearer: Boxes = np.concatenate([np.array(others, np.float32).reshape(-1, 4), weak])
    box = track.box.reshape(1, 4)
    if not len(nearer) or not areas(box)[0]:
        return 0.0
    doubt = (nearer[:, 2] - nearer[:, 0]) * _DOUBT
    nearer[:, 0] -= doubt
    nearer[:, 2] += doubt
    # A weak box on the object itself is the object, not something before it.
    overlap = intersections(box, nearer)[0]
    itself = overlap > 0.7 * np.maximum(areas(nearer), areas(box))
    shares = np.where(itself, 0, overlap) / areas(box)[0]
    return float(min(shares.sum(), 1.0))


def _sharpness(luma: NDArray[np.uint8], box: NDArray[np.float32]) -> float:
    x0, y0, x1, y1 = np.maximum(box, 0).astype(int)
    crop = luma[y0:y1, x0:x1]
    if min(crop.shape) < 4:
        return 0.0
    crop = np.asarray(cv2.resize(crop, _SHARP_SIZE, interpolation=cv2.INTER_AREA), np.uint8)
    across, down = (cv2.Sobel(crop, cv2.CV_32F, dx, 1 - dx) for dx in (1, 0))
    power = float(np.mean(np.square(across) + np.square(down))) / 16
    return power / (power + _SHARP_HALF)


def _pose(track: TrackBox) -> float:
    """1 for the usual outline of its kind, less for one that is too wide or too narrow to be the whole object."""
    if track.class_ is not ObjectClass.PERSON:
        return 1.0
    width, height = track.box[2] - track.box[0], max(float(track.box[3] - track.box[1]), 1.0)
    return float(np.exp(-0.5 * (np.log(max(width / height, 0.05) / _UPRIGHT_ASPECT) / 0.5) ** 2))
