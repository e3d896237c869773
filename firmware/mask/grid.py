"""Boxes in pixels and macroblocks: the grid on which everything is masked.

A macroblock is masked whole or not at all (H.264 (08/2021) 6.3: 16 x 16 luma samples); a rectangle here is
`(x, y, w, h)` in macroblocks, a grid is (rows, columns) of them.
"""

import numpy as np
from numpy.typing import NDArray

MB = 16

Rect = tuple[int, int, int, int]
Boxes = NDArray[np.float32]
"""(n, 4): x0, y0, x1, y1 in pixels."""
BitGrid = NDArray[np.bool_]
"""(rows, columns), True where masked."""


def grow(boxes: Boxes, margin: float, least_px: float = 4.0) -> Boxes:
    """Each box larger by `margin` of its own size on every side, by `least_px` at least."""
    size = np.maximum((boxes[:, 2:] - boxes[:, :2]) * margin, least_px)
    return np.concatenate([boxes[:, :2] - size, boxes[:, 2:] + size], axis=1).astype(np.float32)


def to_rect(box: NDArray[np.float32], columns: int, rows: int) -> Rect | None:
    """The macroblocks a finite box touches; None when it lies outside the picture or is inside out."""
    x0, y0, x1, y1 = (float(value) for value in box)
    if not (x1 > x0 and y1 > y0):
        return None
    left, top = max(0, int(x0 // MB)), max(0, int(y0 // MB))
    right, bottom = min(columns, int(-(-x1 // MB))), min(rows, int(-(-y1 // MB)))
    return (left, top, right - left, bottom - top) if right > left and bottom > top else None
