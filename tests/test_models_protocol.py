"""The rule by which re-identification is scored: what counts, what does not, and that order is all that matters."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.train.market import Crops, queries, score


def crops(*places):
    """Crops of (person, camera) without pictures."""
    people, cameras = zip(*places, strict=True)
    return Crops(np.zeros((len(places), 1, 1, 3), np.uint8), np.array(people, np.int32), np.array(cameras, np.int8))


def test_one_query_for_each_person_and_camera():
    assert list(queries(crops((1, 1), (1, 1), (1, 2), (2, 1), (2, 1)))) == [0, 2, 3]


def test_a_perfect_order_scores_a_hundred():
    gallery = crops((1, 1), (1, 2), (2, 1), (2, 2))
    found = score(np.array([[1, 0.9, 0.1, 0.1]]), gallery, np.array([0]))
    assert (found.map, found.rank1) == (100, 100)


def test_average_precision_is_counted_by_hand():
    # Hits at ranks 2 and 3 of what counts: (1/2 + 2/3) / 2.
    gallery = crops((1, 1), (2, 1), (1, 2), (1, 3))
    found = score(np.array([[1, 0.9, 0.8, 0.7]]), gallery, np.array([0]))
    assert found.map == pytest.approx(100 * (1 / 2 + 2 / 3) / 2)
    assert found.rank1 == 0


def test_the_query_s_own_camera_neither_helps_nor_hurts():
    with_same = crops((1, 1), (1, 1), (1, 1), (2, 2), (1, 2))
    without = crops((1, 1), (2, 2), (1, 2))
    left = score(np.array([[1, 0.99, 0.98, 0.5, 0.4]]), with_same, np.array([0]))
    right = score(np.array([[1, 0.5, 0.4]]), without, np.array([0]))
    assert left.map == right.map == pytest.approx(50)


def test_somebody_whom_no_other_camera_saw_is_not_asked_for():
    gallery = crops((1, 1), (2, 1), (2, 2))
    assert len(score(np.eye(3)[[0, 1]], gallery, np.array([0, 1])).precision) == 1


@given(st.integers(0, 2**32 - 1))
def test_only_the_order_counts(seed):
    rng = np.random.default_rng(seed)
    gallery = crops(*zip(rng.integers(0, 4, 24), rng.integers(1, 4, 24), strict=True))
    query = queries(gallery)
    likeness = rng.random((len(query), 24))
    assert score(likeness, gallery, query).map == score(np.exp(3 * likeness) - 7, gallery, query).map
