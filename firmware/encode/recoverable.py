"""Two encoders in step: the masked base stream, and the originals under the mask as the recovery payload.

The payload is an ordinary inter-coded stream of a picture that is frozen outside the mask (`firmware.encode.canvas`),
with its group of pictures aligned to the base's. It starts only with the first masked picture of a group and is not
fed while nothing is masked. Where the encoders allow it, it starts from the base's IDR picture: `firmware.encode.pair`.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from firmware.encode.base_encoders import open_base_encoder
from firmware.encode.pair import Start, base_encoder, payload_encoder, possible_start, shares
from firmware.encode.payload import FirstPicture, Payload, alone
from firmware.encode.payload_rate import PayloadRate
from firmware.encode.picture_encoder import I420, PictureEncoder
from firmware.encode.settings import EncoderSettings
from wire.nal import Codec
from wire.recovery.layout import MACROBLOCK, Mask, Region, TrackOriginals

# Below, one core keeps up, and two encoders at once cost a fifth more than one after the other: they share a cache.
_PARALLEL_FROM = 1280 * 720
# Every payload of its own costs an encoder: people beyond share the common one.
_MOST_TRACKS = 16


@dataclass(frozen=True, slots=True)
class Encoded:
    """One picture's access units; the fields are `Writer.protect`'s arguments of the same names."""

    base_au: bytes
    payload_au: bytes
    idr: bool
    payload_idr: bool
    payload_codec: Codec
    shared_idr: bool
    tracks: tuple[TrackOriginals, ...] | None = None


class RecoverableEncoder:
    """Masked and clear picture in, base and payload access units out, without delay.

    One thread at a time; from 720p on the payloads are encoded in a thread of their own while the base is. To change
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
        self._picture_rate = rate
        self._base = base_encoder(width, height, rate, settings)
        self._rate: PayloadRate | None = None
        if settings.bitrate_bps is not None and (self.start is Start.NEAR or settings.per_track):
            self._rate = PayloadRate(float(shares(settings, rate)[1] / rate), settings.gop_frames)
        self._first = FirstPicture(settings.base, self.start)
        self._common = self._payload()
        self._tracks: dict[int, Payload] = {}
        self._in_gop = 0
        self._rated = False
        parallel = width * height >= _PARALLEL_FROM
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="payload") if parallel else None

    def encode(
        self, masked: I420, clear: I420, mask: Mask, regions: Sequence[Region] = (), *, force_idr: bool = False
    ) -> Encoded:
        """Encode one picture.

        Args:
            masked, clear: (height * 3 // 2, width) uint8, I420; not kept.
            mask: (height / 16, width / 16) bool.
            regions: whose macroblocks these are, where each is to have a payload of its own.
            force_idr: start a group of pictures here, as a joining viewer needs.
        """
        idr = force_idr or self._in_gop % self.settings.gop_frames == 0
        if idr:
            self._in_gop = 0
            self._common.running = False
            self._tracks.clear()
            self._rated = False
        self._in_gop += 1
        own = self._own(mask, regions)
        rest = mask & ~np.logical_or.reduce(list(own.values())) if own else mask
        common = bool(rest.any())
        restart = self._rate is not None and self._rate.runaway
        starts = {track_id: restart or track_id not in self._tracks for track_id in own}
        common_starts = common and (restart or not self._common.running)
        qp = self._quantiser(restart=restart) if common_starts or any(starts.values()) else None

        def payloads() -> tuple[bytes, tuple[TrackOriginals, ...]]:
            payload_au = self._common.encode(clear, rest, starts=common_starts, qp=qp) if common else b""
            return payload_au, tuple(self._encode_track(i, clear, own[i], starts=starts[i], qp=qp) for i in own)

        on_base = self.start is not Start.OWN and (common_starts or any(starts.values()))
        if self._worker is None or on_base or not (common or own):
            # Such a start stands on the base's picture, which has to be there first.
            base_au = self._encode_base(masked, idr=idr)
            payload_au, tracks = payloads()
        else:
            pending = self._worker.submit(payloads)
            base_au = self._encode_base(masked, idr=idr)
            payload_au, tracks = pending.result()
        if self._rate is not None:
            self._rate.spend(payload_au + b"".join(track.payload_au for track in tracks))
        return Encoded(
            base_au, payload_au, idr, payload_idr=common_starts, payload_codec=self.settings.payload,
            shared_idr=common_starts and self.start is not Start.OWN,
            tracks=tracks if self.settings.per_track else None,
        )  # fmt: skip

    def close(self) -> None:
        """End the payloads' thread."""
        if self._worker is not None:
            self._worker.shutdown()

    def _quantiser(self, *, restart: bool) -> int | None:
        """What payloads start with, judged once in a group of pictures and whenever it runs away."""
        if self._rate is None:
            return None
        if restart or not self._rated:
            self._rated = True
            return self._rate.start()
        return self._rate.qp

    def _payload(self) -> Payload:
        width, height, settings = self.width, self.height, self.settings

        def fresh(qp: int | None) -> PictureEncoder:
            return payload_encoder(width, height, self._picture_rate, settings, self.start, qp=qp)

        return Payload(width, height, settings.payload, self._first, fresh)

    def _own(self, mask: Mask, regions: Sequence[Region]) -> dict[int, Mask]:
        """The macroblocks of all tracks with a payload; one that had it in this group of pictures keeps it."""
        if not self.settings.per_track:
            return {}
        own = alone(mask, regions)
        free = _MOST_TRACKS - len(self._tracks)
        fresh = [track_id for track_id in own if track_id not in self._tracks][: max(0, free)]
        return {track_id: own[track_id] for track_id in own if track_id in self._tracks or track_id in fresh}

    def _encode_track(self, track_id: int, clear: I420, mask: Mask, *, starts: bool, qp: int | None) -> TrackOriginals:
        if track_id not in self._tracks:
            self._tracks[track_id] = self._payload()
        au = self._tracks[track_id].encode(clear, mask, starts=starts, qp=qp)
        return TrackOriginals(track_id, au, mask, starts, starts and self.start is not Start.OWN)

    def _encode_base(self, masked: I420, *, idr: bool) -> bytes:
        base_au = self._base.encode(masked, idr=idr)
        if idr:
            self._first.set(masked, base_au)
        return base_au


class PlainEncoder:
    """Masked pictures only: the sub stream, which carries nothing to recover."""

    def __init__(self, width: int, height: int, rate: Fraction, settings: EncoderSettings) -> None:
        self.settings = settings
        self._encoder = open_base_encoder(width, height, rate, settings, bitrate_bps=settings.bitrate_bps)
        self._in_gop = 0

    def encode(self, masked: I420, *, force_idr: bool = False) -> tuple[bytes, bool]:
        """The access unit, and whether it is an IDR."""
        idr = force_idr or self._in_gop % self.settings.gop_frames == 0
        self._in_gop = 1 if idr else self._in_gop + 1
        return self._encoder.encode(masked, idr=idr), idr
