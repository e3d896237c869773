"""Whether base and payload encoder make the same IDR picture, tried once with the settings at hand.

A decoder of the payload can then start from the base's IDR picture. What has to agree is the reconstruction, so both
are decoded and compared; presets differ in how they search for motion long before they differ in intra pictures.
"""

from fractions import Fraction
from functools import cache

import numpy as np

from firmware.encode.pair import base_encoder, payload_encoder
from firmware.encode.picture_encoder import I420
from firmware.encode.settings import EncoderSettings
from wire.compose import PictureDecoder


@cache
def shares_idr(width: int, height: int, rate: Fraction, settings: EncoderSettings) -> bool:
    """Encode two IDR pictures with a P picture between them in both encoders and compare what decoders make of them."""
    if settings.codec != settings.payload_codec or settings.bitrate_bps is not None:
        return False
    pictures = [_test_picture(width, height, seed) for seed in (1, 2, 3)]
    made = []
    for encoder in (base_encoder(width, height, rate, settings), payload_encoder(width, height, rate, settings)):
        decoder = PictureDecoder(settings.base)
        made.append([decoder.decode(encoder.encode(picture, idr=i != 1)) for i, picture in enumerate(pictures)])
    (first, _, third), (other_first, _, other_third) = made
    return _same(first, other_first) and _same(third, other_third)


def _same(one: I420 | None, other: I420 | None) -> bool:
    return one is not None and other is not None and np.array_equal(one, other)


def _test_picture(width: int, height: int, seed: int) -> I420:
    """Gradients, edges and noise: every kind of intra decision appears in it."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0 : height * 3 // 2, 0:width]
    waves = 60 * np.sin(x / (7 + seed)) * np.cos(y / 23) + (x // 48 + y // 32) % 2 * 70 + 70
    noise = random.normal(0, 12, waves.shape) * ((x // 96 + y // 96) % 2)
    return np.asarray(np.clip(waves + noise, 0, 255), np.uint8)
