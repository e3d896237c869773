"""The viewer's name, and since when they view, on every revealed picture."""

import cv2
import numpy as np
import numpy.typing as npt

from wire.compose import I420

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_WHITE, _DARK = 235, 16
# Strong along the lower edge; faint all over, so that a crop still names its viewer and a face stays a face.
_STRONG, _FAINT = 0.85, 0.06


class Watermark:
    """One text for pictures of one size; where it is too long for a line, each part between double blanks has one."""

    def __init__(self, text: str, width: int, height: int) -> None:
        scale = max(0.35, width / 1600)
        ink = np.full((height, width), _WHITE, np.float32)
        cover = np.zeros((height, width), np.float32)
        cover[_tiled(text, width, height, scale) > 0] = _FAINT
        left = max(4, width // 100)
        (wide, tall), below = cv2.getTextSize(text, _FONT, scale, 1)
        lines = [text] if left + wide <= width else text.split("  ")
        letters = np.zeros((height, width), np.uint8)
        for above, line in enumerate(reversed(lines)):
            at = (left, height - below - 3 - above * (tall + below + 3))
            cv2.putText(letters, line, at, _FONT, scale, 255, 1, cv2.LINE_AA)
        band = slice(max(0, height - len(lines) * (tall + below + 3) - below - 3), height)
        cover[band] = 0.55
        ink[band] = _DARK
        cover[letters > 64] = _STRONG
        ink[letters > 64] = _WHITE
        self._where = np.flatnonzero(cover)
        self._cover = cover.reshape(-1)[self._where]
        self._add = self._cover * ink.reshape(-1)[self._where]
        self._height = height

    def draw(self, i420: I420) -> None:
        """On the luma of a contiguous (height * 3 // 2, width) picture, in place."""
        luma = i420.reshape(-1)[: self._height * i420.shape[1]]
        luma[self._where] = (luma[self._where] * (1 - self._cover) + self._add).astype(np.uint8)


def _tiled(text: str, width: int, height: int, scale: float) -> npt.NDArray[np.uint8]:
    tiles = np.zeros((height, width), np.uint8)
    (wide, tall), _ = cv2.getTextSize(text, _FONT, scale, 1)
    for row, y in enumerate(range(tall + 8, height, tall * 7)):
        for x in range(-(row % 2) * wide // 2, width, wide + 4 * tall):
            cv2.putText(tiles, text, (x, y), _FONT, scale, 255, 1, cv2.LINE_8)
    return tiles
