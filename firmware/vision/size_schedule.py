"""At which of its sizes the detector looks next.

At any one size a detector hardly sees people of some heights, so no size is left out for long. Half of the looks go to
the size that has been surest of people on this camera (two thirds where there is but one other): on one that sees
people near, that is a smaller one, which costs less as well. The other sizes share the rest. Where pictures come slowly
all sizes take equal turns, or a person that only one of them sees would go unseen for longer than a mask is held.
"""

import numpy as np

from models.detections import Detections
from models.detector import OBJECT_THRESHOLD
from wire.features.vocabulary import ObjectClass

# Looks further apart than this take equal turns.
_SLOW_S = 0.15
# Every size has so many looks before one of them becomes the usual one.
_FIRST_LOOKS = 3
_FOLLOWS = 0.05  # of the way from what a size was worth to what its last look found; more in its first looks
_CLEARLY = 1.1  # times as much must another size be worth to become the usual one


class SizeSchedule:
    """Call `next` before each run and `record` with what it found; one thread.

    Args:
        scales: how many sizes there are.
    """

    def __init__(self, scales: int) -> None:
        self._worth = np.zeros(scales)
        self._judged = np.zeros(scales, np.int64)
        self._looked = np.full(scales, -1, np.int64)
        self._looked_s = -np.inf
        self._usual = self._now = self._number = 0
        self._in_turn = 2 if scales == 2 else 1  # looks at the usual size between two at others
        self._run = 0

    def next(self, now_s: float) -> int:
        """The size of the look at the picture of `now_s`."""
        slow = now_s - self._looked_s > _SLOW_S
        longest = int(self._looked.argmin())
        equal = slow or bool(self._judged.min() < _FIRST_LOOKS and self._judged.any())
        if self._number and (equal or self._run >= self._in_turn):
            self._now = longest
        else:
            self._now = self._usual
        self._run = self._run + 1 if self._now == self._usual else 0
        self._looked[self._now] = self._number
        self._looked_s, self._number = now_s, self._number + 1
        return self._now

    def record(self, found: Detections) -> None:
        """What a run found: people that are found surely say what the size is worth here."""
        people = found.scores[(found.classes == ObjectClass.PERSON) & (found.scores >= OBJECT_THRESHOLD)]
        if not len(people) and not self._judged.any():
            return
        self._judged[self._now] += 1
        share = max(_FOLLOWS, 1 / float(self._judged[self._now]))
        self._worth[self._now] += share * (float(people.sum()) - self._worth[self._now])
        best = int(self._worth.argmax())
        if self._judged.min() >= _FIRST_LOOKS and self._worth[best] > _CLEARLY * self._worth[self._usual]:
            self._usual = best
