"""Two encoders in step: the masked base stream, and the originals under the mask as the recovery payload.

The payload is an ordinary inter-coded stream of a picture that is frozen outside the mask (`firmware.encode.canvas`),
with its group of pictures aligned to the base's. It starts only with the first masked picture of a group and is not
fed while nothing is masked. Where both encoders make the same IDR picture of the same masked picture, the payload
starts from the base's and its own is not sent (`wire/recovery.md`, "Shared IDR picture").
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from firmware.encode.canvas import Canvas
from firmware.encode.pair import base_encoder, payload_encoder
from firmware.encode.picture_encoder import I420, PictureEncoder
from firmware.encode.settings import EncoderSettings
from firmware.encode.shared_idr import shares_idr
from wire import nal
from wire.nal import Codec
from wire.recovery.layout import MACROBLOCK, Mask


@dataclass(frozen=True, slots=True)
class Encoded:
    """One picture's access units; the fields are `Writer.protect`'s arguments of the same names."""

    base_au: bytes
    payload_au: bytes
    idr: bool
    payload_idr: bool
    payload_codec: Codec
    shared_idr: bool


class RecoverableEncoder:
    """Masked and clear picture in, base and payload access unit out, without delay.

    One thread at a time; the payload is encoded in a thread of its own while the base is. To change settings, close
    it and make another: its first picture is an IDR.

    Args:
        width, height: pixels, multiples of 16.
        rate: pictures per second.
    """

    def __init__(self, width: int, height: int, rate: Fraction, settings: EncoderSettings) -> None:
        if width % MACROBLOCK or height % MACROBLOCK:
            raise ValueError(f"{width}x{height}: width and height have to be multiples of {MACROBLOCK}")
        self.settings = settings
        self.shares_idr = settings.shared_idr and shares_idr(width, height, rate, settings)
        self._base = base_encoder(width, height, rate, settings)
        self._payload = payload_encoder(width, height, rate, settings)
        self._canvas = Canvas(width, height)
        self._start: I420 = np.empty((height * 3 // 2, width), np.uint8)
        self._in_gop = 0
        self._running = False
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="payload")

    def encode(self, masked: I420, clear: I420, mask: Mask, *, force_idr: bool = False) -> Encoded:
        """Encode one picture.

        Args:
            masked, clear: (height * 3 // 2, width) uint8, I420; not kept.
            mask: (height / 16, width / 16) bool.
            force_idr: start a group of pictures here, as a viewer who joins asks for.
        """
        idr = force_idr or self._in_gop % self.settings.gop_frames == 0
        if idr:
            self._in_gop = 0
            self._running = False
            if self.shares_idr:
                np.copyto(self._start, masked)
        self._in_gop += 1
        starts = not self._running and bool(mask.any())
        self._running |= starts
        if not self._running or not mask.any():
            return Encoded(self._base.encode(masked, idr=idr), b"", idr, False, self.settings.payload, False)
        if starts:
            self._canvas.reset(self._start if self.shares_idr else None)
        self._canvas.paint(clear, mask)
        pending = self._worker.submit(self._encode_payload, starts)
        base_au = self._base.encode(masked, idr=idr)
        shared = starts and self.shares_idr
        return Encoded(base_au, pending.result(), idr, starts, self.settings.payload, shared)

    def close(self) -> None:
        """End the payload's thread."""
        self._worker.shutdown()

    def _encode_payload(self, starts: bool) -> bytes:  # noqa: FBT001 - the one fact about this picture
        if not (starts and self.shares_idr):
            return self._payload.encode(self._canvas.i420, idr=starts)
        thrown_away = self._payload.encode(self._start, idr=True)
        parameters = [unit for unit in nal.split(thrown_away) if self.settings.payload.is_parameter_set(unit)]
        return nal.join(parameters) + self._payload.encode(self._canvas.i420, idr=False)


class PlainEncoder:
    """Masked pictures only: the sub stream, which carries nothing to recover."""

    def __init__(self, width: int, height: int, rate: Fraction, settings: EncoderSettings) -> None:
        self.settings = settings
        self._encoder = PictureEncoder(
            settings.base, width, height, rate, preset=settings.preset, qp=settings.qp,
            bitrate_bps=settings.bitrate_bps, threads=settings.threads,
        )  # fmt: skip
        self._in_gop = 0

    def encode(self, masked: I420, *, force_idr: bool = False) -> tuple[bytes, bool]:
        """The access unit, and whether it is an IDR."""
        idr = force_idr or self._in_gop % self.settings.gop_frames == 0
        self._in_gop = 1 if idr else self._in_gop + 1
        return self._encoder.encode(masked, idr=idr), idr
