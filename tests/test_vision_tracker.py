"""Ids last through gaps and crossings, are never given twice, and furniture gets none."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.vision.colour_histogram import LENGTH, colour_histograms
from firmware.vision.motion import Motion
from firmware.vision.static_objects import StaticObjects
from firmware.vision.tracker import DetectedObjects, Tracker
from firmware.vision.tuning import Tuning
from models.detections import Detections
from wire.features.vocabulary import ObjectClass


def seen(*boxes, scores=None, classes=None, alike=None, still=None, known=None):
    """Boxes as (x, y) of 30 × 80 people; `alike` one number per box: the same number looks the same."""
    n = len(boxes)
    found = Detections(
        np.array([[x, y, x + 30, y + 80] for x, y in boxes], np.float32).reshape(-1, 4),
        np.array(scores if scores is not None else [0.8] * n, np.float32),
        np.array(classes if classes is not None else [0] * n, np.uint8),
    )
    described = np.eye(8, dtype=np.float32)[list(alike)] if alike is not None else None
    return DetectedObjects(found, described, np.array(still or [False] * n, bool), np.array(known or [False] * n, bool))


def run(pictures, rate=10.0, tuning=None):
    tracker = Tracker(tuning)
    return [tracker.update(picture, number / rate) for number, picture in enumerate(pictures)]


def ids(followed):
    return [track.id for track in followed.tracks]


def test_a_walker_keeps_one_id_and_is_confirmed_at_the_second_sighting():
    walk = run([seen((10 + 4 * n, 100)) for n in range(30)])
    assert ids(walk[0]) == []
    assert {i for f in walk[1:] for i in ids(f)} == {1}
    assert walk[-1].tracks[0].age_s == pytest.approx(2.9)
    assert all(f.taken.all() for f in walk[1:])


def test_pictures_without_a_detector_run_are_predicted():
    walk = run([seen((10 + 6 * n, 100)) if n % 3 == 0 else None for n in range(40)])
    last = walk[38].tracks[0]
    assert not last.seen
    assert abs(last.box[0] - (10 + 6 * 38)) < 6
    assert {i for f in walk for i in ids(f)} == {1}


def test_a_track_survives_an_occlusion_and_is_not_shown_for_ever():
    tuning = Tuning()
    gap = round((tuning.shown_s + 0.4) * 10)
    pictures = [seen((10 + 4 * n, 100), alike=[2]) for n in range(15)] + [seen()] * gap
    back = [seen((10 + 4 * n, 100), alike=[2]) for n in range(15 + gap, 25 + gap)]
    walk = run(pictures + back)
    assert ids(walk[14 + gap]) == []
    assert ids(walk[-1]) == [1]


def test_somebody_else_at_the_place_of_a_lost_track_is_somebody_else():
    pictures = [seen((100, 100), alike=[2])] * 10 + [seen()] * 20 + [seen((100, 100), alike=[5])] * 5
    assert ids(run(pictures)[-1]) == [2]


def test_looks_keep_two_people_apart_who_cross():
    def at(n):
        left, right = (20 + 6 * n, 100), (200 - 6 * n, 104)
        return [(left, 1), (right, 2)] if n % 2 else [(right, 2), (left, 1)]

    walk = run([seen(*[p for p, _ in at(n)], alike=[a for _, a in at(n)]) for n in range(31)])
    first = {t.id: t.box[0] for t in walk[2].tracks}
    last = {t.id: t.box[0] for t in walk[30].tracks}
    assert set(first) == set(last)
    assert all((first[i] < 115) != (last[i] < 115) for i in first), "each walked to the other side"


def test_weak_detections_prolong_a_track_but_begin_none():
    walk = run([seen((50, 50), scores=[0.25])] * 5 + [seen((50, 50))] * 3 + [seen((50, 50), scores=[0.25])] * 10)
    assert all(not ids(f) and not f.taken.any() for f in walk[:6])
    assert ids(walk[-1]) == [1]
    assert walk[-1].tracks[0].seen


@pytest.mark.parametrize("across", [0, 5])
def test_somebody_whom_only_every_second_look_sees_well_is_followed(across):
    walk = run([seen((50 + across * n, 50), scores=[0.25 if n % 2 else 0.8]) for n in range(20)])
    assert all(ids(f) == [1] and f.taken.all() for f in walk[2:])


def test_a_track_is_worth_its_surest_look_of_late_and_less_the_longer_it_was_not_seen():
    walk = run([seen((50, 50), scores=[0.3 if n % 2 else 0.9]) for n in range(10)] + [seen()] * 5)
    scores = [f.tracks[0].score for f in walk[2:]]
    assert min(scores[:8]) > 0.75, "a size of the detector that is less sure of somebody takes nothing away at once"
    assert all(later < before for before, later in itertools.pairwise(scores[8:]))


def test_one_strong_look_among_weak_ones_is_no_object():
    walk = run([seen((50, 50), scores=[0.8 if n == 3 else 0.25]) for n in range(60)])
    assert not [i for f in walk for i in ids(f)]


def test_a_flicker_is_no_object():
    walk = run([seen((50, 50)), seen(), seen((400, 50)), seen(), seen((50, 300))])
    assert not [i for f in walk for i in ids(f)]


def test_a_class_is_what_most_sightings_say():
    classes = [ObjectClass.CAR, ObjectClass.TRUCK, ObjectClass.CAR, ObjectClass.CAR, ObjectClass.TRUCK]
    assert run([seen((50, 50), classes=[c]) for c in classes])[-1].tracks[0].class_ is ObjectClass.CAR


def test_a_person_does_not_become_a_bicycle():
    walk = run([seen((50, 50))] * 4 + [seen((50, 50), classes=[ObjectClass.BICYCLE])] * 4)
    assert {(t.id, t.class_) for f in walk for t in f.tracks if t.seen} == {
        (1, ObjectClass.PERSON),
        (2, ObjectClass.BICYCLE),
    }


def test_furniture_begins_no_track_and_holds_none():
    assert not any(ids(f) for f in run([seen((50, 50), still=[True])] * 20))
    passing = [seen((10 + 5 * n, 100)) for n in range(10)] + [seen((60, 100), known=[True])] * 10
    walk = run(passing)
    assert not any(t.seen for t in walk[-1].tracks)
    assert not walk[-1].taken.any()


def test_a_parked_car_is_tracked_though_it_is_still():
    walk = run([seen((50, 50), classes=[ObjectClass.CAR], still=[True])] * 5)
    assert ids(walk[-1]) == [1]


def test_somebody_who_walked_in_and_stands_keeps_his_track():
    walk = run([seen((10 + 5 * n, 100)) for n in range(12)] + [seen((65, 100), still=[True])] * 30)
    assert ids(walk[-1]) == [1]
    assert walk[-1].tracks[0].seen


def test_every_id_ends_once():
    pictures = [seen((10 + 4 * n, 100), (300, 20 + 3 * n)) for n in range(10)] + [seen()] * 80
    ended = [i for f in run(pictures) for i in f.ended]
    assert sorted(ended) == [1, 2]


def test_the_end_comes_also_without_detector_runs():
    assert run([seen((10, 10))] * 3 + [None] * 60)[-1].tracks == ()


POINT = st.tuples(st.integers(0, 700), st.integers(0, 500))
PICTURE = st.one_of(
    st.none(),
    st.lists(st.tuples(POINT, st.floats(0.05, 1), st.integers(0, 5), st.booleans(), st.integers(0, 7)), max_size=8),
)


@given(st.lists(PICTURE, max_size=25), st.floats(1, 30))
@settings(max_examples=60, deadline=None)
def test_whatever_is_seen_ids_are_unique_and_boxes_finite(pictures, rate):
    tracker, given_out, ended = Tracker(), set(), set()
    for number, rows in enumerate(pictures):
        offered = (
            None
            if rows is None
            else seen(
                *[r[0] for r in rows],
                scores=[r[1] for r in rows],
                classes=[r[2] for r in rows],
                still=[r[3] for r in rows],
                alike=[r[4] for r in rows],
            )
        )
        followed = tracker.update(offered, number / rate)
        assert len(set(ids(followed))) == len(followed.tracks)
        assert not ended & set(ids(followed)), "an ended id came back"
        assert not ended & set(followed.ended), "an id ended twice"
        assert set(followed.ended) <= given_out
        assert all(np.isfinite(track.box).all() for track in followed.tracks)
        assert len(followed.taken) == (len(rows) if rows else 0)
        assert sum(track.seen for track in followed.tracks) == followed.taken.sum()
        given_out |= set(ids(followed))
        ended |= set(followed.ended)


def noise(seed):
    return np.random.default_rng(seed).integers(0, 255, (240, 320)).astype(np.uint8)


def test_only_places_without_change_are_still():
    furniture, boxes = StaticObjects(), np.array([[20, 20, 60, 120], [200, 40, 240, 140]], np.float32)
    street = noise(0)
    for number in range(40):
        picture = street.copy()
        picture[40:140, 200:240] = noise(number)[40:140, 200:240]
        still = furniture.still(picture, number / 10, boxes)
    assert still.tolist() == [True, False]


def test_nothing_is_still_before_two_seconds_are_known():
    furniture, box = StaticObjects(), np.array([[20, 20, 60, 120]], np.float32)
    answers = [bool(furniture.still(noise(0), number / 10, box)[0]) for number in range(30)]
    assert not any(answers[:16])
    assert all(answers[-5:])


def test_furniture_is_forgotten_after_a_minute():
    furniture, box = StaticObjects(), np.array([[20, 20, 60, 120]], np.float32)
    furniture.remember(box, 0.0)
    assert furniture.known(box + 2).all()
    assert not furniture.known(box + 40).any()
    furniture.remember(np.zeros((0, 4), np.float32), 59.0)
    assert furniture.known(box).all()
    furniture.remember(np.zeros((0, 4), np.float32), 61.0)
    assert not furniture.known(box).any()


@pytest.mark.parametrize("box", [[0, 0, 30, 80], [-20, -20, 10, 10], [300, 200, 900, 900], [500, 500, 600, 600]])
def test_looks_are_rows_of_length_one(box):
    rgb = np.random.default_rng(1).integers(0, 255, (240, 320, 3)).astype(np.uint8)
    row = colour_histograms(rgb, np.array([box], np.float32))
    assert row.shape == (1, LENGTH)
    assert np.linalg.norm(row) == pytest.approx(1, abs=1e-5)


def test_half_of_somebody_does_not_shrink_his_track():
    walk = [seen((100 + 3 * n, 100)) for n in range(15)]
    half = Detections(np.float32([[150, 100, 172, 138]]), np.float32([0.3]), np.uint8([0]))
    after = [seen((100 + 3 * n, 100)) for n in range(18, 25)]
    followed = run([*walk, *[DetectedObjects.boxes(half)] * 3, *after])
    assert {i for f in followed[1:] for i in ids(f)} == {1}
    heights = [f.tracks[0].box[3] - f.tracks[0].box[1] for f in followed[15:]]
    assert min(heights) > 70


def test_two_boxes_of_one_person_are_one_track():
    boxes = np.float32([[100, 100, 130, 180], [103, 100, 133, 182]])
    both = Detections(boxes, np.float32([0.9, 0.8]), np.uint8([0, 0]))
    assert {i for f in run([DetectedObjects.boxes(both)] * 12) for i in ids(f)} == {1}


@given(
    st.lists(
        st.one_of(
            st.none(),
            st.tuples(st.floats(0, 700), st.floats(0, 500), st.floats(3, 90), st.floats(3, 200), st.floats(0, 1)),
        ),
        max_size=40,
    ),
    st.floats(0.1, 12),
)
@settings(max_examples=60, deadline=None)
def test_a_filter_is_never_turned_inside_out(sightings, pictures):
    motion = Motion(np.float32([100, 100, 140, 200]))
    for each in sightings:
        motion.predict(pictures)
        if each is not None:
            x, y, w, h, score = each
            motion.update(np.float32([x, y, x + w, y + h]), score)
        box = motion.box
        assert np.isfinite(box).all()
        assert (box[2:] > box[:2]).all()
