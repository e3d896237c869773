"""What encoding costs on this machine, found by encoding: what an encoder may promise to a client.

CPU seconds of the encoder's own threads, so that neither a busy machine nor the rest of a running camera makes it
promise less.
"""

import threading
import time
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from firmware.encode.picture_encoder import I420
from firmware.encode.recoverable import PlainEncoder, RecoverableEncoder
from firmware.encode.settings import EncoderSettings, VideoFormat
from firmware.mask.grid import MB

_WIDTH, _HEIGHT, _PICTURES = 384, 288, 4
_LEAST_BPS = 16_000
_ALWAYS = 1000
_ANY_RATE = Fraction(10)
# Scenes with more detail and motion than the one tried, and a processor whose caches others use too.
_RESERVE = 2.0
_THREADS = Path("/proc/self/task")


def seconds_per_picture(video: VideoFormat, *, sealed: bool) -> float:
    """CPU seconds that a picture of this format costs on average over a group of pictures, with a reserve.

    Args:
        video: H.264 or H.265.
        sealed: with the originals of the whole picture beside the masked one, the most there can be to code.
    """
    coding, area = video.coding, video.width * video.height / (_WIDTH * _HEIGHT)
    rate = _ANY_RATE
    if coding.bitrate_bps is not None:
        rate = video.rate
        coding = replace(coding, bitrate_bps=max(_LEAST_BPS, round(coding.bitrate_bps / area)))
    idr_s, other_s = _measured(replace(coding, gop_frames=_ALWAYS), rate, sealed)
    return _RESERVE * area * (other_s + max(0.0, idr_s - other_s) / video.coding.gop_frames)


@lru_cache(maxsize=256)
def _measured(coding: EncoderSettings, rate: Fraction, sealed: bool) -> tuple[float, float]:  # noqa: FBT001 - a key
    """CPU seconds of an IDR picture and of any other one, of `_WIDTH` x `_HEIGHT` pixels."""
    strangers = _threads()
    clear = [_picture(number) for number in range(_PICTURES + 1)]
    masked = [_mosaic(picture) for picture in clear]
    everything = np.ones((_HEIGHT // MB, _WIDTH // MB), bool)
    pair = RecoverableEncoder(_WIDTH, _HEIGHT, rate, coding) if sealed else None
    plain = None if sealed else PlainEncoder(_WIDTH, _HEIGHT, rate, coding)

    def encode(number: int, *, idr: bool) -> None:
        if pair is not None:
            pair.encode(masked[number], clear[number], everything, force_idr=idr)
        elif plain is not None:
            plain.encode(clear[number], force_idr=idr)

    encode(0, idr=True)  # makes what is made once
    mine = (_threads() - strangers) | {threading.get_native_id()}
    began_s = _spent_s(mine)
    encode(0, idr=True)
    idr_s = _spent_s(mine) - began_s
    for number in range(1, _PICTURES + 1):
        encode(number, idr=False)
    other_s = (_spent_s(mine) - began_s - idr_s) / _PICTURES
    if pair is not None:
        pair.close()
    return idr_s, other_s


def _threads() -> set[int]:
    return {int(task.name) for task in _THREADS.iterdir()}


def _spent_s(threads: set[int]) -> float:
    """CPU time of threads of this process by their ids, those that ended left out."""
    total_s = 0.0
    for thread in threads & _threads():
        # The kernel's number for the processor clock of one thread (MAKE_THREAD_CPUCLOCK in its posix-timers.h).
        total_s += time.clock_gettime((~thread << 3) | 6)
    return total_s


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


def _mosaic(picture: I420) -> I420:
    masked = picture.copy()
    small = cv2.resize(picture[:_HEIGHT], (_WIDTH // MB, _HEIGHT // MB), interpolation=cv2.INTER_AREA)
    masked[:_HEIGHT] = cv2.resize(small, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_NEAREST)
    return masked
