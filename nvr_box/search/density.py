"""Passages along a stretch of time, counted by step and class in the database: nothing is left out, however many."""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from wire.features.vocabulary import ObjectClass

# A passage that began before the stretch still touches it; none lasts longer than this.
_LONGEST_US = 24 * 3600 * 1_000_000


@dataclass(frozen=True, slots=True)
class Density:
    """How many passages of each class touch each step: only steps that some touch, ascending."""

    step_us: int
    classes: Mapping[ObjectClass, tuple[tuple[int, int], ...]]


def counting(camera: int, start_us: int, end_us: int, steps: int) -> Callable[[sqlite3.Connection], Density]:
    """The query for `Store.read`: [start_us, end_us) in at most `steps` steps."""
    step_us = max(1, -(-(end_us - start_us) // steps))
    sql = (
        "SELECT class, max(0, (first_us - :start) / :step), min(:steps - 1, (last_us - :start) / :step), count(*)"
        " FROM packet WHERE camera = :camera AND first_us >= :start - :longest AND first_us < :end"
        " AND last_us >= :start GROUP BY 1, 2, 3"
    )
    values = {"camera": camera, "start": start_us, "end": end_us, "step": step_us, "steps": steps}

    def query(link: sqlite3.Connection) -> Density:
        changes: dict[ObjectClass, np.ndarray[tuple[int], np.dtype[np.int64]]] = {}
        for class_, first, last, count in link.execute(sql, values | {"longest": _LONGEST_US}):
            change = changes.setdefault(ObjectClass(class_), np.zeros(steps + 1, np.int64))
            change[first] += count
            change[max(first, last) + 1] -= count
        return Density(step_us, {kind: _sparse(np.cumsum(change[:-1])) for kind, change in changes.items()})

    return query


def _sparse(counts: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[tuple[int, int], ...]:
    return tuple((int(at), int(counts[at])) for at in np.flatnonzero(counts))
