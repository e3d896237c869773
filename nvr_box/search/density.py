"""Passages along a stretch of time, counted by step and class in the database: nothing is left out, however many."""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from wire.features.vocabulary import ObjectClass

# More than there are classes: a packet's number of a class has eight bits.
_KINDS = 256


@dataclass(frozen=True, slots=True)
class Density:
    """How many passages of each class touch each step: only steps that some touch, ascending."""

    step_us: int
    classes: Mapping[ObjectClass, tuple[tuple[int, int], ...]]


def counting(camera: int, start_us: int, end_us: int, steps: int) -> Callable[[sqlite3.Connection], Density]:
    """The query for `Store.read`: [start_us, end_us) in at most `steps` steps."""
    step_us = max(1, -(-(end_us - start_us) // steps))
    # One number a passage, all in one text: 33,000 rows of three numbers cost five times as much to sort or hand on.
    sql = (
        "SELECT group_concat((max(0, (first_us - :start) / :step) * :steps"
        " + min(:steps - 1, (last_us - :start) / :step)) * :kinds + class)"
        " FROM packet WHERE camera = :camera AND first_us < :end AND last_us >= :start"
        # What touches the stretch began at most the longest passage of this camera before it.
        " AND first_us >= :start - (SELECT longest_passage_us FROM usage WHERE camera = :camera)"
    )
    values = {
        "camera": camera, "start": start_us, "end": end_us, "step": step_us, "steps": steps, "kinds": _KINDS,
    }  # fmt: skip

    def query(link: sqlite3.Connection) -> Density:
        (text,) = link.execute(sql, values).fetchone()
        if text is None:
            return Density(step_us, {})
        places, kinds = np.divmod(np.fromstring(text, np.int64, sep=","), _KINDS)
        firsts, lasts = np.divmod(places, steps)
        found = {}
        for kind in np.unique(kinds):
            these = kinds == kind
            begun = np.bincount(firsts[these], minlength=steps + 1)
            ended = np.bincount(np.maximum(firsts, lasts)[these] + 1, minlength=steps + 1)
            found[ObjectClass(int(kind))] = _sparse(np.cumsum(begun - ended)[:-1])
        return Density(step_us, found)

    return query


def _sparse(counts: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[tuple[int, int], ...]:
    return tuple((int(at), int(counts[at])) for at in np.flatnonzero(counts))
