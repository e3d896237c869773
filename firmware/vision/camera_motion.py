"""Notices that the camera itself moved: a bump, wind, another view.

A fixed camera's memories hold for one view. Parts of the picture of now and of a moment ago are laid over each other
one by one; the camera moved when most of them went the same way, or when the whole shows something else. One large
object that crosses the picture moves some parts and not the others.
"""

from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

_WIDTH = 256  # of the small pictures; height in proportion
_COLUMNS, _ROWS = 4, 3
_EVERY_S, _AGO_S = 0.2, 0.6
_SHIFT = 1 / 80  # of the picture's width
_AGREE_PX, _MOST = 1.2, 0.6
_SURE = 0.08  # how sharply two parts fit at a distance, 0..1
_UNLIKE = 0.25  # correlation of two pictures below which they show different scenes
_FLAT = 3.0  # standard deviation below which there is nothing to lay over
_LEAST_PARTS = 4


class CameraMotion:
    """Remembers half a second of small pictures; one thread, pictures in time order."""

    def __init__(self) -> None:
        self._past: deque[tuple[float, NDArray[np.float32]]] = deque()
        self._window = np.zeros((0, 0), np.float32)

    def moved(self, luma: NDArray[np.uint8], now_s: float) -> bool:
        """Whether the camera moved since a moment ago; False while there is no such moment.

        Args:
            luma: (h, w) of the picture at `now_s`.
        """
        if self._past and now_s - self._past[-1][0] < _EVERY_S:
            return False
        size = _WIDTH, max(round(luma.shape[0] * _WIDTH / luma.shape[1]), 8 * _ROWS)
        small = cv2.resize(luma, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        if self._past and self._past[-1][1].shape != small.shape:
            self._past.clear()
        if float(small.std()) < _FLAT:
            return False  # a dark picture shows no motion, and is masked whole as it is
        self._past.append((now_s, small))
        while len(self._past) > 2 and now_s - self._past[1][0] >= _AGO_S:
            self._past.popleft()
        if len(self._past) == 1:
            return False
        moved = self._apart(self._past[0][1], small)
        if moved:
            # The new view is what the next pictures are compared with.
            self._past = deque([self._past[-1]])
        return moved

    def _apart(self, before: NDArray[np.float32], now: NDArray[np.float32]) -> bool:
        one, other = before - before.mean(), now - now.mean()
        if float((one * other).mean() / (one.std() * other.std())) < _UNLIKE:
            return True
        steps = self._steps(before, now)
        if len(steps) < _LEAST_PARTS:
            return False
        # The parts that stand still decide at once, in nearly every picture.
        usual = np.median(steps, axis=0)
        if np.abs(usual).max() < _SHIFT * _WIDTH:
            return False
        return bool((np.abs(steps - usual).max(axis=1) <= _AGREE_PX).mean() >= _MOST)

    def _steps(self, before: NDArray[np.float32], now: NDArray[np.float32]) -> NDArray[np.float64]:
        """(n, 2) how far each part with something in it went, where it can be laid over at all."""
        height, width = now.shape[0] // _ROWS, now.shape[1] // _COLUMNS
        if self._window.shape != (height, width):
            self._window = np.asarray(cv2.createHanningWindow((width, height), cv2.CV_32F), np.float32)
        found = []
        for row in range(_ROWS):
            for column in range(_COLUMNS):
                at = slice(row * height, (row + 1) * height), slice(column * width, (column + 1) * width)
                one, other = np.ascontiguousarray(before[at]), np.ascontiguousarray(now[at])
                if min(float(one.std()), float(other.std())) < _FLAT:
                    continue
                step, sure = cv2.phaseCorrelate(one, other, self._window)
                if sure >= _SURE:
                    found.append(step)
        return np.array(found, np.float64).reshape(-1, 2)
