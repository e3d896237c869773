"""A picture as the pipeline carries it, and what a sensor must offer."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from firmware.capture.controls import SensorControls

I420 = NDArray[np.uint8]
"""One picture: (height * 3 // 2, width) uint8, the luma plane above the two quarter-size chroma planes."""

CLOCK_90K = 90_000


@dataclass(frozen=True, slots=True)
class CapturedFrame:
    """One picture; its holders must not write into `i420`.

    Args:
        i420: (height * 3 // 2, width) uint8; width and height are multiples of 16.
        pts_90k: media time on the source's own clock, strictly rising, never reset by a loop or a step of UTC.
        utc_us: wall clock at capture, microseconds since 1970; may step when the host's clock does.
    """

    i420: I420
    pts_90k: int
    utc_us: int


class FrameSource(Protocol):
    """A sensor. `frames` is called once, on the capture thread; `close` on any thread ends it."""

    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def rate(self) -> Fraction: ...

    @property
    def controls(self) -> SensorControls | None:
        """What the sensor sets about its picture by itself; None where it sets nothing."""
        ...

    def frames(self) -> Iterator[CapturedFrame]:
        """Yield pictures as they are taken, at `rate`; ends after `close`.

        Raises:
            CaptureError: the sensor or the file gave out; the message says which.
        """
        ...

    def close(self) -> None:
        """Ask `frames` to end; returns at once."""
        ...


def planes(i420: I420) -> tuple[I420, I420, I420]:
    """Views of Y (h, w), U and V (h/2, w/2) into one I420 picture; writing into them writes into it."""
    rows, width = i420.shape
    height = rows * 2 // 3
    chroma = i420[height:].reshape(2, height // 2, width // 2)
    return i420[:height], chroma[0], chroma[1]


def strips(i420: I420) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Views of Y, U and V in macroblocks: (rows, lines, columns), each element a line of samples of one macroblock.

    An element is 16, 8 and 8 bytes, 16, 8 and 8 lines make a macroblock; only to be copied, what they hold is no
    number. Copying by macroblocks is several times as fast like this as with a mask of every sample. Width and height
    have to be multiples of 16.
    """
    y, u, v = planes(i420)
    rows, columns = y.shape[0] // 16, y.shape[1] // 16
    return (
        y.view(np.complex128).reshape(rows, 16, columns),
        u.view(np.uint64).reshape(rows, 8, columns),
        v.view(np.uint64).reshape(rows, 8, columns),
    )
