"""What the permissive appearance code is made of: colours and backbone features pooled over six cells of a crop.

People are cut into six horizontal stripes (a body is upright), vehicles into two columns of three. Per cell: a joint
histogram of hue, saturation and value (square roots: Hellinger distance), and the mean of NanoDet's stride-8 features.
"""

import cv2
import numpy as np
import numpy.typing as npt

from models.rgb import Rgb
from models.runtime import Floats, InferenceSession

CELLS = 6
_HUES, _SATURATIONS, _VALUES = 8, 4, 4
_CHANNELS = 128
LENGTH = CELLS * (_HUES * _SATURATIONS * _VALUES + _CHANNELS)
# Width, height of the crop that is pooled; both are multiples of the network's coarsest stride.
PERSON_SIZE = (64, 128)
VEHICLE_SIZE = (128, 96)
# The middle of a box is the object, its flanks are background: Gaussian, in shares of the width.
_MIDDLE_SIGMA = 0.25


def grid(*, upright: bool) -> tuple[int, int]:
    """Rows and columns of cells."""
    return (CELLS, 1) if upright else (CELLS // 2, 2)


def features(session: InferenceSession, crop: Rgb, *, upright: bool) -> Floats:
    """(LENGTH,) features of an RGB crop: the histograms' half and the backbone's half."""
    size = PERSON_SIZE if upright else VEHICLE_SIZE
    crop = np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), np.uint8)
    rows, columns = grid(upright=upright)
    stage = session.run(session.normalised(crop), ("stage8",))[0][0]
    return np.concatenate([_histograms(crop, rows, columns), _pooled(stage, rows, columns)])


def _weights(width: int, columns: int) -> npt.NDArray[np.float32]:
    """(width,) weight of each column; flat when the cells split the width themselves."""
    if columns > 1:
        return np.ones(width, np.float32)
    offset = (np.arange(width, dtype=np.float32) + 0.5) / width - 0.5
    return np.asarray(np.exp(-0.5 * (offset / _MIDDLE_SIGMA) ** 2), np.float32)


def _cells(height: int, width: int, rows: int, columns: int) -> list[tuple[slice, slice]]:
    """The cells, row by row; when a cell would hold less than a row it takes the nearest whole ones."""
    vertical, horizontal = np.linspace(0, height, rows + 1), np.linspace(0, width, columns + 1)
    return [
        (
            slice(int(vertical[r]), max(int(np.ceil(vertical[r + 1])), int(vertical[r]) + 1)),
            slice(int(horizontal[c]), int(horizontal[c + 1])),
        )
        for r in range(rows)
        for c in range(columns)
    ]


def _histograms(crop: Rgb, rows: int, columns: int) -> Floats:
    hsv = cv2.cvtColor(crop, cv2.COLOR_RGB2HSV).astype(np.int32)
    bins = (hsv[..., 0] * _HUES // 180 * _SATURATIONS + hsv[..., 1] * _SATURATIONS // 256) * _VALUES + hsv[
        ..., 2
    ] * _VALUES // 256
    height, width = bins.shape
    weights = np.broadcast_to(_weights(width, columns), bins.shape)
    histograms = [
        np.bincount(bins[cell].ravel(), weights[cell].ravel(), _HUES * _SATURATIONS * _VALUES)
        for cell in _cells(height, width, rows, columns)
    ]
    return np.concatenate([np.sqrt(h / h.sum()) for h in histograms]).astype(np.float32)


def _pooled(stage: Floats, rows: int, columns: int) -> Floats:
    _, height, width = stage.shape
    weights = _weights(width, columns)
    means = [
        (stage[:, cell[0], cell[1]].mean(axis=1) * weights[cell[1]]).sum(axis=1) / weights[cell[1]].sum()
        for cell in _cells(height, width, rows, columns)
    ]
    return np.concatenate(means).astype(np.float32)
