"""Keeps the payload to its part of a bit rate by choosing its quantiser at every start.

The payload's encoder runs at a constant quantiser from one start to the next, which is what lets it start from the
base's IDR picture. Over a few groups of pictures the budget is kept; a group that runs away is restarted.
"""

import math

_FIRST_QP = 30
_FINEST_QP, _COARSEST_QP = 12, 48
# Six steps of the quantiser halve the bits. Slower towards finer: too coarse is soon mended, too fine floods.
_STEPS_PER_OCTAVE = 6
_MOST_FINER, _MOST_COARSER = 2, 6
# A group that has cost this much more than all of it should have is not let run to its end.
_RUNAWAY = 2.5
_MEMORY_GROUPS = 4


class PayloadRate:
    """One payload's spending. One thread.

    Args:
        bits_per_picture: the budget.
        group_pictures: the usual length of a group of pictures.
    """

    def __init__(self, bits_per_picture: float, group_pictures: int) -> None:
        self.qp = _FIRST_QP
        self._budget = bits_per_picture
        self._whole = bits_per_picture * group_pictures
        self._pictures = 0
        self._bits = 0
        self._debt = 0.0

    @property
    def runaway(self) -> bool:
        """Whether the group at hand should be restarted, coarser."""
        return self._bits > _RUNAWAY * self._whole and self.qp < _COARSEST_QP

    def spend(self, payload_au: bytes) -> None:
        """Take note of one picture; of an empty access unit too, which earns its budget."""
        self._pictures += 1
        self._bits += 8 * len(payload_au)

    def start(self) -> int:
        """The quantiser of the group that starts now, judged by the ones before."""
        if not self._pictures or not self._bits:
            self._pictures = 0
            return self.qp
        budget = self._budget * self._pictures
        self._debt += self._bits - budget
        self._debt = min(max(self._debt, -self._whole), _MEMORY_GROUPS * self._whole)
        wanted = max(budget - self._debt / _MEMORY_GROUPS, budget / 4)
        steps = round(_STEPS_PER_OCTAVE * math.log2(self._bits / wanted))
        self.qp = min(max(self.qp + min(max(steps, -_MOST_FINER), _MOST_COARSER), _FINEST_QP), _COARSEST_QP)
        self._pictures = self._bits = 0
        return self.qp
