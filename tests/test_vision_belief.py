"""Places where a person is believed stay kept until they are seen to be empty, at any rate and size."""

import numpy as np
import pytest

from firmware.vision.occupied_places import OccupiedPlaces
from models.detections import Detections, ious

SIZES = [(320, 240), (640, 480), (1920, 1080), (3840, 2160)]
RATES = [2, 5, 10, 15, 25, 30]
NOTHING = np.zeros((0, 4), np.float32)


class Yard:
    """A textured empty yard into which a figure of another texture may be put."""

    def __init__(self, width, height, seed=3):
        random = np.random.default_rng(seed)
        self.empty = np.kron(random.integers(60, 200, (height // 16, width // 16)), np.ones((16, 16))).astype(np.uint8)
        x0, y0, w, h = width // 4, height // 4, width // 8, height // 2
        self.box = np.array([x0, y0, x0 + w, y0 + h], np.float32)
        self.figure = np.kron(random.integers(10, 250, (h // 8, w // 8)), np.ones((8, 8))).astype(np.uint8)
        self.bent = np.kron(random.integers(10, 250, (h // 8, w // 8)), np.ones((8, 8))).astype(np.uint8)

    def shown(self, figure=None, light=0):
        luma = self.empty.astype(np.int16)
        if figure is not None:
            x0, y0 = self.box[:2].astype(int)
            luma[y0 : y0 + figure.shape[0], x0 : x0 + figure.shape[1]] = figure
        return np.clip(luma + light, 0, 255).astype(np.uint8)


def found(*boxes, score=0.6):
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.full(len(boxes), score, np.float32),
        np.zeros(len(boxes), np.uint8),
    )


def play(belief, rate, began_s, seconds, *shown):
    """Whether the figure's place is kept, look by look; time in seconds after the last look."""
    (luma, detections), kept, now_s = shown, [], began_s
    for number in range(round(seconds * rate)):
        now_s = began_s + number / rate
        boxes = belief.update(luma, detections, NOTHING, now_s)
        kept.append(bool(len(boxes)) and bool((ious(boxes, YARD_BOX[0]) > 0.5).any()))
    return kept, now_s + 1 / rate


YARD_BOX = [NOTHING]


def yard(width=640, height=480):
    one = Yard(width, height)
    YARD_BOX[0] = one.box[None]
    return one


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_whoever_stands_and_is_lost_by_the_detector_is_kept_for_minutes(rate, size):
    scene, belief = yard(*size), OccupiedPlaces(2)
    _, at = play(belief, rate, 0, 4, scene.shown(), found())
    _, at = play(belief, rate, at, 4, scene.shown(scene.figure), found(scene.box))
    kept, _ = play(belief, rate, at, 40 if size[0] > 640 else 100, scene.shown(scene.figure), found())
    assert all(kept)


@pytest.mark.parametrize("rate", RATES)
def test_a_place_is_given_up_soon_after_the_person_has_left_it(rate):
    scene, belief = yard(), OccupiedPlaces(2)
    _, at = play(belief, rate, 0, 4, scene.shown(), found())
    _, at = play(belief, rate, at, 6, scene.shown(scene.figure), found(scene.box))
    kept, _ = play(belief, rate, at, 6, scene.shown(light=6), found())
    assert kept[0]
    assert not any(kept[round(3 * rate) :])


def test_somebody_who_stood_there_from_the_first_picture_on_is_kept_while_the_picture_stays():
    scene, belief = yard(), OccupiedPlaces(2)
    _, at = play(belief, 5, 0, 4, scene.shown(scene.figure), found(scene.box))
    kept, at = play(belief, 5, at, 120, scene.shown(scene.figure), found())
    assert all(kept)
    kept, _ = play(belief, 5, at, 20, scene.shown(), found())
    assert all(kept[:35]), "the empty scene was never seen: doubt lasts longer"
    assert not any(kept[-5:])


def test_who_bends_down_unseen_by_the_detector_is_kept_where_the_empty_scene_is_known():
    scene, belief = yard(), OccupiedPlaces(2)
    _, at = play(belief, 5, 0, 4, scene.shown(), found())
    _, at = play(belief, 5, at, 4, scene.shown(scene.figure), found(scene.box))
    kept, _ = play(belief, 5, at, 60, scene.shown(scene.bent), found())
    assert all(kept)


def test_a_single_doubtful_detection_is_no_belief():
    scene, belief = yard(), OccupiedPlaces(2)
    _, at = play(belief, 10, 0, 3, scene.shown(), found())
    _, at = play(belief, 10, at, 0.2, scene.shown(), found(scene.box, score=0.25))
    kept, _ = play(belief, 10, at, 3, scene.shown(), found())
    assert not any(kept)


def test_no_number_of_places_makes_it_grow_without_bound():
    scene, belief, random = yard(), OccupiedPlaces(2), np.random.default_rng(1)
    for number in range(60):
        corners = random.uniform(0, 400, (60, 2))
        boxes = np.concatenate([corners, corners + random.uniform(10, 80, (60, 2))], axis=1)
        assert len(belief.update(scene.shown(), found(*boxes), NOTHING, number / 10)) <= 128
