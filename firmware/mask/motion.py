"""The net under the detector: what moves and nothing explains.

No detector finds everybody: someone on the ground, under an umbrella, seen from above. What moves is found without
knowing what it is, by comparing the picture with a slow memory of the scene. The net is coarse on purpose and is used
only when `strict` is set: it also masks a dog or a branch in the wind.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware.capture.frame import CLOCK_90K, Picture, planes
from firmware.mask.grid import MB, BitGrid

_SCALE = 4
_REMEMBER = 0.02  # of the difference that the memory of a resting place takes over per picture
_FORGET = 0.002  # the same where something moves: what stays for a minute becomes part of the scene
_LEAST, _NOISE = 14.0, 3.5  # luma steps; times the usual noise of the place
_SHARE = 0.08  # of a macroblock's samples


class MotionNet:
    """Finds moving macroblocks. One thread, pictures in time order.

    Args:
        width, height: of the picture; multiples of 16.
        hold_s: how long a macroblock counts as moving after it last did.
    """

    def __init__(self, width: int, height: int, hold_s: float = 0.5) -> None:
        self._size = (width // _SCALE, height // _SCALE)
        self._hold_90k = round(hold_s * CLOCK_90K)
        self._scene: NDArray[np.float32] | None = None
        self._noise = np.full((height // _SCALE, width // _SCALE), 2.0, np.float32)
        self._moved_90k = np.full((height // MB, width // MB), -(1 << 60), np.int64)

    def look(self, i420: Picture, pts_90k: int) -> BitGrid:
        """(rows, columns) True where something moves or moved a moment ago; everything in the very first picture."""
        small = cv2.resize(planes(i420)[0], self._size, interpolation=cv2.INTER_AREA).astype(np.float32)
        if self._scene is None:
            self._scene = small
            self._moved_90k[:] = pts_90k
            return np.ones_like(self._moved_90k, np.bool_)
        # The whole picture may grow lighter or darker: that is no motion.
        apart = small - self._scene
        apart -= np.median(apart)
        far = np.abs(apart)
        moving = far > np.maximum(_LEAST, _NOISE * self._noise)
        rate = np.where(moving, np.float32(_FORGET), np.float32(_REMEMBER))
        self._scene += rate * (small - self._scene)
        self._noise += rate * (far - self._noise)
        side = MB // _SCALE
        rows, columns = self._moved_90k.shape
        share = moving.reshape(rows, side, columns, side).mean(axis=(1, 3))
        hit = (share >= _SHARE).astype(np.uint8)
        # A lone macroblock is noise; a moving object's edge is more than its middle.
        grown = cv2.morphologyEx(hit, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
        neighbours = cv2.filter2D(grown, -1, np.ones((3, 3), np.float32), borderType=cv2.BORDER_CONSTANT)
        found = cv2.dilate(((grown > 0) & (neighbours >= 2)).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        self._moved_90k[found] = pts_90k
        return np.asarray(pts_90k - self._moved_90k <= self._hold_90k)
