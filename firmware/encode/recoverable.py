"""Two encoders in step: the masked base stream, and the originals under the mask as the recovery payload.

The payload is an ordinary inter-coded stream of a picture that is frozen outside the mask (`firmware.encode.canvas`),
with its group of pictures aligned to the base's. It starts only with the first masked picture of a group and is not
fed while nothing is masked. Where the encoders allow it, it starts from the base's IDR picture: `firmware.encode.pair`.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import numpy as np

from firmware.encode.canvas import Canvas
from firmware.encode.pair import Start, base_encoder, payload_encoder, possible_start, shares
from firmware.encode.payload_rate import PayloadRate
from firmware.encode.picture_encoder import I420, PictureEncoder
from firmware.encode.settings import EncoderSettings
from wire import nal
from wire.compose import PictureDecoder
from wire.nal import Codec
from wire.recovery.layout import MACROBLOCK, Mask

# Below, one core keeps up, and two encoders at once cost a fifth more than one after the other: they share a cache.
_PARALLEL_FROM = 1280 * 720


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

    One thread at a time; from 720p on the payload is encoded in a thread of its own while the base is. To change
    settings, close it and make another: its first picture is an IDR.

    Args:
        width, height: pixels, multiples of 16.
        rate: pictures per second.
    """

    def __init__(self, width: int, height: int, rate: Fraction, settings: EncoderSettings) -> None:
        if width % MACROBLOCK or height % MACROBLOCK:
            raise ValueError(f"{width}x{height}: width and height have to be multiples of {MACROBLOCK}")
        self.width, self.height, self.settings = width, height, settings
        self.start = possible_start(width, height, rate, settings)
        self._base = base_encoder(width, height, rate, settings)
        self._fresh_payload = partial(payload_encoder, width, height, rate, settings, self.start)
        self._payload = self._fresh_payload()
        self._rate: PayloadRate | None = None
        if settings.bitrate_bps is not None and self.start is Start.NEAR:
            self._rate = PayloadRate(float(shares(settings, rate)[1] / rate), settings.gop_frames)
        self._decoder = PictureDecoder(settings.base)
        self._canvas = Canvas(width, height)
        self._first = np.empty((height * 3 // 2, width), np.uint8)
        self._first_au = b""
        self._in_gop = 0
        self._running = False
        parallel = width * height >= _PARALLEL_FROM
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="payload") if parallel else None

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
            if self.start is Start.EXACT:
                np.copyto(self._first, masked)
        self._in_gop += 1
        masks = bool(mask.any())
        starts = masks and (not self._running or (self._rate is not None and self._rate.runaway))
        self._running |= starts
        codec = self.settings.payload
        if not masks:
            if self._rate is not None:
                self._rate.spend(b"")
            base_au = self._encode_base(masked, idr=idr)
            return Encoded(base_au, b"", idr, payload_idr=False, payload_codec=codec, shared_idr=False)
        if self._worker is None or (starts and self.start is not Start.OWN):
            # Such a start stands on the decoded base, which has to be there first.
            base_au = self._encode_base(masked, idr=idr)
            payload_au = self._encode_payload(clear, mask, starts=starts)
        else:
            pending = self._worker.submit(self._encode_payload, clear, mask, starts=starts)
            base_au = self._encode_base(masked, idr=idr)
            payload_au = pending.result()
        if self._rate is not None:
            self._rate.spend(payload_au)
        shared = starts and self.start is not Start.OWN
        return Encoded(base_au, payload_au, idr, payload_idr=starts, payload_codec=codec, shared_idr=shared)

    def close(self) -> None:
        """End the payload's thread."""
        if self._worker is not None:
            self._worker.shutdown()

    def _encode_base(self, masked: I420, *, idr: bool) -> bytes:
        base_au = self._base.encode(masked, idr=idr)
        if idr:
            self._first_au = base_au
        return base_au

    def _encode_payload(self, clear: I420, mask: Mask, *, starts: bool) -> bytes:
        if not starts or self.start is Start.OWN:
            if starts:
                self._canvas.reset()
            self._canvas.paint(clear, mask)
            return self._payload.encode(self._canvas.i420, idr=starts)
        decoded = self._decoder.decode(self._first_au)
        if decoded is None:
            raise RuntimeError("our own IDR picture does not decode")
        first = self._first if self.start is Start.EXACT else decoded
        self._payload = self._fresh_payload(qp=self._rate.start() if self._rate else None)
        parameters = [
            u for u in nal.split(self._payload.encode(first, idr=True)) if self.settings.payload.is_parameter_set(u)
        ]
        # What the decoder has already: outside the mask there is nothing left to code.
        self._canvas.reset(decoded)
        self._canvas.paint(clear, mask)
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
