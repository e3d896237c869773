"""The memory of the scene: what is before it is found, what rests or merely changes its light is not."""

import numpy as np

from firmware.mask.background import Background

WIDTH, HEIGHT, STEP_90K = 320, 240, 9000


def scene(rng, *, light=0.0, box=None, tone=210):
    truth = np.random.default_rng(1).integers(60, 160, (HEIGHT // 8, WIDTH // 8)).repeat(8, 0).repeat(8, 1)
    y = truth + rng.normal(0, 3, truth.shape) + light
    if box is not None:
        x0, y0, x1, y1 = box
        y[y0:y1, x0:x1] = tone
    i420 = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
    i420[:HEIGHT] = np.clip(y, 0, 255).astype(np.uint8)
    return i420


def settled():
    background, rng = Background(WIDTH, HEIGHT), np.random.default_rng(2)
    for number in range(60):
        found = background.update(scene(rng), number * STEP_90K)
    return background, rng, 60, found


def test_a_young_memory_says_so():
    background, rng = Background(WIDTH, HEIGHT), np.random.default_rng(2)
    learnt = [background.update(scene(rng), number * STEP_90K).learnt for number in range(30)]
    assert not learnt[0]
    assert not learnt[19]
    assert learnt[20]


def test_a_resting_noisy_scene_is_empty():
    *_, found = settled()
    assert found.learnt
    assert not found.cells.any()


def test_a_walker_is_found_where_he_is_and_the_rest_is_not():
    background, rng, at, _ = settled()
    for number in range(10):
        x = 40 + 8 * number
        found = background.update(scene(rng, box=(x, 80, x + 24, 144)), (at + number) * STEP_90K)
        assert found.near[80 // 16 : 144 // 16, x // 16 : (x + 24) // 16].all()
        assert (found.alive == found.cells).all()
    assert not found.near[:3].any()
    assert not found.near[:, 14:].any()


def test_a_cloud_is_no_foreground():
    background, rng, at, _ = settled()
    for number in range(20):
        found = background.update(scene(rng, light=-1.5 * number), (at + number) * STEP_90K)
    assert not found.cells.any()


def test_what_was_put_down_is_foreground_then_dead_then_part_of_the_scene():
    background, rng, at, _ = settled()
    box = (96, 80, 144, 144)
    told = [background.update(scene(rng, box=box), (at + number) * STEP_90K) for number in range(700)]
    inside = np.s_[6:8, 7:8]
    assert told[10].alive[inside].all()
    assert told[150].cells[inside].all()
    assert not told[150].alive[inside].any()
    assert not told[-1].cells.any()


def test_a_scene_that_changes_as_a_whole_is_learnt_anew():
    background, rng, at, _ = settled()
    turned = [background.update(_other(rng), (at + n) * STEP_90K) for n in range(60)]
    assert not turned[0].learnt
    assert not turned[0].cells.any()
    assert turned[-1].learnt
    assert not turned[-1].cells.any()


def _other(rng):
    picture = scene(rng)
    y = np.random.default_rng(9).integers(20, 230, (HEIGHT // 8, WIDTH // 8)).repeat(8, 0).repeat(8, 1)
    picture[:HEIGHT] = np.clip(y + rng.normal(0, 3, y.shape), 0, 255)
    return picture
