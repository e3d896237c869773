"""Persons and vehicles: what a detector answers, and what the detectors share.

Boxes come out down to a low threshold: what is too weak to be called an object is still strong enough to be masked.
Every network's scores mean the same to their readers: the thresholds below hold for all.
"""

from collections.abc import Callable
from typing import Protocol

import cv2
import numpy as np

from models.detections import Detections, suppressed
from models.rgb import Rgb

Window = tuple[int, int, int, int]

# From which score on a detection is masked: anywhere, and where a person is tracked.
MASKING_THRESHOLD = 0.2
BESIDE_TRACK_THRESHOLD = 0.05
OBJECT_THRESHOLD = 0.4
ALIGNMENT = 32
NMS_IOU = 0.65
# One object is not both a car and a truck: four-wheelers compete with each other, as do two-wheelers.
GROUPS = np.array([0, 1, 2, 1, 2, 2], np.uint8)
# Tiles overlap by this share of their size, more than the width of a person that a tile is meant for.
_TILE_OVERLAP = 0.2


class Detector(Protocol):
    """Finds objects.

    Attributes:
        network: names the network, for instance "nanodet-int8@1".
        scales: at how many sizes it can look at a whole picture. A network is blind to people of some heights at any
            one size; a camera that runs its sizes in turn misses no person for long.
    """

    network: str
    scales: int

    def detect(self, rgb: Rgb, threshold: float = MASKING_THRESHOLD, scale: int = 0) -> Detections:
        """Objects in `rgb` (h, w, 3) with scores of at least `threshold`, strongest first; of one object one box.

        Args:
            scale: which of the sizes, from 0 (the main one) to `scales` - 1.

        Raises:
            ModelError: the network failed or answered what is no number.
        """

    def region(self, rgb: Rgb, box: Window, threshold: float = MASKING_THRESHOLD) -> Detections:
        """Objects in the window `box` (x0, y0, x1, y1) of `rgb`, in the coordinates of `rgb`.

        The window is examined as large as the network takes it. Objects cut by the window's edge inside the picture
        are dropped: the rest of them is out of sight, so their box is wrong.

        Raises:
            ModelError: as `detect`.
        """


def in_window(detect: Callable[[Rgb], Detections], rgb: Rgb, box: Window) -> Detections:
    """What `detect` finds in the window `box` of `rgb`, as `Detector.region` says it."""
    height, width = rgb.shape[:2]
    x0, y0, x1, y1 = max(box[0], 0), max(box[1], 0), min(box[2], width), min(box[3], height)
    if x1 - x0 < ALIGNMENT or y1 - y0 < ALIGNMENT:
        return Detections.none()
    found = detect(rgb[y0:y1, x0:x1])
    boxes = found.boxes + np.array([x0, y0, x0, y0], np.float32)
    cut = (
        ((boxes[:, 0] < x0 + 2) & (x0 > 0))
        | ((boxes[:, 1] < y0 + 2) & (y0 > 0))
        | ((boxes[:, 2] > x1 - 2) & (x1 < width))
        | ((boxes[:, 3] > y1 - 2) & (y1 < height))
    )
    return Detections(boxes, found.scores, found.classes).where(~cut)


def tiled(detect: Callable[[Rgb], Detections], rgb: Rgb, tiles: tuple[int, int], *, merge: bool) -> Detections:
    """What `detect` finds in the whole of `rgb` and in overlapping windows of it, `tiles` = (columns, rows)."""
    found = [detect(rgb)]
    height, width = rgb.shape[:2]
    if tiles != (1, 1):
        found += [in_window(detect, rgb, tile) for tile in _grid(width, height, tiles)]
    return found[0] if len(found) == 1 else suppressed(Detections.joined(found), NMS_IOU, GROUPS, merge=merge)


def letterbox(rgb: Rgb, long_side: int) -> tuple[Rgb, float]:
    """`rgb` scaled so that its longer side is `long_side`, padded with black at right and bottom to multiples of 32."""
    height, width = rgb.shape[:2]
    scale = long_side / max(width, height)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    smaller = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if scale < 0.5 else cv2.INTER_LINEAR)
    rows, columns = (-(-side // ALIGNMENT) * ALIGNMENT for side in (size[1], size[0]))
    boxed = np.zeros((rows, columns, 3), np.uint8)
    boxed[: size[1], : size[0]] = smaller
    return boxed, scale


def _grid(width: int, height: int, tiles: tuple[int, int]) -> list[Window]:
    """Overlapping windows that cover the picture, `tiles` = (columns, rows)."""
    columns, rows = tiles
    tile_width = width / (columns - (columns - 1) * _TILE_OVERLAP)
    tile_height = height / (rows - (rows - 1) * _TILE_OVERLAP)
    return [
        (
            int(c * tile_width * (1 - _TILE_OVERLAP)),
            int(r * tile_height * (1 - _TILE_OVERLAP)),
            int(c * tile_width * (1 - _TILE_OVERLAP) + tile_width + 0.999),
            int(r * tile_height * (1 - _TILE_OVERLAP) + tile_height + 0.999),
        )
        for r in range(rows)
        for c in range(columns)
    ]
