"""When a segment begins and ends: the table, row by row."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvr_box.record.segment_cut import ARRIVAL_STEP_US, CLOCK_STEP_US, KEYLESS_90K, Cut, OpenSegment, cut

OPEN = OpenSegment(
    age_90k=900_000, key_90k=720_000, gop_90k=180_000, limit_90k=5_400_000, drift_us=0, has_clock=True, refreshes=False
)
KEY = {"key": True, "changed": False, "whole": True, "camera_timed": True}
NO_KEY = {"key": False, "changed": False, "whole": False, "camera_timed": True}


def test_nothing_begins_without_a_key_frame():
    assert cut(None, **NO_KEY) is Cut.SKIP
    assert cut(None, **KEY) is Cut.BEGIN


def test_an_open_segment_goes_on():
    assert cut(OPEN, **KEY) is Cut.WRITE
    assert cut(OPEN, **NO_KEY) is Cut.WRITE


@pytest.mark.parametrize(("segment", "packet"), [
    (OPEN, {"changed": True}),
    (replace(OPEN, refreshes=True), {}),
    (replace(OPEN, age_90k=5_300_000, key_90k=5_120_000), {}),
    (replace(OPEN, age_90k=3_000_000, key_90k=100_000), {}),
    (replace(OPEN, drift_us=CLOCK_STEP_US + 1), {}),
    (replace(OPEN, drift_us=-CLOCK_STEP_US - 1), {}),
    (replace(OPEN, drift_us=ARRIVAL_STEP_US + 1, has_clock=False), {"camera_timed": False}),
    (replace(OPEN, has_clock=False), {"camera_timed": True}),
], ids=["parameters", "whole at last", "full", "long group", "later", "earlier", "arrival", "first time"])  # fmt: skip
def test_a_new_one_begins_at_a_key_frame_alone(segment, packet):
    assert cut(segment, **(KEY | packet)) is Cut.ROLL
    assert cut(segment, **(NO_KEY | {"camera_timed": packet.get("camera_timed", True)})) is Cut.WRITE


@pytest.mark.parametrize(("segment", "packet"), [
    (OPEN, {"whole": False}),
    (replace(OPEN, refreshes=True), {"whole": False}),
    (replace(OPEN, drift_us=CLOCK_STEP_US), {}),
    (replace(OPEN, drift_us=CLOCK_STEP_US + 1), {"camera_timed": False}),
    (replace(OPEN, drift_us=ARRIVAL_STEP_US, has_clock=False), {"camera_timed": False}),
])  # fmt: skip
def test_what_ends_no_segment(segment, packet):
    assert cut(segment, **(KEY | packet)) is Cut.WRITE


def test_a_stream_without_key_frames_is_opened_again():
    late = replace(OPEN, key_90k=0, age_90k=KEYLESS_90K + 1)
    assert cut(late, **NO_KEY) is Cut.REOPEN
    assert cut(replace(late, age_90k=KEYLESS_90K), **NO_KEY) is Cut.WRITE


@given(
    st.none() | st.builds(
        OpenSegment, st.integers(0, 10**8), st.integers(0, 10**8), st.integers(0, 10**7), st.integers(1, 10**7),
        st.integers(-(10**9), 10**9), st.booleans(), st.booleans(),
    ),
    st.booleans(), st.booleans(), st.booleans(), st.booleans(),
)  # fmt: skip
def test_a_segment_never_begins_in_the_middle(segment, key, changed, whole, camera_timed):
    action = cut(segment, key=key, changed=key and changed, whole=key and whole, camera_timed=camera_timed)
    assert (action in {Cut.BEGIN, Cut.ROLL}) <= key
    assert (action in {Cut.SKIP, Cut.BEGIN}) == (segment is None)
