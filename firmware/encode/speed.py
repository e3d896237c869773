"""How fast this machine encodes, found by encoding: what an encoder may promise to a client.

CPU seconds, not elapsed ones, so that a busy moment at the start does not make the camera promise less.
"""

import time
from fractions import Fraction
from functools import cache

import cv2
import numpy as np

from firmware.encode.picture_encoder import I420, PictureEncoder
from firmware.encode.settings import EncoderSettings

_WIDTH, _HEIGHT, _PICTURES = 384, 288, 5
# Scenes with more detail and motion than the one tried, and a processor that others use too.
_RESERVE = 1.5


@cache
def seconds_per_pixel(coding: EncoderSettings) -> float:
    """CPU seconds that one picture costs per pixel when coded once, with a reserve for harder scenes."""
    pictures = [_picture(number) for number in range(_PICTURES + 1)]
    encoder = PictureEncoder(
        coding.base, _WIDTH, _HEIGHT, Fraction(10), preset=coding.preset, qp=coding.qp, threads=coding.threads
    )
    encoder.encode(pictures[0], idr=True)
    began_s = time.process_time()
    for picture in pictures[1:]:
        encoder.encode(picture, idr=False)
    spent_s = time.process_time() - began_s
    return _RESERVE * spent_s / _PICTURES / (_WIDTH * _HEIGHT)


def _picture(number: int) -> I420:
    """A textured scene in which something large moves and the sensor's noise never rests."""
    random = np.random.default_rng(5)
    texture = random.integers(0, 256, (_HEIGHT * 3 // 2, _WIDTH)).astype(np.uint8)
    i420 = cv2.GaussianBlur(texture, (0, 0), 3.0).astype(np.float32) * 2 - 128
    moved = np.roll(i420[:_HEIGHT, : _WIDTH // 3], 5 * number, axis=1)
    i420[:_HEIGHT, : _WIDTH // 3] = moved
    i420[:_HEIGHT] += np.random.default_rng(number).normal(0, 2.0, (_HEIGHT, _WIDTH))
    i420[_HEIGHT:] = 128
    return np.clip(i420, 0, 255).astype(np.uint8)
