"""Masked picture, clear picture and mask plan at the size that an encoder was set to.

Scaling averages areas, so a picture point outside the scaled mask has no share of what was under the mask, and the
originals of a scaled picture are found under the scaled mask only.
"""

import cv2
import numpy as np

from firmware.capture.frame import I420, planes
from firmware.mask.grid import BitGrid
from wire.recovery.layout import Region


def scaled(i420: I420, width: int, height: int) -> I420:
    """The picture at a smaller size, both numbers even; the picture itself where it has that size."""
    if i420.shape == (height * 3 // 2, width):
        return i420
    out = np.empty((height * 3 // 2, width), np.uint8)
    for source, target in zip(planes(i420), planes(out), strict=True):
        target[:] = cv2.resize(source, target.shape[::-1], interpolation=cv2.INTER_AREA)
    return out


def scaled_mask(mask: BitGrid, columns: int, rows: int) -> BitGrid:
    """(rows, columns): a macroblock is masked when it touches one that was."""
    if mask.shape == (rows, columns):
        return mask
    across = np.stack([mask[above:below].any(axis=0) for above, below in _spans(mask.shape[0], rows)])
    return np.stack([across[:, left:right].any(axis=1) for left, right in _spans(mask.shape[1], columns)], axis=1)


def scaled_region(region: Region, of: tuple[int, int], columns: int, rows: int) -> Region:
    """The region's box in a grid of `columns` by `rows`; `of` is (rows, columns) of its own grid."""
    left, right = _outside(region.x, region.x + region.w, of[1], columns)
    above, below = _outside(region.y, region.y + region.h, of[0], rows)
    return Region(region.track_id, region.class_, region.level, left, above, right - left, below - above)


def _spans(before: int, after: int) -> list[tuple[int, int]]:
    """For each of `after` equal parts the range of the `before` parts that it touches."""
    return [(at * before // after, -(-(at + 1) * before // after)) for at in range(after)]


def _outside(first: int, last: int, before: int, after: int) -> tuple[int, int]:
    return first * after // before, -(-last * after // before)
