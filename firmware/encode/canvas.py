"""The payload's picture: originals where the mask is, and everything else frozen so that it costs nothing to code."""

import numpy as np

from firmware.capture.frame import strips
from firmware.encode.picture_encoder import I420
from wire.recovery.layout import Mask

_GREY = 128


class Canvas:
    """A sticky picture: macroblocks under the mask take the clear picture's samples and keep them afterwards.

    Args:
        width, height: pixels, multiples of 16.
    """

    def __init__(self, width: int, height: int) -> None:
        self.i420: I420 = np.full((height * 3 // 2, width), _GREY, np.uint8)
        self._strips = strips(self.i420)

    def reset(self, background: I420 | None = None) -> None:
        """Forget everything: flat grey, or the picture that the decoder already has."""
        if background is None:
            self.i420.fill(_GREY)
        else:
            np.copyto(self.i420, background)

    def paint(self, clear: I420, mask: Mask) -> None:
        """Take the macroblocks under `mask`, (height / 16, width / 16) bool, from `clear`."""
        for to, source in zip(self._strips, strips(clear), strict=True):
            np.copyto(to, source, where=mask[:, None])
