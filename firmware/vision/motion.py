"""Where an object will be: a constant-velocity Kalman filter on centre, width and height, in seconds.

The four do not couple: their transition, noise and measurement are diagonal, so each has a filter of its own with three
numbers of covariance. In plain numbers that takes a tenth of the time of the 8 × 8 matrices that say the same.

Noise is that of continuous time: predicting over a second is the same in one step as in thirty. What a detector gets
wrong it gets wrong again in the next picture, so pictures in quicker succession than that are worth less each.
"""

import numpy as np
from numpy.typing import NDArray

Box = NDArray[np.float32]

# Standard deviations in shares of the object's size: of a position and of a velocity that wander for a second, of a
# velocity at first, of a position at first, of a measurement. People turn: half of this is too stiff.
_POSITION, _VELOCITY, _FIRST_VELOCITY, _FIRST_POSITION, _MEASUREMENT = 0.16, 0.6, 1.2, 0.1, 0.06
# For so long a detector repeats its error.
_ERROR_LASTS_S = 0.1
# A weak detection's box is believed less: its measurement deviation grows up to this factor as its score falls to 0.
_WEAK_FACTOR = 2.0
_MINIMUM_SIDE_PX = 2.0


class _Number:
    """One of the four: its value and speed, their variances and what these have in common."""

    __slots__ = ("both", "speed", "speed_variance", "value", "variance")

    def __init__(self, value: float, size: float) -> None:
        self.value, self.speed = value, 0.0
        self.variance, self.both = (_FIRST_POSITION * size) ** 2, 0.0
        self.speed_variance = (_FIRST_VELOCITY * size) ** 2

    def predict(self, elapsed_s: float, size: float) -> None:
        wander = elapsed_s * (_VELOCITY * size) ** 2
        self.value += elapsed_s * self.speed
        self.variance += elapsed_s * (
            2 * self.both + elapsed_s * (self.speed_variance + wander / 3) + (_POSITION * size) ** 2
        )
        self.both += elapsed_s * (self.speed_variance + wander / 2)
        self.speed_variance += wander

    def update(self, measured: float, noise: float) -> None:
        surprise, certain = measured - self.value, 1 / (self.variance + noise)
        gain, speed_gain = self.variance * certain, self.both * certain
        self.value += gain * surprise
        self.speed += speed_gain * surprise
        self.speed_variance -= speed_gain * self.both
        self.both *= 1 - gain
        self.variance *= 1 - gain


class Motion:
    """One object's filter."""

    def __init__(self, box: Box) -> None:
        x, y, w, h = _centred(box)
        self._x, self._y, self._w, self._h = _Number(x, w), _Number(y, h), _Number(w, w), _Number(h, h)
        self._since_s = _ERROR_LASTS_S

    def predict(self, elapsed_s: float) -> None:
        """Move on by that many seconds."""
        w, h = self._size()
        self._since_s += elapsed_s
        for number, size in ((self._x, w), (self._y, h), (self._w, w), (self._h, h)):
            number.predict(elapsed_s, size)

    def update(self, box: Box, score: float) -> None:
        """The object was found at `box` with `score`."""
        deviation = _MEASUREMENT * (1 + (_WEAK_FACTOR - 1) * (1 - score))
        repeated = max(_ERROR_LASTS_S / max(self._since_s, 1e-3), 1.0)
        self._since_s = 0.0
        w, h = self._size()
        across, down = (deviation * w) ** 2 * repeated, (deviation * h) ** 2 * repeated
        numbers = (self._x, self._y, self._w, self._h)
        for number, measured, noise in zip(numbers, _centred(box), (across, down, across, down), strict=True):
            number.update(measured, noise)
        # People do not shrink: a size that seems to change is an occlusion beginning or ending, and would run away.
        self._w.speed = self._h.speed = 0.0

    @property
    def box(self) -> Box:
        """Where it is now, x0 y0 x1 y1."""
        x, y, (w, h) = self._x.value, self._y.value, self._size()
        return np.array((x - w / 2, y - h / 2, x + w / 2, y + h / 2), np.float32)

    @property
    def doubt(self) -> tuple[float, float]:
        """Standard deviations of its centre, across and down, in pixels."""
        return self._x.variance**0.5, self._y.variance**0.5

    def _size(self) -> tuple[float, float]:
        return max(self._w.value, _MINIMUM_SIDE_PX), max(self._h.value, _MINIMUM_SIDE_PX)


def _centred(box: Box) -> tuple[float, float, float, float]:
    """x0 y0 x1 y1 → middle, width, height."""
    x0, y0, x1, y1 = box.tolist()
    return (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0
