"""Masked pictures as JPEG: snapshots, and the stream of pictures that are each coded by itself.

Baseline, 4:2:0 and the Huffman tables of ITU-T T.81 Annex K, which is what RFC 2435 can carry. There is no room in it
for sealed originals: a JPEG stream shows the masks and cannot be revealed.
"""

from fractions import Fraction

import cv2
import numpy as np
import numpy.typing as npt

I420 = npt.NDArray[np.uint8]

SNAPSHOT_QUALITY = 85
_WORST = 5
_TRIES = 3


def jpeg(i420: I420, quality: int = SNAPSHOT_QUALITY) -> bytes:
    """One masked (height * 3 // 2, width) picture; `quality` is libjpeg's, 1 to 100. Any thread."""
    done, data = cv2.imencode(".jpg", cv2.cvtColor(i420, cv2.COLOR_YUV2BGR_I420), [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done, "OpenCV's JPEG encoder takes every 8-bit picture"
    return data.tobytes()


class JpegEncoder:
    """A stream of JPEG pictures that keeps below a bit rate by lowering the quality. One thread at a time.

    Args:
        rate: pictures per second.
        quality: of the pictures as long as they fit the bit rate.
        bitrate_bps: None for no limit. A picture that is too large at the worst quality is given out all the same.
    """

    def __init__(self, rate: Fraction, quality: int, bitrate_bps: int | None) -> None:
        self._best = self._quality = quality
        self._most_bytes = None if bitrate_bps is None else float(bitrate_bps / rate) / 8

    def encode(self, picture: I420) -> bytes:
        """The whole picture."""
        data = jpeg(picture, self._quality)
        if self._most_bytes is None:
            return data
        for _ in range(_TRIES):
            if len(data) <= self._most_bytes or self._quality <= _WORST:
                break
            # About proportional between the middle and the worst, and safely too far above.
            fitting = int(self._quality * self._most_bytes / len(data))
            self._quality = max(_WORST, min(fitting, self._quality - 1))
            data = jpeg(picture, self._quality)
        if len(data) < 0.8 * self._most_bytes:
            self._quality = min(self._best, self._quality + 2)
        return data
