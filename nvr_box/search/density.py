"""Passages along a stretch of time, counted by step and class in the database: nothing is left out, however many."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from nvr_box.db import packets as packet_rows
from nvr_box.db.link import Link
from wire.features.vocabulary import ObjectClass

# More than there are classes: a packet's number of a class has eight bits.
_KINDS = 256


@dataclass(frozen=True, slots=True)
class Density:
    """How many passages of each class touch each step: only steps that some touch, ascending."""

    step_us: int
    classes: Mapping[ObjectClass, tuple[tuple[int, int], ...]]


def counting(camera: int, start_us: int, end_us: int, steps: int) -> Callable[[Link], Density]:
    """The query for `Store.read`: [start_us, end_us) in at most `steps` steps."""
    step_us = max(1, -(-(end_us - start_us) // steps))

    def query(link: Link) -> Density:
        text = packet_rows.places(link, camera, start_us, end_us, step_us=step_us, steps=steps, kinds=_KINDS)
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
