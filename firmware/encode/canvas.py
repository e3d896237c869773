"""The payload's picture: originals where the mask is, and everything else frozen so that it costs nothing to code."""

import cv2
import numpy as np

from firmware.encode.picture_encoder import I420
from wire.recovery.layout import MACROBLOCK, Mask

_GREY = 128


class Canvas:
    """A sticky picture: macroblocks under the mask take the clear picture's samples and keep them afterwards.

    Args:
        width, height: pixels, multiples of 16.
    """

    def __init__(self, width: int, height: int) -> None:
        self.i420: I420 = np.full((height * 3 // 2, width), _GREY, np.uint8)
        self._width, self._height = width, height

    def reset(self, background: I420 | None = None) -> None:
        """Forget everything: flat grey, or the picture that the decoder already has."""
        if background is None:
            self.i420.fill(_GREY)
        else:
            np.copyto(self.i420, background)

    def paint(self, clear: I420, mask: Mask) -> None:
        """Take the macroblocks under `mask`, (height / 16, width / 16) bool, from `clear`."""
        ours, theirs = planes(self.i420, self._width, self._height), planes(clear, self._width, self._height)
        for to, source in zip(ours, theirs, strict=True):
            side = MACROBLOCK * to.shape[0] // self._height
            across = np.repeat(mask.view(np.uint8), side, axis=1)
            cv2.copyTo(source, np.repeat(across, side, axis=0), to)


def planes(i420: I420, width: int, height: int) -> tuple[I420, I420, I420]:
    """Views of the Y (height, width), U and V (height / 2, width / 2) planes of a contiguous I420 picture."""
    flat = i420.reshape(-1)
    luma, chroma = width * height, width * height // 4
    u, v = flat[luma : luma + chroma], flat[luma + chroma :]
    return (
        flat[:luma].reshape(height, width),
        u.reshape(height // 2, width // 2),
        v.reshape(height // 2, width // 2),
    )
