"""At which of its sizes the detector looks next.

At any one size a detector hardly sees people of some heights, so no size is left out for long. Most looks go to the
size that has been surest of people on this camera: on one that sees people near, that is the smaller one, which costs
less as well.
"""

import numpy as np

from models.detections import Detections
from models.detector import OBJECT_THRESHOLD
from wire.features.vocabulary import ObjectClass

# One look in so many goes to another size than the surest, and no size waits longer than this.
_OTHER_EVERY, _LONGEST_S = 3, 0.6
_FOLLOWS = 0.05  # of the way from what a size was worth to what its last look found
_CLEARLY = 1.15  # times as much must another size be worth to become the usual one


class Turns:
    """Call `next` before each look and `took` with what it found; one thread.

    Args:
        scales: how many sizes there are.
    """

    def __init__(self, scales: int) -> None:
        self._worth = np.zeros(scales)
        self._looked_s = np.full(scales, -np.inf)
        self._usual = self._now = self._number = 0
        self._other = False

    def next(self, now_s: float) -> int:
        """The size of the look at the picture of `now_s`."""
        self._number += 1
        waits = [scale for scale in range(len(self._looked_s)) if scale != self._usual]
        self._now = self._usual
        if waits and self._number > 1:
            longest = min(waits, key=lambda scale: self._looked_s[scale])
            late = now_s - self._looked_s[longest] >= _LONGEST_S
            # Where pictures come slowly every size is late, and the usual one still takes every second turn.
            if self._number % _OTHER_EVERY == 0 or (late and not self._other):
                self._now = longest
        self._other = self._now != self._usual
        self._looked_s[self._now] = now_s
        return self._now

    def took(self, found: Detections) -> None:
        """What the look found: people who are found surely say what the size is worth here."""
        people = found.scores[(found.classes == ObjectClass.PERSON) & (found.scores >= OBJECT_THRESHOLD)]
        if not len(people):
            return
        self._worth[self._now] += _FOLLOWS * (float(people.sum()) - self._worth[self._now])
        best = int(self._worth.argmax())
        if self._worth[best] > _CLEARLY * self._worth[self._usual]:
            self._usual = best
