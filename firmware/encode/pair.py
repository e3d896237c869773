"""The two encoders of a recoverable stream, made from one set of settings."""

from fractions import Fraction

from firmware.encode.picture_encoder import IDR_QP_STEP, PictureEncoder
from firmware.encode.settings import EncoderSettings


def base_encoder(width: int, height: int, rate: Fraction, settings: EncoderSettings) -> PictureEncoder:
    """The encoder of the masked stream; its share of a bit rate does not depend on what the originals show."""
    bitrate = settings.bitrate_bps
    return PictureEncoder(
        settings.base, width, height, rate, preset=settings.preset, qp=settings.qp, threads=settings.threads,
        bitrate_bps=None if bitrate is None else int(bitrate * (1 - settings.payload_share)),
    )  # fmt: skip


def payload_encoder(width: int, height: int, rate: Fraction, settings: EncoderSettings) -> PictureEncoder:
    """The encoder of the originals; its IDR pictures keep the base's quantiser whatever `payload_qp_offset` says."""
    bitrate = settings.bitrate_bps
    return PictureEncoder(
        settings.payload, width, height, rate, preset=settings.payload_preset, threads=settings.threads,
        qp=settings.qp + settings.payload_qp_offset, idr_qp_step=IDR_QP_STEP + settings.payload_qp_offset,
        bitrate_bps=None if bitrate is None else int(bitrate * settings.payload_share),
    )  # fmt: skip
