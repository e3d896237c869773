"""SSD-MobileNetV2 of 300 × 300 pixels, trained on Open Images V4: a third of NanoDet's work.

It knows cars and other vehicles, but no kinds of these: what is a vehicle and no bicycle counts as a car.
"""

from functools import lru_cache
from itertools import pairwise

import cv2
import numpy as np

from models.detections import Boxes, Detections, suppressed
from models.detector import GROUPS, MASKING_THRESHOLD, NMS_IOU, Window, in_window
from models.rgb import Rgb
from models.runtime import Floats, InferenceSession
from wire.features.vocabulary import ObjectClass

NAME = "oidv4"
_SIDE = 300
_CLASSES = {ObjectClass.PERSON: ("person",), ObjectClass.BICYCLE: ("bicycle",), ObjectClass.CAR: ("car", "vehicle")}
# Six grids of anchors, the finest at a stride of 16 pixels; sizes in shares of the input's side.
_FIRST_STRIDE = 16
_SIZES = (0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0)
_FINEST = ((0.1, 1.0), (0.2, 2.0), (0.2, 0.5))
_ASPECTS = (1.0, 2.0, 0.5, 3.0, 1 / 3)
# From this network's scores to NanoDet's, as logits: slope and shift. 0.2 stays 0.2 and 0.3 becomes 0.4; of six choices
# tried on the demo clip this one masks most people, and a third less of the rest of the picture than none.
_SLOPE, _SHIFT = 1.82, 1.136
# What the network's numbers were divided by in training: y, x, height, width.
_SCALES = np.array([10, 10, 5, 5], np.float32)


class Oidv4:
    """A `Detector` by the SSD behind `session`."""

    scales = 1  # its anchors and its input are of one size

    def __init__(self, session: InferenceSession) -> None:
        self._session = session
        labels = dict(zip(session.entry.names, session.entry.labels, strict=True))
        self._columns = {kind: [labels[name] for name in names] for kind, names in _CLASSES.items()}
        self.network = f"{session.entry.name}@{session.entry.version}"

    def detect(self, rgb: Rgb, threshold: float = MASKING_THRESHOLD, scale: int = 0) -> Detections:  # noqa: ARG002
        """See `Detector`. The picture is squeezed into a square, as those were that the network was trained on."""
        height, width = rgb.shape[:2]
        shrinks = min(width, height) > 2 * _SIDE
        square = cv2.resize(rgb, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        image = self._session.normalised(np.asarray(square, np.uint8))
        encoded, scores = (output[0] for output in self._session.run(image, ("boxes", "scores")))
        known = calibrated(np.stack([scores[:, columns].max(axis=1) for columns in self._columns.values()], axis=1))
        places, kinds = np.nonzero(known >= threshold)
        size = np.array([width, height] * 2, np.float32)
        boxes = np.clip(decoded(encoded[places], anchors(_SIDE)[places]) * (size / _SIDE), 0, size)
        classes = np.array([int(kind) for kind in self._columns], np.uint8)[kinds]
        found = Detections(boxes.astype(np.float32), known[places, kinds], classes)
        return suppressed(found, NMS_IOU, GROUPS, merge=True)

    def region(self, rgb: Rgb, box: Window, threshold: float = MASKING_THRESHOLD) -> Detections:
        """See `Detector`."""
        return in_window(lambda part: self.detect(part, threshold), rgb, box)


def calibrated(scores: Floats) -> Floats:
    """Scores in NanoDet's terms, so that the thresholds of `models.detector` find as many objects with either."""
    likely = np.clip(scores, 1e-6, 1 - 1e-6)
    logits = _SLOPE * (np.log(likely) - np.log1p(-likely)) + _SHIFT
    return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


@lru_cache(maxsize=2)
def anchors(side: int) -> Floats:
    """(n, 4) centre x, centre y, width, height of the anchors in a square input of `side` pixels; not to be changed."""
    rows: list[tuple[float, float, float, float]] = []
    cells = -(-side // _FIRST_STRIDE)
    for size, next_size in pairwise(_SIZES):
        kinds = _FINEST if not rows else (*((size, aspect) for aspect in _ASPECTS), ((size * next_size) ** 0.5, 1.0))
        rows += [
            ((x + 0.5) * side / cells, (y + 0.5) * side / cells, share * aspect**0.5 * side, share / aspect**0.5 * side)
            for y in range(cells)
            for x in range(cells)
            for share, aspect in kinds
        ]
        cells = -(-cells // 2)
    table = np.array(rows, np.float32)
    table.flags.writeable = False
    return table


def decoded(encoded: Floats, places: Floats) -> Boxes:
    """(n, 4) numbers of the network for the anchors `places` (n, 4) → x0 y0 x1 y1 in pixels of its input."""
    y, x, height, width = (encoded / _SCALES).T
    centre = np.stack([x, y], axis=1) * places[:, 2:] + places[:, :2]
    # An exponent beyond any box is a network that has lost its numbers; it must not become infinite here.
    half = np.exp(np.minimum(np.stack([width, height], axis=1), 10)) * places[:, 2:] / 2
    return np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)
