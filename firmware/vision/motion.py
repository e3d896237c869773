"""Where an object will be: a constant-velocity Kalman filter on centre, width and height.

The four do not couple: their transition, noise and measurement are diagonal, so each has a filter of its own with three
numbers of covariance. In plain numbers that takes a tenth of the time of the 8 × 8 matrices that say the same.
"""

import numpy as np
from numpy.typing import NDArray

Box = NDArray[np.float32]

# Standard deviations per picture, in shares of the object's size: of a position, of a velocity, of a measurement.
# Half those of BoT-SORT are too stiff for people who turn; measured on the demo clip with our own detector.
_POSITION, _VELOCITY, _MEASUREMENT = 0.05, 0.012, 0.06
# A weak detection's box is believed less: its measurement deviation grows up to this factor as its score falls to 0.
_WEAK_FACTOR = 2.0
_MINIMUM_SIDE_PX = 2.0


class _Number:
    """One of the four: its value and speed, their variances and what these have in common."""

    __slots__ = ("both", "speed", "speed_variance", "value", "variance")

    def __init__(self, value: float, size: float) -> None:
        self.value, self.speed = value, 0.0
        self.variance, self.both, self.speed_variance = (2 * _POSITION * size) ** 2, 0.0, (10 * _VELOCITY * size) ** 2

    def predict(self, pictures: float, size: float) -> None:
        self.value += pictures * self.speed
        self.variance += pictures * (2 * self.both + pictures * self.speed_variance + (_POSITION * size) ** 2)
        self.both += pictures * self.speed_variance
        self.speed_variance += pictures * (_VELOCITY * size) ** 2

    def update(self, measured: float, noise: float) -> None:
        surprise, certain = measured - self.value, 1 / (self.variance + noise)
        gain, speed_gain = self.variance * certain, self.both * certain
        self.value += gain * surprise
        self.speed += speed_gain * surprise
        self.speed_variance -= speed_gain * self.both
        self.both *= 1 - gain
        self.variance *= 1 - gain


class Motion:
    """One object's filter; times are counted in pictures of the source's rate."""

    def __init__(self, box: Box) -> None:
        x, y, w, h = _centred(box)
        self._x, self._y, self._w, self._h = _Number(x, w), _Number(y, h), _Number(w, w), _Number(h, h)

    def predict(self, pictures: float) -> None:
        """Move on by that many pictures."""
        w, h = self._size()
        for number, size in ((self._x, w), (self._y, h), (self._w, w), (self._h, h)):
            number.predict(pictures, size)

    def update(self, box: Box, score: float) -> None:
        """The object was found at `box` with `score`."""
        deviation = _MEASUREMENT * (1 + (_WEAK_FACTOR - 1) * (1 - score))
        w, h = self._size()
        across, down = (deviation * w) ** 2, (deviation * h) ** 2
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

    def _size(self) -> tuple[float, float]:
        return max(self._w.value, _MINIMUM_SIDE_PX), max(self._h.value, _MINIMUM_SIDE_PX)


def _centred(box: Box) -> tuple[float, float, float, float]:
    """x0 y0 x1 y1 → middle, width, height."""
    x0, y0, x1, y1 = box.tolist()
    return (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0
