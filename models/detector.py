"""Persons and vehicles: NanoDet-g on a letterboxed picture, optionally on tiles of it.

Boxes come out down to a low threshold: what is too weak to be called an object is still strong enough to be masked.
"""

import cv2
import numpy as np
import numpy.typing as npt

from models.detections import Detections, suppressed
from models.runtime import Floats, Session
from wire.base.errors import ModelError
from wire.features.vocabulary import ObjectClass

Picture = npt.NDArray[np.uint8]

# From which score on a detection is masked: anywhere, and where somebody is followed.
MASKING_THRESHOLD = 0.2
BESIDE_TRACK_THRESHOLD = 0.05
OBJECT_THRESHOLD = 0.4
_STRIDES = (8, 16, 32)
_BINS = 11
_OUTPUTS = tuple(f"{kind}{stride}" for kind in ("scores", "sides") for stride in _STRIDES)
_ALIGNMENT = 32
_NMS_IOU = 0.65
# One object is not both a car and a truck: four-wheelers compete with each other, as do two-wheelers.
_GROUPS = np.array([0, 1, 2, 1, 2, 2], np.uint8)
# Tiles overlap by this share of their size, more than the width of a person that a tile is meant for.
_TILE_OVERLAP = 0.2


class Detector:
    """NanoDet behind a session.

    Args:
        long_side: the size that the picture is brought to, a multiple of 32.
        tiles: columns and rows of windows that are looked at beside the whole picture.
        merge: average the boxes that agree with each one that is kept, instead of dropping them.

    `network` names what looked, for instance "nanodet-int8@1".
    """

    def __init__(self, session: Session, *, long_side: int = 416, tiles: tuple[int, int] = (1, 1),
                 merge: bool = True) -> None:
        if long_side % _ALIGNMENT:
            raise ModelError(f"detector input {long_side} is not a multiple of {_ALIGNMENT}")
        self._session = session
        self.long_side = long_side
        self._tiles = tiles
        self._merge = merge
        self._labels = dict(zip(session.entry.names, session.entry.labels, strict=True))
        self._columns = np.array([self._labels[kind.name.lower()] for kind in ObjectClass], np.intp)
        self._bins = np.arange(_BINS, dtype=np.float32)
        self.network = f"{session.entry.name}@{session.entry.version}"

    def detect(self, rgb: Picture, threshold: float = MASKING_THRESHOLD) -> Detections:
        """Objects in `rgb` (h, w, 3) with scores of at least `threshold`, strongest first."""
        found = [self.raw(rgb, threshold)]
        height, width = rgb.shape[:2]
        if self._tiles != (1, 1):
            found += [self.region(rgb, tile, threshold) for tile in _grid(width, height, self._tiles)]
        if len(found) == 1:
            return found[0]
        return suppressed(Detections.joined(found), _NMS_IOU, _GROUPS, merge=self._merge)

    def region(self, rgb: Picture, box: tuple[int, int, int, int], threshold: float = MASKING_THRESHOLD) -> Detections:
        """Objects in the window `box` (x0, y0, x1, y1) of `rgb`, in the coordinates of `rgb`.

        Objects cut by the window's edge inside the picture are dropped: the rest of them is out of sight, so their
        box is wrong.
        """
        height, width = rgb.shape[:2]
        x0, y0, x1, y1 = max(box[0], 0), max(box[1], 0), min(box[2], width), min(box[3], height)
        if x1 - x0 < _ALIGNMENT or y1 - y0 < _ALIGNMENT:
            return Detections.none()
        found = self.raw(rgb[y0:y1, x0:x1], threshold)
        boxes = found.boxes + np.array([x0, y0, x0, y0], np.float32)
        cut = ((boxes[:, 0] < x0 + 2) & (x0 > 0)) | ((boxes[:, 1] < y0 + 2) & (y0 > 0)) | (
            (boxes[:, 2] > x1 - 2) & (x1 < width)) | ((boxes[:, 3] > y1 - 2) & (y1 < height))
        return Detections(boxes, found.scores, found.classes).where(~cut)

    def raw(self, rgb: Picture, threshold: float) -> Detections:
        """One pass over the whole of `rgb`, suppressed, in its own coordinates."""
        boxed, scale = letterbox(rgb, self.long_side)
        outputs = self._session.run(self._session.normalised(boxed), _OUTPUTS)
        found = Detections.joined([
            self._decode(outputs[i][0], outputs[i + len(_STRIDES)][0], stride, boxed.shape[1] // stride, threshold)
            for i, stride in enumerate(_STRIDES)])
        height, width = rgb.shape[:2]
        boxes = np.clip(found.boxes / scale, 0, np.array([width, height, width, height], np.float32))
        return suppressed(Detections(boxes, found.scores, found.classes), _NMS_IOU, _GROUPS, merge=self._merge)

    def strongest(self, rgb: Picture) -> dict[str, float]:
        """The highest score anywhere in `rgb` of each class that the registry names, things people carry included."""
        boxed, _ = letterbox(rgb, max(rgb.shape[:2]))
        outputs = self._session.run(self._session.normalised(boxed), _OUTPUTS[:len(_STRIDES)])
        best = np.max([scores[0].max(axis=0) for scores in outputs], axis=0)
        return {name: float(best[label]) for name, label in self._labels.items()}

    def _decode(self, scores: Floats, sides: Floats, stride: int, columns: int, threshold: float) -> Detections:
        """One stride: scores (places, 80), sides (places, 4 × 11) → boxes in letterboxed pixels."""
        known = scores[:, self._columns]
        places, classes = np.nonzero(known >= threshold)
        # Distance to each side = expectation over 11 bins (generalised focal loss), in units of the stride.
        logits = sides[places].reshape(-1, 4, _BINS)
        weights = np.exp(logits - logits.max(axis=2, keepdims=True))
        distances = (weights @ self._bins) / weights.sum(axis=2) * stride
        x = (places % columns + 0.5) * stride
        y = (places // columns + 0.5) * stride
        boxes = np.stack([x - distances[:, 0], y - distances[:, 1], x + distances[:, 2], y + distances[:, 3]], axis=1)
        return Detections(boxes.astype(np.float32), known[places, classes], classes.astype(np.uint8))


def letterbox(rgb: Picture, long_side: int) -> tuple[Picture, float]:
    """`rgb` scaled so that its longer side is `long_side`, padded with black at right and bottom to multiples of 32."""
    height, width = rgb.shape[:2]
    scale = long_side / max(width, height)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    smaller = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if scale < 0.5 else cv2.INTER_LINEAR)
    rows, columns = (-(-side // _ALIGNMENT) * _ALIGNMENT for side in (size[1], size[0]))
    boxed = np.zeros((rows, columns, 3), np.uint8)
    boxed[:size[1], :size[0]] = smaller
    return boxed, scale


def _grid(width: int, height: int, tiles: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """Overlapping windows that cover the picture, `tiles` = (columns, rows)."""
    columns, rows = tiles
    tile_width = width / (columns - (columns - 1) * _TILE_OVERLAP)
    tile_height = height / (rows - (rows - 1) * _TILE_OVERLAP)
    return [(int(c * tile_width * (1 - _TILE_OVERLAP)), int(r * tile_height * (1 - _TILE_OVERLAP)),
             int(c * tile_width * (1 - _TILE_OVERLAP) + tile_width + 0.999),
             int(r * tile_height * (1 - _TILE_OVERLAP) + tile_height + 0.999))
            for r in range(rows) for c in range(columns)]
