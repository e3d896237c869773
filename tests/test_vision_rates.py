"""The same scene at 2 to 30 pictures a second and from 320 × 240 to 3840 × 2160 is followed the same."""

import numpy as np
import pytest

from firmware.vision.motion import Motion
from firmware.vision.tracker import DetectedObjects, Tracker
from firmware.vision.tuning import Tuning
from models.detections import Detections

RATES = [2, 5, 10, 15, 25, 30]
# 320 × 240, 768 × 576, 1920 × 1080, 3840 × 2160 by height, against the scene's own 480.
SCALES = [0.5, 1.2, 2.25, 4.5]
WIDE, HIGH = 34.0, 90.0
STEP_S = 1.2
"""Somebody 90 pixels tall walks a width and a half a second."""


class Scene:
    """People by their feet's middle as functions of time, each with looks of their own."""

    def __init__(self, *people, scale=1.0, seed=3):
        self._people, self._scale, self._random = people, scale, np.random.default_rng(seed)

    def at(self, now_s):
        """What a detector sees: boxes that jitter by a fiftieth, scores that waver."""
        rows = [(person(now_s), number) for number, person in enumerate(self._people)]
        rows = [(place, number) for place, number in rows if place is not None]
        boxes = np.array([[x - WIDE / 2, y - HIGH, x + WIDE / 2, y] for (x, y, _), _ in rows]).reshape(-1, 4)
        boxes += self._random.normal(0, 0.02, boxes.shape) * WIDE
        scores = np.array([score for (_, _, score), _ in rows], np.float32)
        found = Detections(np.asarray(boxes * self._scale, np.float32), scores, np.zeros(len(rows), np.uint8))
        looks = np.eye(8, dtype=np.float32)[[number for _, number in rows]].reshape(-1, 8)
        nothing = np.zeros(len(rows), bool)
        return DetectedObjects(found, looks, nothing, nothing)


def walk(x, y, across, *, score=0.8, hidden=(99, 99), until=99):
    """Somebody at x, y who moves `across` pixels a second; unseen between the two times `hidden`."""

    def place(now_s):
        if now_s >= until or hidden[0] <= now_s < hidden[1]:
            return None
        return x + across * now_s, y, score

    return place


def follow(scene, rate, seconds, *, every=1, tuning=None):
    """[(time, what was followed)]."""
    tracker = Tracker(tuning)
    times = [number / rate for number in range(round(seconds * rate) + 1)]
    return [
        (now_s, tracker.update(scene.at(now_s) if number % every == 0 else None, now_s))
        for number, now_s in enumerate(times)
    ]


def ids(followed):
    return {track.id for _, each in followed for track in each.tracks}


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("scale", SCALES)
def test_walkers_keep_their_ids_at_every_rate_and_size(rate, scale):
    fast = 1.5 * WIDE
    scene = Scene(walk(40, 150, fast), walk(600, 300, -fast), walk(300, 440, 0.4 * fast), scale=scale)
    followed = follow(scene, rate, 8)
    assert len(ids(followed)) == 3
    late = [each for now_s, each in followed if now_s >= max(2 / rate, 0.2)]
    assert all(len(each.tracks) == 3 and all(track.seen for track in each.tracks) for each in late)


@pytest.mark.parametrize("rate", RATES)
def test_people_who_cross_keep_their_ids_at_every_rate(rate):
    fast = 1.5 * WIDE
    scene = Scene(walk(40, 200, fast), walk(400, 206, -fast))
    followed = follow(scene, rate, 7)
    assert len(ids(followed)) == 2
    first, last = ({track.id: track.box[0] for track in followed[n][1].tracks} for n in (round(rate / 2), -1))
    (left, right), (a, b) = sorted(first, key=first.get), sorted(last, key=last.get)
    assert (left, right) == (b, a), "each walked to the other side"


@pytest.mark.parametrize("rate", RATES)
def test_somebody_hidden_for_two_seconds_is_the_same_at_every_rate(rate):
    scene = Scene(walk(40, 200, WIDE, hidden=(3.0, 5.0)))
    followed = follow(scene, rate, 8)
    assert len(ids(followed)) == 1
    assert followed[-1][1].tracks[0].seen


@pytest.mark.parametrize("rate", RATES)
def test_a_prediction_is_shown_and_a_track_kept_for_the_same_time_at_every_rate(rate):
    tuning = Tuning()
    followed = follow(Scene(walk(40, 200, WIDE, until=2.0)), rate, 8)
    seen_s = max(now_s for now_s, each in followed if any(track.seen for track in each.tracks))
    shown_s = max(now_s for now_s, each in followed if each.tracks)
    ended_s = next(now_s for now_s, each in followed if each.ended)
    assert tuning.shown_s - 1 / rate - 1e-6 <= shown_s - seen_s <= tuning.shown_s + 1e-6
    assert tuning.lost_s - 1e-6 <= ended_s - seen_s <= tuning.lost_s + 1 / rate + 1e-6


@pytest.mark.parametrize("rate", RATES)
def test_a_flicker_of_less_than_a_tenth_of_a_second_is_no_object_at_any_rate(rate):
    scene = Scene(walk(200, 200, 0, until=0.075), walk(400, 300, WIDE))
    assert len(ids(follow(scene, rate, 3))) == 1


@pytest.mark.parametrize("rate", RATES)
def test_what_never_moved_and_is_doubtful_counts_after_two_seconds_at_every_rate(rate):
    def post(now_s):
        return 200.0, 300.0, 0.56 if now_s < 0.05 else 0.45

    for things, first_s in ((post, Tuning().unmoved_s), (walk(200, 300, 0), 0.0)):
        followed = follow(Scene(things), rate, 4)
        shown_s = min(now_s for now_s, each in followed if each.tracks)
        assert first_s <= shown_s <= max(first_s + 1 / rate, 2 / rate, 0.1 + 1 / rate)
        assert followed[-1][1].tracks[0].seen


@pytest.mark.parametrize("rate", [10, 15, 25, 30])
def test_between_runs_of_the_detector_boxes_move_on_with_people(rate):
    every = max(round(rate * 0.3), 1)
    fast = 1.5 * WIDE
    followed = follow(Scene(walk(40, 200, fast)), rate, 6, every=every)
    assert len(ids(followed)) == 1
    off = [
        abs((each.tracks[0].box[0] + each.tracks[0].box[2]) / 2 - 40 - fast * now_s)
        for now_s, each in followed
        if now_s >= 2
    ]
    assert max(off) < 0.2 * WIDE


def test_predicting_in_one_step_or_in_thirty_is_the_same():
    box = np.float32([100, 100, 134, 190])
    once, often = Motion(box), Motion(box)
    for motion in (once, often):
        for number in range(5):
            motion.predict(0.1)
            motion.update(box + 4 * number, 0.8)
    once.predict(1.0)
    for _ in range(30):
        often.predict(1 / 30)
    assert once.box == pytest.approx(often.box, abs=0.01)
    assert once.doubt == pytest.approx(often.doubt, rel=0.01)


@pytest.mark.parametrize("rate", RATES)
def test_doubt_about_a_walker_depends_little_on_the_rate(rate):
    motion = Motion(np.float32([100, 100, 134, 190]))
    for number in range(1, 5 * rate):
        motion.predict(1 / rate)
        shift = WIDE * number / rate
        motion.update(np.float32([100 + shift, 100, 134 + shift, 190]), 0.8)
    motion.predict(0.5)
    assert 0.2 * WIDE < motion.doubt[0] < 0.45 * WIDE
