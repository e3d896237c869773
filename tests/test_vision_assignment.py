"""The best pairs, against every permutation of small problems and against scipy on larger ones."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from firmware.vision.assignment import assign
from firmware.vision.tracker import _assigned

VALUES = st.one_of(st.floats(-10, 10, width=32), st.sampled_from([-10.0, 0.0, 1.0]))


def total(value, pairs):
    return float(sum(np.float64(value[pair]) for pair in pairs))


SHAPES = st.tuples(st.integers(0, 4), st.integers(0, 5))


@given(SHAPES.flatmap(lambda shape: arrays(np.float32, shape, elements=VALUES)))
def test_no_other_pairs_are_worth_more(value):
    pairs = assign(value)
    assert len(pairs) == min(value.shape)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    upright = value if value.shape[0] <= value.shape[1] else value.T
    best = max(total(upright, enumerate(order)) for order in permutations(range(upright.shape[1]), upright.shape[0]))
    assert total(value, pairs) == pytest.approx(best, abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_it_agrees_with_scipy(rows, columns, seed):
    value = np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)
    expected = linear_sum_assignment(value, maximize=True)
    assert assign(value) == [(int(row), int(column)) for row, column in zip(*expected, strict=True)]


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.floats(0.05, 0.9), st.integers(0, 2**32 - 1))
def test_the_tracker_settles_who_has_no_choice_without_losing_by_it(rows, columns, share, seed):
    random = np.random.default_rng(seed)
    value = random.uniform(-0.5, 1.5, (rows, columns)).astype(np.float32)
    possible = random.random((rows, columns)) < share
    whole = np.where(possible, value, -10.0)
    expected = [pair for pair in zip(*linear_sum_assignment(whole, maximize=True), strict=True) if possible[pair]]
    assert _assigned(value, possible) == expected


def test_what_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="finite"):
        assign(np.array([[1.0, np.nan]], np.float32))
