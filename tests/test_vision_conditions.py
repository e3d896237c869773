"""What the camera knows of its own view: contrast and colour, its own motion, and at which size to look."""

import numpy as np
import pytest

from firmware.vision.camera_motion import CameraMotion
from firmware.vision.size_schedule import SizeSchedule
from firmware.vision.visibility import visibility
from models.detections import Detections

RATES = [2, 5, 10, 15, 25, 30]


def coloured(luma, chroma=140):
    height, width = luma.shape
    return np.concatenate([luma, np.full((height // 2, width), chroma, np.uint8)])


def street(width=640, height=480, seed=5):
    random = np.random.default_rng(seed)
    luma = np.full((height, width), 120, np.uint8)
    for _ in range(140):
        x, y = random.integers(0, width), random.integers(0, height)
        luma[y : y + random.integers(8, height // 5), x : x + random.integers(8, width // 5)] = random.integers(20, 235)
    return luma


@pytest.mark.parametrize("size", [(320, 240), (640, 480), (1920, 1088), (3840, 2160)])
def test_contrast_and_colour_do_not_depend_on_the_size(size):
    clear = visibility(coloured(street(*size)))
    assert (clear.blind, clear.colourless, clear.hazy) == ("", False, False)
    grey = visibility(coloured(street(*size), 128))
    assert grey.colourless
    fog = visibility(coloured((street(*size) * 0.25 + 100).astype(np.uint8)))
    assert fog.hazy
    assert not fog.blind
    assert visibility(coloured(np.full(size[::-1], 16, np.uint8))).blind


def shifted(luma, x, y):
    return np.ascontiguousarray(np.roll(np.roll(luma, x, axis=1), y, axis=0))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("size", [(320, 240), (640, 480), (1920, 1080)])
def test_a_bump_is_noticed_within_a_second_and_standing_still_never(rate, size):
    view, motion, pixels = street(*size), CameraMotion(), size[0] // 32
    seconds = [number / rate for number in range(4 * rate)]
    noticed = [s for s in seconds if motion.moved(view if s < 2 else shifted(view, pixels, pixels // 2), s)]
    assert noticed
    assert 2 <= noticed[0] <= 3


def test_a_large_object_that_crosses_the_picture_is_no_motion_of_the_camera():
    view, motion = street(), CameraMotion()
    lorry = street(300, 400, seed=8)
    for number in range(60):
        crossing, x = view.copy(), 10 * number
        visible = lorry[:, : max(min(300, 640 - x), 0)]
        crossing[40:440, x : x + visible.shape[1]] = visible
        assert not motion.moved(crossing, number / 10)


def test_another_view_is_motion_and_darkness_is_not():
    motion = CameraMotion()
    assert not any(motion.moved(street(), number / 5) for number in range(5))
    assert any(motion.moved(street(seed=9), 1 + number / 5) for number in range(5))
    assert not any(motion.moved(np.full((480, 640), 16, np.uint8), 2 + number / 5) for number in range(5))


def people(*scores):
    boxes = np.array([(50 * n, 0, 50 * n + 40, 100) for n in range(len(scores))], np.float32).reshape(-1, 4)
    return Detections(boxes, np.array(scores, np.float32), np.zeros(len(scores), np.uint8))


@pytest.mark.parametrize("rate", RATES)
def test_every_size_is_looked_at_within_two_seconds_whichever_is_surer(rate):
    turns, looked, worth = SizeSchedule(2), {0: [], 1: []}, (people(0.45), people(0.8, 0.8))
    for number in range(20 * rate):
        scale = turns.next(number / rate)
        looked[scale].append(number / rate)
        turns.record(worth[scale])
    for times in looked.values():
        assert max(np.diff([0.0, *times, 20.0])) <= 2.0


def test_the_size_that_is_surer_of_people_becomes_the_usual_one():
    turns, looked, worth = SizeSchedule(2), [], (people(0.45), people(0.8, 0.8))
    for number in range(400):
        looked.append(turns.next(number / 10))
        turns.record(worth[looked[-1]])
    assert looked[0] == 0
    assert np.mean(looked[-100:]) > 0.6


def test_a_detector_of_one_size_always_looks_at_it():
    turns = SizeSchedule(1)
    assert {turns.next(number / 10) for number in range(50)} == {0}


def test_of_three_sizes_the_surest_has_half_of_the_looks_and_all_take_equal_turns_where_pictures_are_rare():
    worth = (people(0.45), people(0.8, 0.8), people(0.5))
    for rate, share in ((25, 0.5), (5, 1 / 3)):
        turns, looked = SizeSchedule(3), []
        for number in range(120):
            looked.append(turns.next(number / rate))
            turns.record(worth[looked[-1]])
        assert np.mean(np.array(looked[60:]) == 1) == pytest.approx(share, abs=0.02)
        assert set(looked[60:]) == {0, 1, 2}
