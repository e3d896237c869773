"""The detector runs less often before everything is masked, and as often as it can."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from firmware.capture.frame import CapturedFrame
from firmware.mask.plan import Planner
from firmware.mask.settings import MaskSettings
from firmware.stream.counters import Counters
from firmware.stream.detection_pace import LONGEST_S, DetectionPace
from firmware.stream.frame_sync import FrameSynchronizer
from firmware.vision.frame_detections import FrameDetections
from models.detections import Detections


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 9), st.floats(0, 10)), max_size=200))
def test_the_interval_stays_within_its_bounds(seen):
    pace, now_s = DetectionPace(), 0.0
    for waited, skipped, step_s in seen:
        now_s += step_s
        pace.observe(waited, skipped, now_s)
        assert 0 <= pace.interval_s() <= LONGEST_S


def test_it_is_never_longer_on_a_machine_that_keeps_up():
    pace = DetectionPace()
    for number in range(600):
        pace.observe(0.39, 0, number / 10)
    assert pace.interval_s() == 0


def test_it_grows_within_two_seconds_and_comes_back_within_a_minute():
    pace = DetectionPace()
    for number in range(20):
        pace.observe(0.8, 0, number / 10)
    assert pace.interval_s() == LONGEST_S
    for number in range(400):
        pace.observe(0.2, 0, 2 + number / 10)
    assert pace.interval_s() == 0


def test_a_machine_that_needs_longer_than_pictures_come_masks_few_of_them_whole():
    """A run of the detector takes as long as four and a half pictures."""
    assert simulated(0.45, DetectionPace()) <= 0.05
    assert simulated(0.45, None) > 0.25


def test_one_that_affords_every_picture_runs_the_detector_for_every_one():
    pace = DetectionPace()
    assert simulated(0.06, pace) == 0
    assert pace.interval_s() == 0


def simulated(detect_s, pace):
    """The share of pictures masked whole after the first ten seconds of a minute, ten a second, on the test's clock.

    Vision takes `detect_s` for a picture on which the detector runs and 10 ms for one that is only followed; masking
    and encoding have a core of their own. Junction and planner are the camera's.
    """
    now, frames = [0.0], iter([CapturedFrame(np.zeros((3, 2), np.uint8), number * 9000, 0) for number in range(600)])
    counters = Counters()
    junction = FrameSynchronizer(18, lambda: 1.0, counters, clock=lambda: now[0])
    planner = Planner(64, 64, MaskSettings())
    whole, detected_90k, coming = [], -90_000, next(frames)
    while coming is not None:
        while coming is not None and coming.pts_90k / 90_000 <= now[0]:
            junction.add(coming)
            coming = next(frames, None)
        now[0] += 0.01
        if junction._for_vision:
            seen = junction.next_for_detection()
            if pace:
                pace.observe(junction.waited(), counters.skipped_by_vision, now[0])
            if seen.pts_90k - detected_90k >= 90_000 * (pace.interval_s() if pace else 0):
                detected_90k = seen.pts_90k
                now[0] += detect_s
            none = np.zeros((0, 4), np.float32)
            junction.add_result(FrameDetections(seen.pts_90k, (), Detections.none(), none))
        while masked := out(junction, planner, now[0]):
            if masked.pts_90k > 900_000:
                whole.append(planner.plan(masked.pts_90k).full)
    return sum(whole) / len(whole)


def out(junction, planner, now_s):
    """The next picture that can be masked, None when the oldest still waits."""
    while junction._sights:
        planner.saw(junction._sights.popleft())
    oldest = junction._frames[0] if junction._frames else None
    if oldest is None or not (planner.ready(oldest.frame.pts_90k) or now_s - oldest.taken_s >= 1.0):
        return None
    return junction.next_for_encoding(planner.saw, planner.ready)
