"""Which encoder makes a masked stream: x264 or x265, or one that GStreamer offers, tried before it is believed.

`software` is the only one that can share its IDR picture bit for bit with the payload's encoder. Another one is taken
where it opens, gives an access unit for each picture, an IDR picture when one is requested, and pictures that decode;
otherwise the camera says why and encodes in software. A further encoder is a row of `LAUNCH`.
"""

import logging
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from typing import Protocol

import numpy as np

from base.errors import Error
from firmware.encode.picture_encoder import I420, PictureEncoder
from firmware.encode.settings import EncoderSettings
from wire.compose import PictureDecoder
from wire.nal import Codec, is_idr

log = logging.getLogger(__name__)

LAUNCH: dict[str, Callable[[int, int | None], str]] = {
    "openh264": lambda qp, bitrate_bps: (
        "openh264enc complexity=low slice-mode=n-slices num-slices=1 gop-size=2147483647 enable-frame-skip=false "
        "scene-change-detection=false background-detection=false adaptive-quantization=false usage-type=camera "
        + (
            f"rate-control=off qp-min={qp} qp-max={qp}"
            if bitrate_bps is None
            else f"rate-control=bitrate bitrate={bitrate_bps} max-bitrate={bitrate_bps}"
        )
    ),
}
"""GStreamer's elements by the name that `encoder` has in `camera.toml`, of quantiser and bits a second; H.264
only, without B pictures or delay."""

_TRIAL_SIDE_PX, _TRIAL_PICTURES, _TRIAL_IDR = 128, 6, 3


class BaseEncoder(Protocol):
    """Encodes I420 pictures of one size in order; driven from one thread at a time."""

    def encode(self, picture: I420, *, idr: bool) -> bytes:
        """The access unit of this very picture, with parameter sets where it is an IDR picture.

        Raises:
            RuntimeError: the encoder kept the picture back.
        """
        ...


def open_base_encoder(
    width: int, height: int, rate: Fraction, settings: EncoderSettings, *,
    bitrate_bps: int | None, buffer_bits: int | None = None,
) -> BaseEncoder:  # fmt: skip
    """The encoder that the settings name, or the one in software where that cannot be used here.

    Args:
        bitrate_bps: the masked stream's share of the rate; None for the constant quantiser of the settings.
        buffer_bits: how far a picture may run ahead of it; None for half a second.
    """
    if settings.encoder != "software" and usable(settings.encoder, settings.base):
        return _by_gstreamer(LAUNCH[settings.encoder](settings.qp, bitrate_bps), width, height, rate)
    return PictureEncoder(
        settings.base, width, height, rate, preset=settings.preset, qp=settings.qp, threads=settings.threads,
        bitrate_bps=bitrate_bps, buffer_bits=buffer_bits,
    )  # fmt: skip


@cache
def usable(encoder: str, codec: Codec) -> bool:
    """Whether this machine's `encoder` does what the stream needs; tried once a process, on small pictures."""
    try:
        fault = "it makes H.264 only" if codec is not Codec.H264 else _fault(encoder)
    except (Error, RuntimeError) as error:
        fault = str(error)
    if fault:
        log.warning("encoder %s cannot be used, encoding in software: %s", encoder, fault)
    return not fault


def _by_gstreamer(element: str, width: int, height: int, rate: Fraction) -> BaseEncoder:
    # Only here: encoding in software needs no GStreamer in the process.
    from firmware.encode.gst_encoder import GstEncoder

    return GstEncoder(element, width, height, rate)


def _fault(encoder: str) -> str:
    """What is wrong with it; empty where it does as requested."""
    side = _TRIAL_SIDE_PX
    tried = _by_gstreamer(LAUNCH[encoder](26, None), side, side, Fraction(10))
    decoder = PictureDecoder(Codec.H264)
    ramp = np.add.outer(np.arange(side * 3 // 2), np.arange(side))
    for number in range(_TRIAL_PICTURES):
        idr = number in {0, _TRIAL_IDR}
        picture = np.asarray((ramp + 8 * number) % 160 + 40, np.uint8)
        unit = tried.encode(picture, idr=idr)
        if is_idr(unit, Codec.H264) != idr:
            return f"picture {number} is {'no' if idr else 'an'} IDR picture"
        seen = decoder.decode(unit)
        if seen is None:
            return f"picture {number} does not decode"
        if float(np.mean(np.abs(seen.astype(int) - picture))) > 16:
            return f"picture {number} decodes to another picture"
    return ""
