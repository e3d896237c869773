"""The masked picture: the only one that leaves the camera.

Each macroblock is covered as the plan says: with a mosaic of one of two levels, with blocks, or with one grey. Cells
lie on a grid fixed to the frame and keep their colour while they stay masked, so that stacking pictures gains little
over one of them; they never take part of the colour from a moving grid. A cell's colour is the mean of the cell at the
moment it became masked, in coarse steps; level 2 keeps brightness only.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware.capture.frame import CLOCK_90K, I420, strips
from firmware.mask.grid import MB
from firmware.mask.plan import CellGrid, FillGrid, MaskPlan
from firmware.mask.settings import Fill, MaskSettings

Colours = NDArray[np.uint8]
"""(n, 3): Y, U, V of as many macroblocks or cells."""
Places = tuple[NDArray[np.intp], NDArray[np.intp]]
"""(n,), (n,): rows and columns of as many macroblocks or cells."""

GREY = (112, 128, 128)
_BLACK, _DARK = 16, 56
_LUMA_STEP, _LUMA_STEP_COARSE, _CHROMA_STEP = 32, 48, 32
_RELEASE_S = 1.0  # a cell that flickers keeps its colour this long after it was last masked


@dataclass(slots=True)
class _Held:
    """Cells of one size: colour, when it was taken and when the cell was last masked; (rows, columns[, 3]) each."""

    colours: NDArray[np.uint8]
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

    def paint(self, i420: I420, plan: MaskPlan, pts_90k: int) -> I420:
        """A new picture with every cell of the plan covered; `i420` is not written to."""
        # A macroblock keeps its coarsest cell and strongest fill while it stays masked: what flickers would show more.
        cells = np.where(plan.cells > 0, np.maximum(plan.cells, self._before), 0).astype(np.uint8)
        wanted = np.full_like(cells, self.settings.fill) if plan.fills is None else plan.fills
        fills = np.where(cells > 0, np.maximum(wanted, self._before_fills), Fill.CLEAR).astype(np.uint8)
        self._before, self._before_fills = cells, fills
        out = i420.copy()
        rows, columns = np.nonzero(cells)
        if rows.size:
            colours = self._colours(i420, (rows, columns), cells, fills, pts_90k)
            for strip, colour in zip(strips(out), colours.T, strict=True):
                lines = colour.repeat(strip.itemsize).view(strip.dtype)
                strip[rows, :, columns] = lines[:, None]
        return out

    def _colours(self, i420: I420, places: Places, cells: CellGrid, fills: FillGrid, pts_90k: int) -> Colours:
        rows, columns = places
        colours = np.empty((rows.size, 3), np.uint8)
        colours[:] = GREY
        fill_of, cell_of = fills[places], cells[places]
        blocks = fill_of == Fill.BLOCKS
        colours[blocks, 0] = np.where(self._irregular[places] > 2, _BLACK, _DARK)[blocks]
        for fill in (Fill.MOSAIC_1, Fill.MOSAIC_2):
            for cell in np.unique(cell_of[fill_of == fill]).tolist():
                at = (cell_of == cell) & (fill_of == fill)
                colours[at] = self._mosaic(i420, (rows[at] // cell, columns[at] // cell), fill, cell, pts_90k)
        return colours

    def _mosaic(self, i420: I420, places: Places, fill: Fill, cell: int, pts_90k: int) -> Colours:
        """Colours of cells of `cell` by `cell` macroblocks, one cell maybe several times; (re)used and held."""
        held = self._held.get((fill, cell))
        if held is None:
            shape = -(-self._rows // cell), -(-self._columns // cell)
            never = np.full(shape, -(1 << 60), np.int64)
            held = self._held[fill, cell] = _Held(np.zeros((*shape, 3), np.uint8), never, never.copy())
        stale = pts_90k - held.taken_90k[places] > round(self.settings.colour_hold_s * CLOCK_90K)
        left = pts_90k - held.masked_90k[places] > round(_RELEASE_S * CLOCK_90K)
        fresh = stale | left
        if fresh.any():
            across = held.taken_90k.shape[1]
            once = np.divmod(np.unique(places[0][fresh] * across + places[1][fresh]), across)
            held.colours[once] = _quantised(self._means(i420, once, cell), fill)
            held.taken_90k[once] = pts_90k
        held.masked_90k[places] = pts_90k
        return held.colours[places]

    def _means(self, i420: I420, places: Places, cell: int) -> NDArray[np.float32]:
        """(n, 3): mean Y, U, V of cells, of those at the edge as far as they lie in the picture."""
        down, across = np.divmod(np.arange(cell * cell), cell)
        rows, columns = places[0][:, None] * cell + down, places[1][:, None] * cell + across
        inside = (rows < self._rows) & (columns < self._columns)
        means = np.zeros((*inside.shape, 3), np.float32)
        for index, strip in enumerate(strips(i420)):
            lines = strip[rows[inside], :, columns[inside]]
            means[inside, index] = np.rint(lines.view(np.uint8).mean(axis=1, dtype=np.float32))
        return np.asarray(means.sum(axis=1) / inside.sum(axis=1, keepdims=True), np.float32)


def _quantised(means: NDArray[np.float32], fill: Fill) -> Colours:
    out = np.empty(means.shape, np.uint8)
    step = _LUMA_STEP if fill is Fill.MOSAIC_1 else _LUMA_STEP_COARSE
    out[:, 0] = np.clip(np.floor(means[:, 0] / step) * step + step / 2, 16, 235)
    if fill is Fill.MOSAIC_1:
        out[:, 1:] = np.clip(np.round((means[:, 1:] - 128) / _CHROMA_STEP) * _CHROMA_STEP + 128, 16, 240)
    else:
        out[:, 1:] = 128
    return out
