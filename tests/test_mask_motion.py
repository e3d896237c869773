"""The motion net: what moves is found, what rests or merely changes its light is not."""

import numpy as np

from firmware.mask.motion import MotionNet

WIDTH, HEIGHT, STEP_90K = 320, 240, 9000


def scene(rng, *, light=0.0, box=None):
    truth = np.random.default_rng(1).integers(60, 160, (HEIGHT // 8, WIDTH // 8)).repeat(8, 0).repeat(8, 1)
    y = truth + rng.normal(0, 3, truth.shape) + light
    if box is not None:
        x0, y0, x1, y1 = box
        y[y0:y1, x0:x1] = 210
    i420 = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
    i420[:HEIGHT] = np.clip(y, 0, 255).astype(np.uint8)
    return i420


def settled():
    net, rng = MotionNet(WIDTH, HEIGHT), np.random.default_rng(2)
    for number in range(60):
        grid = net.look(scene(rng), number * STEP_90K)
    return net, rng, 60, grid


def test_the_first_picture_is_all_motion():
    assert MotionNet(WIDTH, HEIGHT).look(scene(np.random.default_rng(2)), 0).all()


def test_a_resting_noisy_scene_is_still():
    *_, grid = settled()
    assert not grid.any()


def test_a_walker_is_found_where_he_is_and_the_rest_is_still():
    net, rng, at, _ = settled()
    for number in range(10):
        x = 40 + 8 * number
        grid = net.look(scene(rng, box=(x, 80, x + 24, 144)), (at + number) * STEP_90K)
        assert grid[80 // 16 : 144 // 16, x // 16 : (x + 24) // 16].all()
    assert not grid[:3].any()
    assert not grid[:, 14:].any()


def test_a_cloud_is_no_motion():
    net, rng, at, _ = settled()
    for number in range(20):
        grid = net.look(scene(rng, light=-1.5 * number), (at + number) * STEP_90K)
    assert not grid.any()


def test_motion_is_held_for_a_moment_and_no_longer():
    net, rng, at, _ = settled()
    for number in range(3):
        net.look(scene(rng, box=(96, 80, 128, 144)), (at + number) * STEP_90K)
    still = [net.look(scene(rng), (at + 3 + number) * STEP_90K)[6, 7] for number in range(12)]
    assert still[0]
    assert not still[-1]
