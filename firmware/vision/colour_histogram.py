"""What tells neighbours apart from one picture to the next: the colours of four stripes, in 40 microseconds per object.

Only for the tracker's own use inside one camera and a few seconds; it never leaves the process. The appearance code
that a search uses is another thing (`models.appearance`).
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from models.detections import Boxes

_SIZE = (12, 32)
_STRIPES = 4
_HUES, _SATURATIONS, _VALUES = 8, 3, 4
_BINS = _HUES * _SATURATIONS * _VALUES
LENGTH = _STRIPES * _BINS
# The flanks of a box are background.
_FLANK = 2
# What each value of a channel adds to the number of its bin; OpenCV's hue ends at 180.
_LEVELS = np.arange(256)
_HUE_BIN = np.minimum(_LEVELS * _HUES // 180, _HUES - 1) * _SATURATIONS * _VALUES
_SATURATION_BIN = _LEVELS * _SATURATIONS // 256 * _VALUES
_VALUE_BIN = _LEVELS * _VALUES // 256
_STRIPE_BIN = (np.repeat(np.arange(_STRIPES), _SIZE[1] // _STRIPES) * _BINS)[:, None]


def colour_histograms(rgb: NDArray[np.uint8], boxes: Boxes) -> NDArray[np.float32]:
    """(n, LENGTH) rows of length 1 for `boxes` (n, 4) of `rgb` (h, w, 3); boxes outside of it give a flat row."""
    small = np.zeros((len(boxes), _SIZE[1], _SIZE[0], 3), np.uint8)
    inside = np.zeros(len(boxes), bool)
    for i, (x0, y0, x1, y1) in enumerate(np.maximum(boxes, 0).astype(int).tolist()):
        crop = rgb[y0:y1, x0:x1]
        if crop.size:
            cv2.resize(crop, _SIZE, small[i], interpolation=cv2.INTER_AREA)
            inside[i] = True
    if not inside.any():
        return np.full((len(boxes), LENGTH), LENGTH**-0.5, np.float32)
    # All crops below each other are one picture: one conversion and one count instead of one for each.
    hsv = cv2.cvtColor(small.reshape(-1, _SIZE[0], 3), cv2.COLOR_RGB2HSV).reshape(small.shape)
    hue, saturation, value = np.moveaxis(hsv[:, :, _FLANK:-_FLANK], 3, 0)
    bins = (_HUE_BIN[hue] + _SATURATION_BIN[saturation] + _VALUE_BIN[value]) + _STRIPE_BIN
    bins += np.arange(0, len(boxes) * LENGTH, LENGTH)[:, None, None]
    counts = np.bincount(bins.ravel(), minlength=len(boxes) * LENGTH).reshape(len(boxes), LENGTH)
    # The roots' squares sum to the number of samples, which is the same for every crop.
    rows = np.asarray(np.sqrt(counts / bins[0].size), np.float32)
    rows[~inside] = LENGTH**-0.5
    return rows
