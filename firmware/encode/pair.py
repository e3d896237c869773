"""The two encoders of a recoverable stream, made from one set of settings, and how the second can start.

A payload decoder may start from the base's IDR picture, which then need not be sent twice (`wire/recovery.md`, "Shared
IDR picture"). The payload's encoder has to stand on the same picture. Either it makes the very same one, because it
codes the same masked picture with the same decisions; or it codes the base's decoded picture so finely that what is
left of a difference cannot be seen. Neither IDR is sent, so neither costs bits.
"""

from enum import Enum
from fractions import Fraction
from functools import cache

import numpy as np

from firmware.encode.base_encoders import BaseEncoder, open_base_encoder, usable
from firmware.encode.picture_encoder import BUFFER_S, I420, IDR_QP_STEP, PictureEncoder
from firmware.encode.settings import EncoderSettings
from wire import nal
from wire.compose import PictureDecoder, shared_start

# 20 log10(255 / 1): on average less than one step of luma apart.
_NEAR_DB = 48.0
_NEAR_STEP = 19
# Header, tag, hash, tables and SEI framing of an access unit, with its part of key unit and manifest.
SEALING_BYTES = 96


class Start(Enum):
    """From what a payload starts."""

    OWN = "an IDR picture of its own"
    EXACT = "the base's IDR picture, which its encoder makes itself bit for bit"
    NEAR = "the base's IDR picture, which its encoder codes again almost without loss"


def base_encoder(width: int, height: int, rate: Fraction, settings: EncoderSettings) -> BaseEncoder:
    """The encoder of the masked stream; its share of a bit rate does not depend on what the originals show."""
    total = settings.bitrate_bps
    return open_base_encoder(
        width, height, rate, settings,
        bitrate_bps=None if total is None else shares(settings, rate)[0],
        # An IDR picture may use the whole channel's buffer: a payload that starts from it has none of its own.
        buffer_bits=None if total is None else int(BUFFER_S * total),
    )  # fmt: skip


def payload_encoder(
    width: int, height: int, rate: Fraction, settings: EncoderSettings, start: Start, *, qp: int | None = None
) -> PictureEncoder:
    """The encoder of the originals; a fresh one for every start but `OWN`, its first picture is the start.

    The second picture, the first with originals, takes the quantiser of an IDR picture: all that follows is
    predicted from it. `qp` overrules the settings where the payload's rate is controlled start by start.
    """
    by_rate = settings.bitrate_bps is not None and start is Start.OWN and not settings.per_track
    qp = settings.qp + settings.payload_qp_offset if qp is None else qp
    step = {Start.OWN: IDR_QP_STEP, Start.EXACT: IDR_QP_STEP + settings.payload_qp_offset, Start.NEAR: _NEAR_STEP}
    return PictureEncoder(
        settings.payload, width, height, rate, preset=settings.payload_preset, threads=settings.threads,
        qp=qp, idr_qp_step=step[start], second_qp=None if start is Start.OWN else max(0, qp - IDR_QP_STEP),
        frozen=True, bitrate_bps=shares(settings, rate)[1] if by_rate else None,
    )  # fmt: skip


def shares(settings: EncoderSettings, rate: Fraction) -> tuple[int, int]:
    """The bit rates of base and payload out of one budget, after what sealing costs; fixed, whatever is filmed."""
    assert settings.bitrate_bps is not None
    left = max(settings.bitrate_bps - round(SEALING_BYTES * 8 * rate), settings.bitrate_bps // 2)
    payload = round(left * settings.payload_share)
    return left - payload, payload


@cache
def possible_start(width: int, height: int, rate: Fraction, settings: EncoderSettings) -> Start:
    """The cheapest start that these encoders allow, found by trying them on a picture of every kind of detail."""
    if not settings.shared_idr or settings.codec != settings.payload_codec:
        return Start.OWN
    if settings.encoder != "software" and usable(settings.encoder, settings.base):
        # Another maker's parameter sets: its IDR picture is decoded with them and with no others, so the payload's
        # encoder can only stand near it, and only where the trial below finds that both decode alike.
        exact = False
    else:
        exact = settings.bitrate_bps is None
    for start in (Start.EXACT, Start.NEAR) if exact else (Start.NEAR,):
        difference_db = _difference_db(width, height, rate, settings, start)
        if difference_db >= (_NEAR_DB if start is Start.NEAR else np.inf):
            return start
    return Start.OWN


def _difference_db(width: int, height: int, rate: Fraction, settings: EncoderSettings, start: Start) -> float:
    """PSNR between what the payload's encoder believes and what a decoder sees, one picture after the start."""
    first, second = _test_picture(width, height, 1), _test_picture(width, height, 2)
    base_au = base_encoder(width, height, rate, settings).encode(first, idr=True)
    base = PictureDecoder(settings.base).decode(base_au)
    if base is None:
        return 0.0
    payload = payload_encoder(width, height, rate, settings, start)
    start_au = payload.encode(first if start is Start.EXACT else base, idr=True)
    sets = [unit for unit in nal.split(start_au) if settings.payload.is_parameter_set(unit)]
    predicted = payload.encode(np.roll(base, 3) // 2 + second // 2, idr=False)
    believing, seeing = PictureDecoder(settings.payload), PictureDecoder(settings.payload)
    believing.decode(start_au)
    seen_first = seeing.decode(shared_start(nal.join(sets), base_au, settings.base))
    believed, seen = believing.decode(predicted), seeing.decode(nal.join(sets[-1:]) + predicted)
    if seen_first is None or believed is None or seen is None or not np.array_equal(seen_first, base):
        return 0.0
    error = float(np.mean((believed.astype(np.float32) - seen) ** 2))
    return np.inf if error == 0 else 10 * np.log10(255**2 / error)


def _test_picture(width: int, height: int, seed: int) -> I420:
    """Gradients, edges and noise: every kind of intra decision appears in it."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0 : height * 3 // 2, 0:width]
    waves = 60 * np.sin(x / (7 + seed)) * np.cos(y / 23) + (x // 48 + y // 32) % 2 * 70 + 70
    noise = random.normal(0, 12, waves.shape) * ((x // 96 + y // 96) % 2)
    return np.asarray(np.clip(waves + noise, 0, 255), np.uint8)
