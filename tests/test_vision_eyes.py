"""Vision as the camera runs it: when the detector runs, what is masked, and that a broken network is said."""

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest

import models
from base.errors import ModelError
from firmware.mask.plan import Planner
from firmware.mask.settings import MaskSettings
from firmware.vision import VisionSettings, VisionStage
from models import selftest
from models.detections import Detections
from wire.features.vocabulary import ObjectClass


@pytest.fixture(scope="module")
def loaded():
    return models.load()


def picture(x):
    """I420 640 × 384 with the known person at `x`."""
    rgb = np.full((384, 640, 3), 100, np.uint8)
    rgb[32:352, x : x + 320] = selftest.picture()
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420)


def test_the_detector_runs_on_every_second_picture_and_both_have_boxes(loaded):
    eyes = VisionStage(loaded, Fraction(10), VisionSettings(detect_every=2))
    sights = [eyes.detect(picture(20 + 8 * n), n * 9000) for n in range(8)]
    people = [[t for t in sight.tracks if t.class_ is ObjectClass.PERSON] for sight in sights]
    assert [p[0].seen for p in people[4:]] == [True, False, True, False]
    assert {p[0].id for p in people[4:]} == {people[4][0].id}
    assert abs(people[7][0].box[0] - (20 + 8 * 7 + 9)) < 30
    assert [sight.pts_90k for sight in sights] == [n * 9000 for n in range(8)]


class Counting:
    """A detector that finds nothing and says in which pictures it looked."""

    network = "counting@1"
    scales = 1

    def __init__(self):
        self.number, self.looked = 0, []

    def detect(self, _rgb, _threshold=0.2, _scale=0):
        self.looked.append(self.number)
        return Detections.none()


@pytest.mark.parametrize("rate", [2, 5, 10, 15, 25, 30])
@pytest.mark.parametrize(
    ("slower", "expected"),
    [
        (1.0, [0, 3, 6, 9]),
        (0.7, [0, 4, 8]),
        (1.5, [0, 2, 4, 6, 8, 10]),
        (4.0, list(range(12))),
    ],
)
def test_the_detector_runs_as_often_in_time_when_pictures_come_slower_or_faster(loaded, rate, slower, expected):
    counting = Counting()
    eyes = VisionStage(replace(loaded, detector=counting), Fraction(rate), VisionSettings(detect_every=3))
    shown, jitter = picture(100), np.random.default_rng(1).uniform(-0.2, 0.2, 12)
    for counting.number in range(12):
        eyes.detect(shown, round((counting.number + jitter[counting.number]) * slower * 90_000 / rate))
    assert counting.looked == expected


def test_every_picture_is_looked_at_where_nothing_else_is_set(loaded):
    counting = Counting()
    eyes = VisionStage(replace(loaded, detector=counting), Fraction(10))
    for counting.number in range(6):
        eyes.detect(picture(100), counting.number * 900)
    assert counting.looked == list(range(6))


def test_the_detector_runs_no_sooner_than_the_machine_affords(loaded):
    counting, interval_s = Counting(), 0.3
    eyes = VisionStage(replace(loaded, detector=counting), Fraction(10), interval_s=lambda: interval_s)
    for counting.number in range(6):
        assert not eyes.detect(picture(100), counting.number * 9000).sparse
    interval_s = 0.6
    for counting.number in range(6, 12):
        assert eyes.detect(picture(100), counting.number * 9000).sparse
    assert counting.looked == [0, 3, 9]


def test_faces_are_looked_for_on_tracked_people_and_can_be_left_out(loaded):
    eyes = VisionStage(loaded, Fraction(10))
    faces = [eyes.detect(picture(100), n * 9000).faces for n in range(4)][-1]
    assert any(200 < (x0 + x1) / 2 < 280 and 60 < (y0 + y1) / 2 < 130 for x0, y0, x1, y1 in faces)
    none = VisionStage(loaded, Fraction(10), VisionSettings(faces_per_picture=0))
    assert len([none.detect(picture(100), n * 9000).faces for n in range(4)][-1]) == 0


@pytest.mark.parametrize("luma", [0, 16, 235, 255])
def test_an_empty_picture_holds_nobody_and_is_masked_whole_all_the_same(loaded, luma):
    i420 = np.full((384 * 3 // 2, 640), 128, np.uint8)
    i420[:384] = luma
    eyes, planner = VisionStage(loaded, Fraction(10)), Planner(640, 384, MaskSettings(settle_s=0.0))
    for n in range(6):
        sight = eyes.detect(i420, n * 9000)
        assert (sight.tracks, len(sight.weak), len(sight.faces)) == ((), 0, 0)
        assert sight.blind
        planner.saw(sight)
    assert planner.plan(3 * 9000).full


@pytest.mark.parametrize(("gain", "offset"), [(0.03, 16), (0.03, 220)], ids=["dark", "glare"])
def test_whom_the_detector_cannot_see_is_masked_until_it_sees_again(loaded, gain, offset):
    dim = np.round(picture(100) * gain + offset).astype(np.uint8)
    eyes, planner = VisionStage(loaded, Fraction(10)), Planner(640, 384, MaskSettings(settle_s=0.2))
    for n, shown in enumerate([picture(100)] * 6 + [dim] * 4 + [picture(100)] * 8):
        planner.saw(eyes.detect(shown, n * 9000))
        if n == 5:
            assert not planner.plan(3 * 9000).full
        if n == 9:
            assert planner.plan(8 * 9000).full
    assert planner.plan(11 * 9000).full, "vision has to prove itself again"
    assert not planner.plan(15 * 9000).full


class Losing:
    """The real detector, which finds nobody in the whole of the pictures that it is told to lose."""

    def __init__(self, detector, lost):
        self.network, self._detector, self._lost = detector.network, detector, iter(lost)
        self.windows = []

    scales = 1

    def detect(self, rgb, threshold, _scale=0):
        found = self._detector.detect(rgb, threshold)
        return Detections.none() if next(self._lost) else found

    def region(self, rgb, box, threshold=0.2):
        self.windows.append(box)
        return self._detector.region(rgb, box, threshold)


@pytest.mark.parametrize("windows", [0, 1])
def test_whom_the_detector_loses_is_found_by_a_closer_look_where_he_was(loaded, windows):
    losing = Losing(loaded.detector, [False] * 3 + [True] * 4 + [False])
    eyes = VisionStage(replace(loaded, detector=losing), Fraction(10), VisionSettings(look_again=windows))
    people = [
        [t for t in eyes.detect(picture(100 + 4 * n), n * 9000).tracks if t.class_ is ObjectClass.PERSON]
        for n in range(8)
    ]
    assert [one[0].seen for one in people[2:]] == [True, *[bool(windows)] * 4, True]
    assert len({one[0].id for one in people[2:]}) == 1
    assert len(losing.windows) == 4 * windows
    for n, window in enumerate(losing.windows, start=3):
        x0, y0, x1, y1 = window
        assert x0 < people[n][0].box[0]
        assert people[n][0].box[2] < x1
        assert y1 - y0 < 700


class Saying:
    """A detector that says what it is told to."""

    def __init__(self, *answers):
        self._answers = iter(answers)

    scales = 1

    def detect(self, _rgb, threshold, _scale=0):
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer.where(answer.scores >= threshold)


def found(score):
    return Detections(np.float32([[100, 100, 140, 200]]), np.float32([score]), np.uint8([0]))


def test_what_no_track_takes_is_masked_from_the_low_threshold_up(loaded):
    eyes = VisionStage(
        replace(loaded, detector=Saying(found(0.25), found(0.15))), Fraction(10), VisionSettings(faces_per_picture=0)
    )
    first, second = (eyes.detect(picture(0), n * 9000) for n in range(2))
    assert first.tracks == ()
    assert first.weak.boxes.tolist() == [[100, 100, 140, 200]]
    assert len(second.weak) == 0


def test_what_is_too_faint_to_mask_is_masked_beside_somebody_who_is_followed(loaded):
    faint = Detections(
        np.float32([[105, 104, 143, 208], [400, 100, 440, 200]]), np.float32([0.08, 0.08]), np.uint8([0, 0])
    )
    eyes = VisionStage(
        replace(loaded, detector=Saying(faint, *[found(0.8)] * 3, faint)),
        Fraction(10),
        VisionSettings(faces_per_picture=0),
    )
    sights = [eyes.detect(picture(0), n * 9000) for n in range(5)]
    assert len(sights[0].weak) == 0
    assert sights[4].weak.boxes.tolist() == [[105, 104, 143, 208]]


def test_what_stands_still_is_masked_but_not_tracked(loaded):
    eyes = VisionStage(
        replace(loaded, detector=Saying(*[found(0.5)] * 40)), Fraction(10), VisionSettings(faces_per_picture=0)
    )
    sights = [eyes.detect(picture(0), n * 9000) for n in range(40)]
    assert sights[-1].tracks == ()
    assert len(sights[-1].weak) == 1


def test_a_broken_network_is_said_at_once(loaded):
    eyes = VisionStage(
        replace(loaded, detector=Saying(found(0.8), ModelError("output scores8 is not a finite number"))), Fraction(10)
    )
    eyes.detect(picture(0), 0)
    with pytest.raises(ModelError, match="not a finite number"):
        eyes.detect(picture(0), 9000)


@pytest.mark.parametrize(
    "wrong", [{"detect_every": 0}, {"detect_every": 26}, {"look_again": 9}, {"faces_per_picture": -1}]
)
def test_settings_out_of_range(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        VisionSettings(**wrong)
