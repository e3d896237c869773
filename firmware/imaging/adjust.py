"""Brightness, contrast, saturation and sharpness, done on the raw picture.

They come before detection, so that what the detector sees is what the viewer sees; their ranges are kept so narrow that
no setting blinds the detector (an operator may set them, and must not thereby unmask people).
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware.capture.frame import I420, planes

NEUTRAL = 50.0
LEAST, MOST = 0.0, 100.0
_OFFSET = 40.0  # luma steps at either end of brightness
_GAIN = 0.75  # octaves at either end of contrast: 0.6 to 1.7
_SIGMA_PX = 1.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """Each 0..100, 50 leaves the picture as the sensor gives it."""

    brightness: float = NEUTRAL
    contrast: float = NEUTRAL
    saturation: float = NEUTRAL
    sharpness: float = NEUTRAL

    def __post_init__(self) -> None:
        for name in ("brightness", "contrast", "saturation", "sharpness"):
            if not LEAST <= getattr(self, name) <= MOST:
                raise ValueError(f"{name}: want {LEAST:g} to {MOST:g}")


class Adjuster:
    """Applies one adjustment; `adjustment` may be replaced on any thread while another applies it."""

    def __init__(self, adjustment: Adjustment | None = None) -> None:
        self.adjustment = adjustment or Adjustment()

    @property
    def adjustment(self) -> Adjustment:
        return self._adjustment

    @adjustment.setter
    def adjustment(self, adjustment: Adjustment) -> None:
        # One assignment of one tuple: the capture thread sees the old tables or the new, never a mixture.
        self._adjustment, self._tables = adjustment, (_luma(adjustment), _chroma(adjustment), _edge(adjustment))

    def __call__(self, i420: I420) -> I420:
        """The adjusted picture; the very same array when there is nothing to do. The input is not written to."""
        luma, chroma, edge = self._tables
        if luma is None and chroma is None and not edge:
            return i420
        adjusted = i420.copy()
        y, u, v = planes(adjusted)
        if edge:
            blurred = cv2.GaussianBlur(y, (0, 0), _SIGMA_PX)
            cv2.addWeighted(y, 1.0 + edge, blurred, -edge, 0.0, dst=y)
        if luma is not None:
            cv2.LUT(y, luma, dst=y)
        if chroma is not None:
            for plane in (u, v):
                cv2.LUT(plane, chroma, dst=plane)
        return adjusted


def _luma(adjustment: Adjustment) -> NDArray[np.uint8] | None:
    if adjustment.brightness == adjustment.contrast == NEUTRAL:
        return None
    gain = 2.0 ** (_GAIN * (adjustment.contrast - NEUTRAL) / NEUTRAL)
    offset = _OFFSET * (adjustment.brightness - NEUTRAL) / NEUTRAL
    # Limited-range video: 16 is black, 235 white; contrast turns about the middle of that range.
    levels = np.arange(256, dtype=np.float32)
    return _table((levels - 125.5) * gain + 125.5 + offset, 235)


def _chroma(adjustment: Adjustment) -> NDArray[np.uint8] | None:
    if adjustment.saturation == NEUTRAL:
        return None
    levels = np.arange(256, dtype=np.float32)
    return _table((levels - 128) * adjustment.saturation / NEUTRAL + 128, 240)


def _table(levels: NDArray[np.floating], most: int) -> NDArray[np.uint8]:
    return np.asarray(np.clip(levels, 16, most).round(), dtype=np.uint8)


def _edge(adjustment: Adjustment) -> float:
    """The weight of the unsharp mask: 0..1.5 above neutral, down to -0.8 (softened) below."""
    step = (adjustment.sharpness - NEUTRAL) / NEUTRAL
    return 1.5 * step if step > 0 else 0.8 * step
