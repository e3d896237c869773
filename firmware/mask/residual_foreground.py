"""What a mask would leave over of a lost person: the foreground that hangs together with them.

A detector loses people for several pictures, and a person that walks fast has left by then the place where they were
last seen. They are still before the scene, in one piece with where they were masked a picture ago: so what hangs
together with the last mask stays masked wherever it goes, until the detector sees it again or it has been lost for too
long.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware.capture.frame import CLOCK_90K
from firmware.mask.grid import MB, BitGrid

_LOST_S = 4.0  # as long as the tracker looks for a lost person
_HOLD_S = 0.3  # of a macroblock whose foreground flickers
_NEVER = -(1 << 60)
_SPEED = 1.0  # widths of the picture a second: as fast as a person crosses it


class ResidualForeground:
    """Follows lost foreground from one picture to the next. One thread, pictures in time order.

    Args:
        rows, columns: of the picture, in macroblocks.
        cell_of: the mosaic cell for something of a width and height in pixels.
    """

    def __init__(self, rows: int, columns: int, cell_of: Callable[[float, float], int]) -> None:
        self._cell_of = cell_of
        self._backed_90k = np.full((rows, columns), _NEVER, np.int64)
        self._found_90k = np.full((rows, columns), _NEVER, np.int64)
        self._cells = np.zeros((rows, columns), np.uint8)
        self._last_90k = 0

    def forget(self) -> None:
        """Nothing that was followed so far counts any more."""
        self._backed_90k[:] = self._found_90k[:] = _NEVER

    def update(
        self,
        masked: BitGrid,
        believed: BitGrid,
        foreground: BitGrid,
        explained: BitGrid,
        pts_90k: int,
        *,
        everything: bool,
    ) -> NDArray[np.uint8]:
        """(rows, columns) mosaic cell of every macroblock to mask beside `masked`, 0 elsewhere.

        Args:
            masked: what detections mask in this picture.
            believed: those of them that a find masks which is more than doubtful.
            foreground: what is before the scene in it.
            explained: where the detector sees in this very picture what stands there.
            everything: mask all foreground that is not explained, wherever it comes from.
        """
        near = self._reached(believed, pts_90k)
        self._backed_90k[believed] = pts_90k
        count, labels, boxes, _ = cv2.connectedComponentsWithStats(foreground.astype(np.uint8), connectivity=8)
        backed_90k = np.full(count, _NEVER, np.int64)
        np.maximum.at(backed_90k, labels.ravel().astype(np.intp), self._backed_90k.ravel())
        if everything:
            backed_90k[:] = pts_90k
        backed_90k[0] = _NEVER  # label 0 is the scene
        cell = np.array([self._cell_of(float(box[2] * MB), float(box[3] * MB)) for box in boxes], np.uint8)
        backing_90k = backed_90k[labels]
        found = (pts_90k - backing_90k <= _LOST_S * CLOCK_90K) & ~masked & ~explained
        if not everything:
            found &= near
        self._found_90k[found] = pts_90k
        self._cells[found] = cell[labels][found]
        left = ~masked & ~explained & (pts_90k - self._found_90k <= _HOLD_S * CLOCK_90K)
        self._backed_90k = np.where(believed, pts_90k, np.where(found, backing_90k, _NEVER))
        return np.where(left, self._cells, 0).astype(np.uint8)

    def _reached(self, believed: BitGrid, pts_90k: int) -> BitGrid:
        """Where a person that was lost, or tracked here a picture ago, can be by now."""
        passed_s = min(max((pts_90k - self._last_90k) / CLOCK_90K, 0.0), 1.0)
        self._last_90k = pts_90k
        reach = max(int(np.ceil(passed_s * _SPEED * believed.shape[1])), 1)
        backed = believed | (pts_90k - self._backed_90k <= _LOST_S * CLOCK_90K)
        return np.asarray(cv2.dilate(backed.astype(np.uint8), np.ones((2 * reach + 1,) * 2, np.uint8))) > 0
