"""The masked picture: the only one that leaves the camera.

Each macroblock is covered as the plan says: with a mosaic of one of two levels, with blocks, or with one grey. Cells
lie on a grid fixed to the frame and keep their colour while they stay masked, so that stacking pictures gains little
over one of them; they never take part of the colour from a moving grid. A cell's colour is the mean of the cell at the
moment it became masked, in coarse steps; level 2 keeps brightness only.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware.capture.frame import CLOCK_90K, Picture, planes
from firmware.mask.grid import MB
from firmware.mask.plan import CellGrid, FillGrid, MaskPlan
from firmware.mask.settings import Fill, MaskSettings

Colours = NDArray[np.uint8]
"""(rows, columns, 3) Y, U, V of each macroblock."""

GREY = (112, 128, 128)
_BLACK, _DARK = 16, 56
_LUMA_STEP, _LUMA_STEP_COARSE, _CHROMA_STEP = 32, 48, 32
_RELEASE_S = 1.0  # a cell that flickers keeps its colour this long after it was last masked


@dataclass(slots=True)
class _Held:
    """Cells of one size: colour, when it was taken and when the cell was last masked; (rows, columns) each."""

    colours: Colours
    taken_90k: NDArray[np.int64]
    masked_90k: NDArray[np.int64]


class Painter:
    """Paints plans over pictures; keeps the held colours. One thread, pictures in time order."""

    def __init__(self, width: int, height: int, settings: MaskSettings) -> None:
        self.settings = settings
        self._columns, self._rows = width // MB, height // MB
        self._held: dict[tuple[Fill, int], _Held] = {}
        self._before = np.zeros((self._rows, self._columns), np.uint8)
        self._before_fills = np.zeros_like(self._before)
        y, x = np.mgrid[: self._rows, : self._columns].astype(np.uint32)
        # A fixed irregular pattern (two odd multipliers, top bits): it says nothing about the picture.
        self._irregular = ((x * np.uint32(2654435761) ^ y * np.uint32(2246822519)) >> 29).astype(np.uint8)

    def paint(self, i420: Picture, plan: MaskPlan, pts_90k: int) -> Picture:
        """A new picture with every cell of the plan covered; `i420` is not written to."""
        # A macroblock keeps its coarsest cell and strongest fill while it stays masked: what flickers would show more.
        cells = np.where(plan.cells > 0, np.maximum(plan.cells, self._before), 0).astype(np.uint8)
        wanted = np.full_like(cells, self.settings.fill) if plan.fills is None else plan.fills
        fills = np.where(cells > 0, np.maximum(wanted, self._before_fills), Fill.CLEAR).astype(np.uint8)
        self._before, self._before_fills = cells, fills
        out = i420.copy()
        if not cells.any():
            return out
        colours = self._colours(i420, cells, fills, pts_90k)
        mask = (cells > 0).astype(np.uint8)
        for index, plane in enumerate(planes(out)):
            side = MB if index == 0 else MB // 2
            size = (self._columns * side, self._rows * side)
            fill = cv2.resize(np.ascontiguousarray(colours[:, :, index]), size, interpolation=cv2.INTER_NEAREST)
            where = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST)
            np.copyto(plane, fill, where=where.view(np.bool_))
        return out

    def _colours(self, i420: Picture, cells: CellGrid, fills: FillGrid, pts_90k: int) -> Colours:
        colours = np.empty((self._rows, self._columns, 3), np.uint8)
        colours[:] = GREY
        colours[:, :, 0][fills == Fill.BLOCKS] = np.where(self._irregular > 2, _BLACK, _DARK)[fills == Fill.BLOCKS]
        mosaic = (fills == Fill.MOSAIC_1) | (fills == Fill.MOSAIC_2)
        if mosaic.any():
            means = self._means(i420)
            for fill in (Fill.MOSAIC_1, Fill.MOSAIC_2):
                for cell in np.unique(cells[fills == fill]):
                    at = (cells == cell) & (fills == fill)
                    colours[at] = self._mosaic(means, at, fill, int(cell), pts_90k)[at]
        return colours

    def _means(self, i420: Picture) -> NDArray[np.float32]:
        size = (self._columns, self._rows)
        parts = [cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in planes(i420)]
        return np.stack(parts, axis=2).astype(np.float32)

    def _mosaic(
        self, means: NDArray[np.float32], at: NDArray[np.bool_], fill: Fill, cell: int, pts_90k: int
    ) -> Colours:
        """Colours of every macroblock for cells of `cell` macroblocks; those that `at` marks are (re)used and held."""
        rows, columns = -(-self._rows // cell), -(-self._columns // cell)
        held = self._held.get((fill, cell))
        if held is None:
            never = np.full((rows, columns), -(1 << 60), np.int64)
            held = self._held[fill, cell] = _Held(np.zeros((rows, columns, 3), np.uint8), never, never.copy())
        used = _blocks(at, cell).any(axis=(1, 3))
        stale = pts_90k - held.taken_90k > round(self.settings.colour_hold_s * CLOCK_90K)
        left = pts_90k - held.masked_90k > round(_RELEASE_S * CLOCK_90K)
        fresh = used & (left | stale)
        if fresh.any():
            blocks = _blocks(np.ones((self._rows, self._columns), np.float32), cell).sum(axis=(1, 3))
            sums = np.stack([_blocks(means[:, :, c], cell).sum(axis=(1, 3)) for c in range(3)], axis=2)
            held.colours[fresh] = _quantised(sums / blocks[:, :, None], fill)[fresh]
            held.taken_90k[fresh] = pts_90k
        held.masked_90k[used] = pts_90k
        whole = held.colours.repeat(cell, axis=0).repeat(cell, axis=1)
        return whole[: self._rows, : self._columns]


def _quantised(means: NDArray[np.float32], fill: Fill) -> Colours:
    out = np.empty(means.shape, np.uint8)
    step = _LUMA_STEP if fill is Fill.MOSAIC_1 else _LUMA_STEP_COARSE
    out[:, :, 0] = np.clip(np.floor(means[:, :, 0] / step) * step + step / 2, 16, 235)
    if fill is Fill.MOSAIC_1:
        out[:, :, 1:] = np.clip(np.round((means[:, :, 1:] - 128) / _CHROMA_STEP) * _CHROMA_STEP + 128, 16, 240)
    else:
        out[:, :, 1:] = 128
    return out


def _blocks(grid: NDArray[np.generic], cell: int) -> NDArray[np.generic]:
    """(cells down, cell, cells across, cell) view of a grid padded with zeros to whole cells."""
    rows, columns = grid.shape
    padded = np.pad(grid, ((0, -rows % cell), (0, -columns % cell)))
    return padded.reshape(padded.shape[0] // cell, cell, padded.shape[1] // cell, cell)
