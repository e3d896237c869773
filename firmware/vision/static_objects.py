"""What stands still: detections on places where no pixel has changed for seconds.

A post that looks like a person is found in every picture of a fixed camera. People, also those that stand and talk,
change their pixels: on the demo clip the patches of 937 true detections changed by 11 grey levels or more over two
seconds (first percentile), those of posts and bins by 2 or less. What stands still is not tracked; it is masked all
the same, since a motionless person on the ground must be. Places of furniture are remembered, so that a person that
walks past does not leave a track on it.
"""

from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

from models.detections import Boxes, ious

_SCALE = 4
_EVERY_S, _SAMPLES = 0.4, 5
_UNCHANGED = 2.5
_SAME_PLACE = 0.6
_REMEMBERED_S = 60.0


class StaticObjects:
    """Remembers two seconds in small pictures; one thread."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, NDArray[np.uint8]]] = deque(maxlen=_SAMPLES)
        self._places = np.zeros((0, 4), np.float32)
        self._confirmed_s = np.zeros(0)

    def remember(self, boxes: Boxes, now_s: float) -> None:
        """`boxes` stand still and no track owns them: they are furniture for the next minute."""
        fresh = self._confirmed_s > now_s - _REMEMBERED_S
        if not len(boxes) and fresh.all():
            return
        if len(boxes):
            fresh &= ~(ious(self._places, boxes) > _SAME_PLACE).any(axis=1)
        self._places = np.concatenate([self._places[fresh], boxes])
        self._confirmed_s = np.concatenate([self._confirmed_s[fresh], np.full(len(boxes), now_s)])

    def known(self, boxes: Boxes) -> NDArray[np.bool_]:
        """Which of `boxes` (n, 4) lie where furniture is remembered."""
        return np.asarray((ious(boxes, self._places) > _SAME_PLACE).any(axis=1))

    def still(self, luma: NDArray[np.uint8], now_s: float, boxes: Boxes) -> NDArray[np.bool_]:
        """Which of `boxes` (n, 4) cover a place that has not changed; none until two seconds have been seen.

        Args:
            luma: (h, w) of the picture at `now_s`.
        """
        rows, columns = luma.shape
        size = columns // _SCALE, rows // _SCALE
        small = np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.uint8)
        still = np.zeros(len(boxes), bool)
        if len(self._samples) == _SAMPLES and len(boxes):
            sums = np.empty((_SAMPLES, size[1] + 1, size[0] + 1), np.int32)
            for number, (_, sample) in enumerate(self._samples):
                cv2.integral(cv2.absdiff(sample, small), sums[number], cv2.CV_32S)
            still = np.sort(_means(sums, boxes / _SCALE), axis=0)[_SAMPLES // 2] < _UNCHANGED
        if not self._samples or now_s - self._samples[-1][0] >= _EVERY_S:
            self._samples.append((now_s, small))
        return still


def _means(sums: NDArray[np.integer | np.floating], boxes: NDArray[np.floating]) -> NDArray[np.float64]:
    """(pictures, n) mean inside each box by integral images (pictures, h + 1, w + 1); boxes outside have changed."""
    rows, columns = sums.shape[1] - 1, sums.shape[2] - 1
    corners = np.round(boxes).astype(int)
    corners[:, 2:] = np.maximum(corners[:, 2:], corners[:, :2] + 2)
    x0, y0, x1, y1 = np.minimum(np.maximum(corners, 0), (columns, rows, columns, rows)).T
    count = (x1 - x0) * (y1 - y0)
    total = sums[:, y1, x1] - sums[:, y0, x1] - sums[:, y1, x0] + sums[:, y0, x0]
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.inf), np.float64)
