"""The masked picture: nothing of the original in the cells, all of it outside, and nothing gained by stacking."""

import numpy as np
import pytest

from firmware.capture.frame import planes
from firmware.mask.grid import MB
from firmware.mask.paint import Painter
from firmware.mask.plan import MaskPlan
from firmware.mask.settings import Fill, MaskSettings, Pattern

WIDTH, HEIGHT = 320, 240
STEP_90K = 9000


def noise(seed):
    return np.random.default_rng(seed).integers(16, 235, (HEIGHT * 3 // 2, WIDTH), np.uint8)


def plan(cell=2, rows=slice(4, 10), columns=slice(5, 9)):
    cells = np.zeros((HEIGHT // MB, WIDTH // MB), np.uint8)
    cells[rows, columns] = cell
    return MaskPlan(cells)


def luma_cells(picture, cell):
    y = planes(picture)[0]
    side = cell * MB
    rows, columns = HEIGHT // side, WIDTH // side
    return y[: rows * side, : columns * side].reshape(rows, side, columns, side)


@pytest.mark.parametrize("pattern", list(Pattern))
def test_outside_is_untouched_and_inside_is_flat(pattern):
    original, drawn = noise(1), plan()
    painted = Painter(WIDTH, HEIGHT, MaskSettings(pattern=pattern)).paint(original, drawn, 0)
    y, y0 = planes(painted)[0], planes(original)[0]
    fine = np.kron(drawn.mask, np.ones((MB, MB), bool))
    assert (y[~fine] == y0[~fine]).all()
    blocks = y.reshape(HEIGHT // MB, MB, WIDTH // MB, MB)
    flat = (blocks == blocks[:, :1, :, :1]).all(axis=(1, 3))
    assert flat[drawn.mask].all()
    for chroma, before in zip(planes(painted)[1:], planes(original)[1:], strict=True):
        half = np.kron(drawn.mask, np.ones((MB // 2, MB // 2), bool))
        assert (chroma[~half] == before[~half]).all()
        chroma_blocks = chroma.reshape(HEIGHT // MB, MB // 2, WIDTH // MB, MB // 2)
        assert (chroma_blocks == chroma_blocks[:, :1, :, :1]).all(axis=(1, 3))[drawn.mask].all()


@pytest.mark.parametrize("pattern", [Pattern.BLOCKS, Pattern.SOLID, Pattern.DILATED])
def test_solid_patterns_say_nothing_of_the_picture(pattern):
    settings = MaskSettings(pattern=pattern)
    one = Painter(WIDTH, HEIGHT, settings).paint(noise(1), plan(), 0)
    two = Painter(WIDTH, HEIGHT, settings).paint(noise(2), plan(), 0)
    fine = np.kron(plan().mask, np.ones((MB, MB), bool))
    assert (planes(one)[0][fine] == planes(two)[0][fine]).all()


def test_blocks_are_irregular_but_always_the_same():
    painted = Painter(WIDTH, HEIGHT, MaskSettings(pattern=Pattern.BLOCKS)).paint(noise(1), plan(), 0)
    values = planes(painted)[0][::MB, ::MB][plan().mask]
    assert 0 < (values == values[0]).sum() < len(values)


def test_colours_are_held_while_a_cell_stays_masked():
    painter = Painter(WIDTH, HEIGHT, MaskSettings(colour_hold_s=4))
    painted = [painter.paint(noise(seed), plan(), seed * STEP_90K) for seed in range(20)]
    fine = np.kron(plan().mask, np.ones((MB, MB), bool))
    inside = [planes(picture)[0][fine] for picture in painted]
    assert all((one == inside[0]).all() for one in inside)


def test_stacking_held_pictures_gains_nothing_over_one():
    """The mean of 25 masked pictures of a noisy scene is no nearer to the truth than the first of them."""
    rng = np.random.default_rng(5)
    truth = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
    truth[64:160, 80:144] = rng.integers(40, 220, (96, 64), np.uint8)
    painter = Painter(WIDTH, HEIGHT, MaskSettings(level=1))
    shown = []
    for number in range(25):
        noisy = np.clip(truth.astype(int) + rng.normal(0, 12, truth.shape), 16, 235).astype(np.uint8)
        shown.append(painter.paint(noisy, plan(cell=1), number * STEP_90K).astype(float))
    inside = np.s_[64:160, 80:144]
    one = np.square(shown[0][inside] - truth[inside]).mean()
    stacked = np.square(np.mean(shown, axis=0)[inside] - truth[inside]).mean()
    assert stacked >= one * 0.999


def test_a_cell_that_flickers_keeps_its_colour_and_one_that_was_free_for_long_does_not():
    painter = Painter(WIDTH, HEIGHT, MaskSettings(level=1))
    empty = plan(cell=0)
    first = painter.paint(np.full((HEIGHT * 3 // 2, WIDTH), 40, np.uint8), plan(), 0)
    bright = np.full((HEIGHT * 3 // 2, WIDTH), 200, np.uint8)
    painter.paint(bright, empty, STEP_90K)
    again = painter.paint(bright, plan(), 2 * STEP_90K)
    assert planes(first)[0][80, 100] == planes(again)[0][80, 100]
    for number in range(3, 20):
        painter.paint(bright, empty, number * STEP_90K)
    later = painter.paint(bright, plan(), 20 * STEP_90K)
    assert planes(later)[0][80, 100] > planes(first)[0][80, 100]


@pytest.mark.parametrize("cell", [1, 2, 3, 4, 7])
def test_a_cell_shows_the_mean_of_all_of_it_also_where_the_picture_cuts_it(cell):
    original = noise(9) // 4 * 3 + 40 * (np.arange(WIDTH) // 48 % 2).astype(np.uint8)
    mask = np.random.default_rng(cell).random((HEIGHT // MB, WIDTH // MB)) < 0.3
    mask[-1, -1] = True
    painted = Painter(WIDTH, HEIGHT, MaskSettings(level=1)).paint(original, MaskPlan(mask.astype(np.uint8) * cell), 0)
    luma, shown = planes(original)[0], planes(painted)[0][::MB, ::MB]
    for row, column in np.argwhere(mask):
        top, left = row // cell * cell * MB, column // cell * cell * MB
        mean = luma[top : top + cell * MB, left : left + cell * MB].mean()
        # Steps of 32 and their middles; means of macroblocks are rounded first.
        assert abs(int(shown[row, column]) - np.clip(mean // 32 * 32 + 16, 16, 235)) <= (
            32 if mean % 32 < 1 or mean % 32 > 31 else 0
        )


def test_level_two_keeps_no_colour():
    painted = Painter(WIDTH, HEIGHT, MaskSettings(level=2)).paint(noise(3), plan(), 0)
    half = np.kron(plan().mask, np.ones((MB // 2, MB // 2), bool))
    for chroma in planes(painted)[1:]:
        assert (chroma[half] == 128).all()


def test_cells_lie_on_a_grid_of_the_frame_whatever_moves():
    painter = Painter(WIDTH, HEIGHT, MaskSettings(level=1, colour_hold_s=0))
    for number in range(4):
        drawn = plan(cell=2, columns=slice(4 + number, 10 + number))
        picture = painter.paint(noise(1), drawn, number * STEP_90K)
        cells = luma_cells(picture, 2)
        flat = (cells == cells[:, :1, :, :1]).all(axis=(1, 3))
        whole = drawn.mask[: HEIGHT // 32 * 2].reshape(HEIGHT // 32, 2, WIDTH // 32, 2).all(axis=(1, 3))
        assert flat[whole].all()


def test_the_coarsest_cell_wins_while_a_place_stays_masked():
    painter = Painter(WIDTH, HEIGHT, MaskSettings(level=1, colour_hold_s=0))
    painter.paint(noise(1), plan(cell=4, rows=slice(4, 8), columns=slice(4, 8)), 0)
    fine = painter.paint(noise(1), plan(cell=1, rows=slice(4, 8), columns=slice(4, 8)), STEP_90K)
    cells = luma_cells(fine, 4)
    assert (cells[1, :, 1] == cells[1, 0, 1, 0]).all()


def test_each_macroblock_is_covered_as_the_plan_says():
    cells = np.zeros((HEIGHT // MB, WIDTH // MB), np.uint8)
    cells[4:8, 4:12] = 1
    fills = np.zeros_like(cells)
    fills[4:8, 4:8], fills[4:8, 8:12] = Fill.MOSAIC_1, Fill.SOLID
    painted = Painter(WIDTH, HEIGHT, MaskSettings()).paint(noise(1), MaskPlan(cells, fills=fills), 0)
    luma = planes(painted)[0][64:128:MB, 64:192:MB]
    assert (luma[:, 4:] == luma[0, 4]).all()
    weaker = np.where(fills == Fill.SOLID, Fill.MOSAIC_1, fills).astype(np.uint8)
    painter = Painter(WIDTH, HEIGHT, MaskSettings())
    painter.paint(noise(1), MaskPlan(cells, fills=fills), 0)
    again = planes(painter.paint(noise(1), MaskPlan(cells, fills=weaker), STEP_90K))[0][64:128:MB, 64:192:MB]
    assert (again[:, 4:] == luma[0, 4]).all(), "what was solid stays solid while it stays masked"
