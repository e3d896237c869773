"""What counts as progress of a camera's process, on a clock of the test."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.progress import LONGEST_LINE, PIPE, Pictures, ProgressWatch, Reporter, failed_line, parse

STALL_S, START_S = 20.0, 180.0


def pictures(seen, encoded, *, lost=False):
    return Pictures(seen, encoded, lost)


def judged(reports, now_s):
    """Why a process with these reports, pairs of a second and `Pictures`, is killed at `now_s`."""
    progress = ProgressWatch(0.0, stall_s=STALL_S, start_s=START_S)
    for at_s, report in reports:
        progress.record(report, at_s)
    return progress.stalled(now_s)


@pytest.mark.parametrize(
    ("reports", "now_s", "why"),
    [
        pytest.param([], 179.0, "", id="still starting"),
        pytest.param([], 181.0, "no picture within 180 s", id="never a word"),
        pytest.param([(170.0, pictures(5, 0))], 175.0, "", id="first pictures are being seen"),
        pytest.param([(t, pictures(t, 0)) for t in range(170, 182)], 181.5, "no picture within", id="no access unit"),
        pytest.param([(170.0, pictures(0, 0, lost=True))], 185.0, "", id="the start counts from the sensor's return"),
        pytest.param([(1.0, pictures(1, 1)), (2.0, pictures(2, 2))], 21.0, "", id="a short pause"),
        pytest.param([(1.0, pictures(1, 1)), (2.0, pictures(2, 2))], 23.0, "reported nothing", id="a stopped process"),
        pytest.param([(t, pictures(t, 3)) for t in range(3, 25)], 24.0, "encoded", id="a hung encoder"),
        pytest.param([(t, pictures(3, t)) for t in range(3, 25)], 24.0, "detection", id="hung detection"),
        pytest.param([(t, pictures(3, 3, lost=t > 4)) for t in range(3, 60)], 59.5, "", id="a lost sensor"),
        pytest.param(
            [(t, pictures(3, 3, lost=t < 30)) for t in range(3, 52)], 51.5, "encoded", id="a sensor back, no picture"
        ),
    ],
)
def test_judgement(reports, now_s, why):
    found = judged(reports, now_s)
    assert (why in found) if why else not found


def test_a_supervisor_that_did_not_run_itself_begins_to_count_again():
    progress = ProgressWatch(0.0, stall_s=STALL_S)
    progress.record(pictures(1, 1), 1.0)
    progress.rest(500.0)
    assert not progress.stalled(515.0)
    assert progress.stalled(521.0)


@given(st.integers(0, 2**63), st.integers(0, 2**63), st.booleans())
def test_reports_survive_the_pipe(seen, encoded, lost):
    assert parse(pictures(seen, encoded, lost=lost).line()) == pictures(seen, encoded, lost=lost)


@given(st.text())
def test_a_reason_is_one_line(why):
    line = failed_line(why)
    assert line.count(b"\n") == 1
    assert len(line) <= LONGEST_LINE + len(b"failed \n")
    assert isinstance(parse(line), str)


@given(st.binary())
def test_a_strange_line_is_let_be(line):
    assert parse(line) is None or line.startswith((b"pictures ", b"failed"))


def test_a_reporter_never_waits_for_its_supervisor(monkeypatch):
    read, write = os.pipe()
    monkeypatch.setenv(PIPE, str(write))
    reporter = Reporter.of_this_process()
    for number in range(20_000):  # far more than a pipe holds
        reporter.pictures(pictures(number, number))
    os.close(read)
    reporter.pictures(pictures(1, 1))
    os.close(write)
