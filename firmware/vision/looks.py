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


def looks(rgb: NDArray[np.uint8], boxes: Boxes) -> NDArray[np.float32]:
    """(n, LENGTH) rows of length 1 for `boxes` (n, 4) of `rgb` (h, w, 3); boxes outside of it give a flat row."""
    rows = np.zeros((len(boxes), LENGTH), np.float32)
    stripe = np.repeat(np.arange(_STRIPES), _SIZE[1] // _STRIPES)[:, None]
    for i, box in enumerate(np.maximum(boxes, 0).astype(int)):
        crop = rgb[box[1]:box[3], box[0]:box[2]]
        if not crop.size:
            rows[i] = LENGTH**-0.5
            continue
        hsv = cv2.cvtColor(cv2.resize(crop, _SIZE, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2HSV)
        hsv = hsv[:, _FLANK:-_FLANK].astype(np.int32)
        bins = (hsv[..., 0] * _HUES // 180 * _SATURATIONS + hsv[..., 1] * _SATURATIONS // 256) * _VALUES \
            + hsv[..., 2] * _VALUES // 256 + stripe * _BINS
        histogram = np.sqrt(np.bincount(bins.ravel(), minlength=LENGTH))
        rows[i] = histogram / np.linalg.norm(histogram)
    return rows
