"""Cutting the best shot out of the masked and out of the clear picture: the same rectangle, the same size."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware.vision.frame_detections import Boxes
from models.rgb import Rgb
from wire.features.packet import FULL_SCALE

Bgr = NDArray[np.uint8]
"""(height, width, 3) blue, green, red, as OpenCV has it."""
Rectangle = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels of the picture."""

HEIGHT_PX = 192
# The original is what codes are made of again after a change of model; of the mask there is nothing to look at closely.
_MASKED_QUALITY, _CLEAR_QUALITY = 80, 90
_MARGIN = 0.15


@dataclass(frozen=True, slots=True)
class Clear:
    """An object's best shot without its mask: in memory until it is sealed.

    Attributes:
        jpeg: of the same rectangle as the masked thumbnail.
        inside: x, y, width, height of the object's box in it, in 1/65535 of its sides.
    """

    jpeg: bytes
    inside: tuple[int, int, int, int]


def rectangle(box: Boxes, width: int, height: int) -> Rectangle:
    """What of the box is in the picture, with a margin, at least a pixel large."""
    edge = np.array([width, height, width, height], np.float32)
    box = np.clip(box, 0, edge)
    margin = np.tile((box[2:] - box[:2]) * _MARGIN, 2) * np.array([-1, -1, 1, 1], np.float32)
    x0, y0, x1, y1 = (int(side) for side in np.clip(box + margin, 0, edge))
    x0, y0 = min(x0, width - 1), min(y0, height - 1)
    return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)


def masked(bgr: Bgr, box: Boxes) -> bytes:
    """JPEG of the object in the masked picture."""
    height, width = bgr.shape[:2]
    x0, y0, x1, y1 = rectangle(box, width, height)
    return _jpeg(bgr[y0:y1, x0:x1], _MASKED_QUALITY)


def clear(rgb: Rgb, inside: Boxes, box: Boxes, width: int, height: int) -> Clear:
    """The object in the clear picture.

    Args:
        rgb: a part of the picture that holds the whole rectangle.
        inside: the object's box in it; `box` the same in the picture of `width` by `height`.
    """
    x0, y0, x1, y1 = rectangle(box, width, height)
    left, top = (round(float(there - here)) for there, here in zip(box[:2], inside[:2], strict=True))
    jpeg = _jpeg(np.ascontiguousarray(rgb[y0 - top : y1 - top, x0 - left : x1 - left, ::-1]), _CLEAR_QUALITY)
    corner, size = np.array([x0, y0], np.float32), np.array([x1 - x0, y1 - y0], np.float32)
    shares = np.concatenate([box[:2] - corner, box[2:] - box[:2]]) / np.tile(size, 2)
    x, y, w, h = (int(share) for share in (np.clip(shares, 0, 1) * FULL_SCALE).round())
    return Clear(jpeg, (x, y, w, h))


def _jpeg(bgr: Bgr, quality: int) -> bytes:
    if bgr.shape[0] > HEIGHT_PX:
        size = max(1, round(bgr.shape[1] * HEIGHT_PX / bgr.shape[0])), HEIGHT_PX
        bgr = np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_AREA), np.uint8)
    _, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return jpeg.tobytes()
