"""The rows of the frame synchroniser's table: when a picture leaves, and what it leaves as."""

import threading
from itertools import pairwise

import numpy as np
import pytest

from firmware.capture.frame import CapturedFrame
from firmware.stream.counters import Counters
from firmware.stream.frame_sync import FrameSynchronizer

ROOM, DEADLINE_S, STEP_90K = 4, 2.0, 9000
PATIENCE_S = 30


class Line:
    """A synchroniser with a clock of its own, what was taken from it, and which pictures are ready."""

    def __init__(self):
        self.now_s = 0.0
        self.counters = Counters()
        self.junction = FrameSynchronizer(ROOM, lambda: DEADLINE_S, self.counters, lambda: self.now_s)
        self.taken, self.ready = [], set()

    def put(self, number):
        self.junction.add(CapturedFrame(np.zeros((24, 16), np.uint8), number * STEP_90K, number))

    def leaves(self):
        """The next picture's number; None when nothing leaves."""
        found = []
        thread = threading.Thread(
            target=lambda: found.append(
                self.junction.next_for_encoding(self.taken.append, lambda pts_90k: pts_90k // STEP_90K in self.ready)
            )
        )
        thread.start()
        thread.join(0.3 if not self.expects else PATIENCE_S)
        if thread.is_alive():
            self.junction.close()
            thread.join(PATIENCE_S)
            return None
        return found[0].utc_us if found[0] is not None else None

    expects = True


@pytest.fixture
def line():
    return Line()


def works(line):
    """Vision has said something."""
    line.junction.add_result("sighting")
    line.ready.add(0)
    line.put(0)
    assert line.leaves() == 0


def test_a_picture_leaves_when_its_sightings_suffice(line):
    works(line)
    line.put(1)
    line.ready.add(1)
    assert line.leaves() == 1


def test_a_picture_that_is_not_ready_waits(line):
    works(line)
    line.put(1)
    line.expects = False
    assert line.leaves() is None


def test_a_picture_leaves_at_the_deadline_without_them(line):
    works(line)
    line.put(1)
    line.now_s += DEADLINE_S
    assert line.leaves() == 1


def test_before_the_first_sighting_nothing_waits(line):
    line.put(1)
    assert line.leaves() == 1


def test_blindness_lets_all_leave_and_forgets_older_sightings(line):
    works(line)
    line.junction.add_result("stale")
    for number in (1, 2):
        line.put(number)
    line.junction.detection_failed()
    assert [line.leaves(), line.leaves()] == [1, 2]
    assert line.taken == ["sighting", None]


def test_after_blindness_a_sighting_brings_waiting_back(line):
    works(line)
    line.junction.detection_failed()
    line.junction.add_result("again")
    line.put(1)
    line.expects = False
    assert line.leaves() is None
    assert line.taken == ["sighting", None, "again"]


def test_sightings_are_taken_in_order(line):
    for number in range(5):
        line.junction.add_result(number)
    line.put(1)
    line.ready.add(1)
    line.leaves()
    assert line.taken == list(range(5))
    assert all(b > a for a, b in pairwise(line.taken))


def test_a_full_room_drops_the_oldest_and_counts_it(line):
    works(line)
    for number in range(1, ROOM + 3):
        line.put(number)
    line.ready.update(range(1, ROOM + 3))
    assert line.leaves() == 3
    assert line.counters.dropped_raw == 2


def test_vision_that_is_late_skips_and_the_picture_is_still_encoded(line):
    for number in range(1, 5):
        line.put(number)
    assert line.junction.next_for_detection().utc_us == 2
    assert line.counters.skipped_by_vision == 1
    assert line.leaves() == 1


def test_closing_ends_all_that_wait(line):
    works(line)
    line.put(1)
    line.junction.close()
    assert line.junction.next_for_detection() is None
    assert line.leaves() is None
