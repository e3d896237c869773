"""The two video streams: the recoverable main stream and the masked sub stream, of half its size at first.

A channel is driven by the encode thread alone. New formats, recipients and requests for an IDR picture may come from
any thread and hold from the next picture on. An encoder of a new format is made by the requesting thread: the encode
thread only changes over, so no stream waits for another one's change.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from typing import Generic, TypeVar

from firmware.capture.frame import I420, CapturedFrame
from firmware.encode.access_unit import AccessUnit
from firmware.encode.jpeg import JpegEncoder
from firmware.encode.protected import ProtectedEncoder
from firmware.encode.recoverable import PlainEncoder, RecoverableEncoder
from firmware.encode.settings import EncoderSettings, VideoFormat
from firmware.mask.grid import MB
from firmware.mask.plan import MaskPlan
from firmware.stream.rate import FrameDropper, IdrRequests
from firmware.stream.scale import scaled, scaled_mask, scaled_region
from wire.keys import Recipient

Made = TypeVar("Made")
Around = Callable[[], AbstractContextManager[None]]
"""What goes on around the moment from which another encoder is in force, after it was made."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the sensor gives: size in pixels, pictures per second."""

    width: int
    height: int
    rate: Fraction


class _Change(Generic[Made]):
    """A format and the encoder made for it, from any thread to the encode thread; the latest one counts."""

    def __init__(self, present: VideoFormat) -> None:
        self._lock = threading.Lock()
        self._present = present
        self._next: tuple[VideoFormat, Made] | None = None

    @property
    def format(self) -> VideoFormat:
        """In force, or from the next picture on."""
        with self._lock:
            return self._next[0] if self._next else self._present

    def prepare(self, wanted: VideoFormat, made: Made) -> Made | None:
        """Change over at the next picture; an encoder that was never used comes back."""
        with self._lock:
            unused, self._next = self._next, (wanted, made)
            return unused[1] if unused else None

    def claim(self) -> tuple[VideoFormat, Made] | None:
        """What to change over to, now; None for going on as before."""
        with self._lock:
            taken, self._next = self._next, None
            if taken is not None:
                self._present = taken[0]
            return taken


class MainChannel:
    """Masked base, sealed originals, one access unit.

    Args:
        width, height, rate: of the sensor, which the encoder was made for too.
    """

    def __init__(self, width: int, height: int, rate: Fraction, encoder: ProtectedEncoder) -> None:
        self.source = Shape(width, height, rate)
        self.idr_requests = IdrRequests()
        self._encoder = encoder
        self._format = VideoFormat(width=width, height=height, rate=rate, coding=encoder.settings)
        self._change: _Change[RecoverableEncoder] = _Change(self._format)
        self._pace = FrameDropper(rate, rate)

    @property
    def format(self) -> VideoFormat:
        """In force, or from the next picture on."""
        return self._change.format

    def set_format(self, wanted: VideoFormat, changing: Around = nullcontext) -> None:
        """Make an encoder for it, up to a second's work; from the next picture on, an IDR picture, it holds."""
        assert wanted.jpeg_quality is None, "JPEG has no room for sealed originals"
        made = RecoverableEncoder(wanted.width, wanted.height, wanted.rate, wanted.coding)
        with changing():
            unused = self._change.prepare(wanted, made)
        if unused is not None:
            unused.close()

    def set_recipients(self, recipients: Sequence[Recipient]) -> None:
        """From the next picture on, which becomes an IDR picture, only these may reveal."""
        self._encoder.set_recipients(recipients)
        self.idr_requests.request()

    def encode(self, masked: I420, clear: I420, plan: MaskPlan, frame: CapturedFrame) -> AccessUnit | None:
        """The protected access unit of one picture; None where a lower rate leaves it out. Encode thread."""
        change = self._change.claim()
        if change is not None:
            self._format, encoder = change
            self._encoder.replace(encoder)
            self._pace = FrameDropper(self._format.rate, self.source.rate)
        if not self._pace.due(frame.pts_90k):
            return None
        width, height = self._format.width, self._format.height
        columns, rows = width // MB, height // MB
        mask, regions, claims = plan.mask, plan.regions, plan.claims
        if mask.shape != (rows, columns):
            regions = tuple(scaled_region(region, mask.shape, columns, rows) for region in regions)
            claims = tuple(scaled_region(claim, mask.shape, columns, rows) for claim in claims)
            mask = scaled_mask(mask, columns, rows)
        return self._encoder.encode(
            scaled(masked, width, height),
            scaled(clear, width, height) if mask.any() else masked,
            mask,
            regions,
            pts_90k=frame.pts_90k,
            utc_us=frame.utc_us,
            idr=self.idr_requests.due(frame.utc_us),
            full_frame=plan.full,
            claims=claims,
        )

    def close(self) -> None:
        """End the encoder's thread."""
        self._encoder.close()


class SubChannel:
    """The masked picture alone, nothing sealed in it; at half the sensor's size and all its rate at first.

    Args:
        width, height, rate: of the sensor.
    """

    def __init__(self, width: int, height: int, rate: Fraction, settings: EncoderSettings) -> None:
        self.source = Shape(width, height, rate)
        self.idr_requests = IdrRequests()
        self._format = VideoFormat(width=width // 2, height=height // 2, rate=rate, coding=settings)
        self._change: _Change[PlainEncoder | JpegEncoder] = _Change(self._format)
        self._encoder = _plain(self._format)
        self._pace = FrameDropper(rate, rate)

    @property
    def format(self) -> VideoFormat:
        """In force, or from the next picture on."""
        return self._change.format

    def set_format(self, wanted: VideoFormat, changing: Around = nullcontext) -> None:
        """Make an encoder for it; from the next picture on, where decoding can start, it holds."""
        made = _plain(wanted)
        with changing():
            self._change.prepare(wanted, made)

    def encode(self, masked: I420, pts_90k: int, utc_us: int) -> AccessUnit | None:
        """The access unit of one masked picture; None where a lower rate leaves it out. Encode thread."""
        change = self._change.claim()
        if change is not None:
            self._format, self._encoder = change
            self._pace = FrameDropper(self._format.rate, self.source.rate)
        if not self._pace.due(pts_90k):
            return None
        picture = scaled(masked, self._format.width, self._format.height)
        idr_requested, idr = self.idr_requests.due(utc_us), True
        if isinstance(self._encoder, PlainEncoder):
            data, idr = self._encoder.encode(picture, force_idr=idr_requested)
        else:
            data = self._encoder.encode(picture)
        return AccessUnit(data, pts_90k, utc_us, idr, self._format.encoding)


def _plain(wanted: VideoFormat) -> PlainEncoder | JpegEncoder:
    if wanted.jpeg_quality is not None:
        return JpegEncoder(wanted.rate, wanted.jpeg_quality, wanted.coding.bitrate_bps)
    return PlainEncoder(wanted.width, wanted.height, wanted.rate, wanted.coding)
