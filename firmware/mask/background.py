"""The memory of the scene: where a picture differs from what a place looks like at rest.

No detector finds all people in every picture: a person on the ground, under an umbrella, behind a post. What does not
belong to the scene is found without knowing what it is. A place is compared with a slow memory of itself, so a person
that stands still belongs to the foreground as well, for as long as the memory needs to take them for a part of the
scene.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware.capture.frame import CLOCK_90K, I420, planes
from firmware.mask.grid import MB, BitGrid

_SCALE = 4
_LEAST, _NOISE = 14.0, 3.5  # luma steps; times the usual noise of the place
_MOST_NOISE = 12.0
_SHARE = 0.08  # of a macroblock's samples
_REST_S, _FOREGROUND_S = 5.0, 50.0  # time constants: how fast the memory follows at rest, and under the foreground
_LEARN_S = 2.0
# A lamp that is switched on or a hand before the lens changes everything: nothing can be compared then.
_FLOOD = 0.6
# What has stood without any change for so long belongs to the scene; a person that stands still moves a little.
_STILL_S, _SAMPLE_S, _CHANGED = 30.0, 2.0, 10.0
_ALIVE_S = 4.0
_NEIGHBOURHOOD = np.ones((3, 3), np.uint8)


@dataclass(frozen=True, slots=True)
class Foreground:
    """What one picture shows beside the scene.

    Args:
        cells: (rows, columns) True where the picture differs from the memory.
        alive: those of `cells` where something changed in the last seconds; what a person left behind, or the place
            where they stood when the memory began, is not.
        learnt: False while the memory is young: what is not in `cells` may be a person that has stood there all along.
    """

    cells: BitGrid
    alive: BitGrid
    learnt: bool

    @property
    def near(self) -> BitGrid:
        """The foreground and the macroblocks around it."""
        return spread(self.cells)


def spread(cells: BitGrid) -> BitGrid:
    """`cells` and their eight neighbours."""
    return np.asarray(cv2.dilate(cells.astype(np.uint8), _NEIGHBOURHOOD)) > 0


class Background:
    """Remembers the scene of a fixed camera. One thread, pictures in time order.

    Args:
        width, height: of the picture; multiples of 16.
    """

    def __init__(self, width: int, height: int) -> None:
        self._size = (width // _SCALE, height // _SCALE)
        self._grid = (height // MB, width // MB)
        self._scene: NDArray[np.float32] | None = None
        self._noise = np.zeros(0, np.float32)
        self._last_90k = self._learnt_90k = self._sampled_90k = 0
        self._flooded_90k: int | None = None
        self._sample = np.zeros(0, np.float32)
        self._changed_90k = np.zeros(self._grid, np.int64)
        self._before = np.zeros(self._grid, np.bool_)

    def update(self, i420: I420, pts_90k: int) -> Foreground:
        """What is before the scene in this picture; it is then remembered."""
        small = cv2.resize(planes(i420)[0], self._size, interpolation=cv2.INTER_AREA).astype(np.float32)
        if self._scene is None:
            self._start(small, pts_90k)
        assert self._scene is not None
        # The whole picture may grow lighter or darker: that is no foreground.
        apart = small - self._scene
        apart -= np.median(apart)
        far = np.abs(apart)
        differs = far > np.maximum(_LEAST, _NOISE * self._noise)
        cells = self._cells(differs)
        still_90k = self._still_for(small, cells, pts_90k)
        absorbed = cells & (still_90k > _STILL_S * CLOCK_90K)
        self._remember(small, far, differs & ~_samples(absorbed), pts_90k)
        if cells.mean() <= _FLOOD:
            self._flooded_90k = None
            alive = cells & (still_90k <= _ALIVE_S * CLOCK_90K)
            return Foreground(cells, alive, learnt=pts_90k >= self._learnt_90k)
        if self._flooded_90k is None:
            self._flooded_90k = pts_90k
        elif pts_90k - self._flooded_90k > _LEARN_S * CLOCK_90K:
            self._start(small, pts_90k)
        nothing = np.zeros_like(cells)
        return Foreground(nothing, nothing, learnt=False)

    def _start(self, small: NDArray[np.float32], pts_90k: int) -> None:
        self._scene = self._sample = small
        self._noise = np.full_like(small, 2.0)
        self._last_90k = self._sampled_90k = pts_90k
        self._learnt_90k = pts_90k + round(_LEARN_S * CLOCK_90K)
        self._flooded_90k = None
        self._changed_90k[:] = pts_90k

    def _cells(self, differs: NDArray[np.bool_]) -> BitGrid:
        """(rows, columns) True where enough samples differ; a lone macroblock is noise."""
        hit = (self._share(differs) >= _SHARE).astype(np.uint8)
        closed = cv2.morphologyEx(hit, cv2.MORPH_CLOSE, _NEIGHBOURHOOD)
        neighbours = cv2.filter2D(closed, -1, np.ones((3, 3), np.float32), borderType=cv2.BORDER_CONSTANT)
        return np.asarray((closed > 0) & (neighbours >= 2))

    def _share(self, samples: NDArray[np.bool_]) -> NDArray[np.float64]:
        rows, columns = self._grid
        side = MB // _SCALE
        return np.asarray(samples.reshape(rows, side, columns, side).mean(axis=(1, 3)), np.float64)

    def _still_for(self, small: NDArray[np.float32], cells: BitGrid, pts_90k: int) -> NDArray[np.int64]:
        """For how long each macroblock and its neighbours have not changed, in 90 kHz."""
        self._changed_90k[cells & ~self._before] = pts_90k
        self._before = cells
        if pts_90k - self._sampled_90k >= _SAMPLE_S * CLOCK_90K:
            changed = spread(self._share(np.abs(small - self._sample) > _CHANGED) >= _SHARE)
            self._changed_90k[changed] = pts_90k
            self._sample, self._sampled_90k = small, pts_90k
        return pts_90k - self._changed_90k

    def _remember(
        self, small: NDArray[np.float32], far: NDArray[np.float32], foreground: NDArray[np.bool_], pts_90k: int
    ) -> None:
        passed_s = min(max((pts_90k - self._last_90k) / CLOCK_90K, 0.0), 1.0)
        self._last_90k = pts_90k
        slow, fast = (np.float32(1 - np.exp(-passed_s / constant_s)) for constant_s in (_FOREGROUND_S, _REST_S))
        rate = np.where(foreground, slow, fast)
        assert self._scene is not None
        self._scene = self._scene + rate * (small - self._scene)
        # Without the limit a person that stands there would soon pass for noise.
        self._noise += rate * (np.minimum(far, _MOST_NOISE) - self._noise)


def _samples(cells: BitGrid) -> BitGrid:
    """Macroblocks as samples of the small picture."""
    side = MB // _SCALE
    return cells.repeat(side, axis=0).repeat(side, axis=1)
