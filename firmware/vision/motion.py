"""Where an object will be: a constant-velocity Kalman filter on centre, width and height, from `trackers`."""

import numpy as np
from numpy.typing import NDArray
from trackers.utils.state_representations import XCYCWHStateEstimator

Box = NDArray[np.float32]

# Standard deviations per picture, in shares of the object's size: of a position, of a velocity, of a measurement.
# Half those of BoT-SORT are too stiff for people who turn; measured on the demo clip with our own detector.
_POSITION, _VELOCITY, _MEASUREMENT = 0.05, 0.012, 0.06
# A weak detection's box is believed less: its measurement deviation grows up to this factor as its score falls to 0.
_WEAK_FACTOR = 2.0
_MINIMUM_SIDE_PX = 2.0


class Motion:
    """One object's filter; times are counted in pictures of the source's rate."""

    def __init__(self, box: Box) -> None:
        self._estimator = XCYCWHStateEstimator(box.astype(np.float64))
        start = self._noise(2 * _POSITION, 10 * _VELOCITY)
        self._estimator.set_kf_covariances(measurement_noise=self._noise(_MEASUREMENT), process_noise=start,
                                           state_covariance=start)

    def predict(self, pictures: float) -> None:
        """Move on by that many pictures."""
        self._estimator.set_kf_covariances(process_noise=self._noise(_POSITION, _VELOCITY))
        self._estimator.predict(frame_step=pictures)

    def update(self, box: Box, score: float) -> None:
        """The object was found at `box` with `score`."""
        factor = 1 + (_WEAK_FACTOR - 1) * (1 - score)
        self._estimator.set_kf_covariances(measurement_noise=self._noise(_MEASUREMENT * factor))
        self._estimator.update(box.astype(np.float64))

    @property
    def box(self) -> Box:
        """Where it is now, x0 y0 x1 y1."""
        x, y, w, h = self._estimator.kf.state[:4, 0]
        w, h = max(w, _MINIMUM_SIDE_PX), max(h, _MINIMUM_SIDE_PX)
        return np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2], np.float32)

    def _noise(self, *deviations: float) -> NDArray[np.float64]:
        """A diagonal covariance: for each deviation one block of x, y, w, h, scaled by the object's size."""
        w, h = np.maximum(self._estimator.kf.state[2:4, 0], _MINIMUM_SIDE_PX)
        return np.diag(np.square(np.outer(deviations, [w, h, w, h]).ravel()))
