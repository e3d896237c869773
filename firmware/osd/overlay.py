"""Draws the texts into the masked picture: white with a dark rim, legible on anything, the chroma left neutral."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from base.settings_file import Stored
from firmware.capture.frame import I420, planes
from firmware.osd.text import Osd, OsdPosition, OsdSettings

_WHITE, _DARK, _NEUTRAL = 220, 24, 128
_REFERENCE_LINES = 720
_MARGIN = 0.02  # of the picture's height, for the corners


@dataclass(frozen=True, slots=True)
class _Stamp:
    """A drawn text: luma (h, w) and where it covers; h and w even, so that chroma needs no interpolation."""

    luma: NDArray[np.uint8]
    covers: NDArray[np.bool_]


class Overlay:
    """The texts of one camera.

    Args:
        state: the camera's state directory; `osd.json` in it holds the texts.
        zone: the time zone that dates and times are shown in.
    """

    def __init__(self, state: Path, zone: Callable[[], tzinfo] = lambda: UTC) -> None:
        self.settings = Stored(state / "osd.json", OsdSettings())
        self._zone = zone
        self._font = cv2.FontFace("sans")
        self._stamps: dict[tuple[str, int], _Stamp] = {}

    def draw(self, masked: I420, utc_us: int) -> None:
        """Write every text into `masked` itself. Encode thread.

        Args:
            masked: the masked picture, writable.
            utc_us: its capture time.
        """
        osds = self.settings.value.osds
        if not osds:
            return
        moment = datetime.fromtimestamp(utc_us / 1e6, self._zone())
        height = masked.shape[0] * 2 // 3
        drawn = {}
        for osd in osds:
            text = osd.at(moment)
            if not text.strip():
                continue
            key = (text, max(8, round(osd.size * height / _REFERENCE_LINES)))
            drawn[key] = stamp = self._stamps.get(key) or self._stamp(*key)
            _draw(masked, stamp, osd)
        # Only what is on the screen now is kept: a clock makes a new stamp every second.
        self._stamps = drawn

    def _stamp(self, text: str, size: int) -> _Stamp:
        rim = max(1, size // 12)
        _, _, width, height = cv2.getTextSize((1, 1), text, (0, 0), self._font, size)
        shape = (_even(height + size // 2 + 2 * rim), _even(width + 4 * rim + 2))
        ink = np.zeros(shape, np.uint8)
        cv2.putText(ink, text, (2 * rim, shape[0] - size // 3 - rim), (255,), self._font, size)
        dark = cv2.dilate(ink, np.ones((2 * rim + 1, 2 * rim + 1), np.uint8))
        weight = ink.astype(np.float32) / 255
        luma = np.asarray((_DARK + (_WHITE - _DARK) * weight).round(), dtype=np.uint8)
        return _Stamp(luma, np.asarray(dark > 64, dtype=np.bool_))


def _draw(masked: I420, stamp: _Stamp, osd: Osd) -> None:
    y, u, v = planes(masked)
    height, width = y.shape
    rows, columns = min(stamp.luma.shape[0], height), min(stamp.luma.shape[1], width)
    top, left = _corner(osd, height - rows, width - columns, round(_MARGIN * height))
    covers = stamp.covers[:rows, :columns]
    np.copyto(y[top : top + rows, left : left + columns], stamp.luma[:rows, :columns], where=covers)
    halved = covers.reshape(rows // 2, 2, columns // 2, 2).any(axis=(1, 3))
    for plane in (u, v):
        half = plane[top // 2 : (top + rows) // 2, left // 2 : (left + columns) // 2]
        half[halved] = _NEUTRAL


def _corner(osd: Osd, lowest: int, rightmost: int, margin: int) -> tuple[int, int]:
    """(top, left) of the stamp, even, inside the picture."""
    match osd.position:
        case OsdPosition.CUSTOM:
            top, left = round((1 - osd.y) / 2 * lowest), round((1 + osd.x) / 2 * rightmost)
        case OsdPosition.UPPER_LEFT:
            top, left = margin, margin
        case OsdPosition.UPPER_RIGHT:
            top, left = margin, rightmost - margin
        case OsdPosition.LOWER_LEFT:
            top, left = lowest - margin, margin
        case OsdPosition.LOWER_RIGHT:
            top, left = lowest - margin, rightmost - margin
    return min(max(0, top), lowest) & ~1, min(max(0, left), rightmost) & ~1


def _even(value: int) -> int:
    return value + value % 2
