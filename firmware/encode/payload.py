"""One payload: originals of the macroblocks it is given, as a stream of its own that starts once a group of pictures.

There is one for all that is masked, or one for each person and one for the rest.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from firmware.encode.canvas import Canvas
from firmware.encode.pair import Start
from firmware.encode.picture_encoder import I420, PictureEncoder
from wire import nal
from wire.compose import PictureDecoder
from wire.nal import Codec
from wire.recovery.layout import Mask, Region


@dataclass(slots=True)
class FirstPicture:
    """The base's IDR picture of the group at hand, from which payloads start."""

    codec: Codec
    start: Start
    _masked: I420 | None = None
    _au: bytes = b""
    _decoder: PictureDecoder = field(init=False)

    def __post_init__(self) -> None:
        self._decoder = PictureDecoder(self.codec)

    def set(self, masked: I420, base_au: bytes) -> None:
        """A new group of pictures begins with this picture and its access unit."""
        self._masked = masked.copy() if self.start is Start.EXACT else None
        self._au = base_au

    @property
    def source(self) -> I420:
        """What a payload's encoder is to encode in order to stand where a decoder of the base stands."""
        if self._masked is None:
            self._masked = self._decoder.decode(self._au)
        if self._masked is None:
            raise RuntimeError("our own IDR picture does not decode")
        return self._masked


class Payload:
    """Canvas and encoder of one payload. One thread at a time.

    Args:
        width, height: pixels, multiples of 16.
        fresh: makes an encoder; its argument is the quantiser, None for the configured one.
    """

    def __init__(
        self, width: int, height: int, codec: Codec, first: FirstPicture, fresh: Callable[[int | None], PictureEncoder]
    ) -> None:
        self.running = False
        self._codec, self._first, self._fresh = codec, first, fresh
        self._canvas = Canvas(width, height)
        self._encoder: PictureEncoder | None = None

    def encode(self, clear: I420, mask: Mask, *, starts: bool, qp: int | None = None) -> bytes:
        """The access unit with the originals under `mask`; `starts` where decoding has to be possible from here."""
        self.running = True
        if starts and self._first.start is not Start.OWN:
            return self._start_on_base(clear, mask, qp)
        if starts:
            self._canvas.reset()
        if self._encoder is None or (starts and qp is not None):
            self._encoder = self._fresh(qp)
        self._canvas.paint(clear, mask)
        return self._encoder.encode(self._canvas.i420, idr=starts)

    def _start_on_base(self, clear: I420, mask: Mask, qp: int | None) -> bytes:
        # The memory of the last one serves the next: freed first, it need not be fetched again.
        self._encoder = None
        self._encoder = self._fresh(qp)
        dropped = self._encoder.encode(self._first.source, idr=True)
        parameters = [unit for unit in nal.split(dropped) if self._codec.is_parameter_set(unit)]
        # What the decoder has already, but for what quantising left: outside the mask nothing is worth coding.
        self._canvas.reset(self._first.source)
        self._canvas.paint(clear, mask)
        return nal.join(parameters) + self._encoder.encode(self._canvas.i420, idr=False)


def alone(mask: Mask, regions: Iterable[Region]) -> dict[int, Mask]:
    """Of each object the masked macroblocks that no other object shares; objects without any are left out.

    Regions of track 0, which no one follows, share as others do and have nothing of their own.
    """
    owners = np.zeros(mask.shape, np.uint16)
    boxes = []
    for region in regions:
        box = slice(region.y, region.y + region.h), slice(region.x, region.x + region.w)
        owners[box] += 1
        boxes.append((region.track_id, box))
    single = mask & (owners == 1)
    found: dict[int, Mask] = {}
    for track_id, box in boxes:
        own = found.setdefault(track_id, np.zeros_like(mask))
        own[box] |= single[box]
    return {track_id: own for track_id, own in found.items() if track_id and own.any()}
