"""From access units back to pictures: the base decoded, and the originals put in where they were opened.

The rule of `wire/recovery.md`, "Player": where the payload could not be opened or its prediction is broken, the
mosaic stays.
"""

from dataclasses import dataclass

import av
import numpy as np
import numpy.typing as npt
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext

from wire import nal
from wire.nal import Codec
from wire.recovery.layout import MACROBLOCK, Mask
from wire.recovery.reader import OpenedUnit

I420 = npt.NDArray[np.uint8]


class PictureDecoder:
    """One access unit in, its picture out. One thread at a time."""

    def __init__(self, codec: Codec) -> None:
        context = av.CodecContext.create(codec.value, "r")
        assert isinstance(context, VideoCodecContext)
        context.thread_count = 1
        context.options = {"flags": "low_delay"}
        self._context = context

    def decode(self, au: bytes) -> I420 | None:
        """The last picture that this access unit completes, (height * 3 // 2, width); None when there is none."""
        try:
            frames = self._context.decode(av.Packet(au))
        except FFmpegError:
            return None
        if not frames:
            return None
        return np.asarray(frames[-1].to_ndarray(format="yuv420p"), np.uint8)


@dataclass(frozen=True, slots=True)
class Composed:
    """A picture to show: (height * 3 // 2, width) I420.

    `revealed` says whether originals are in it (or nothing was masked); otherwise `reason` says why it is the mosaic.
    """

    i420: I420
    revealed: bool
    reason: str


class Composer:
    """Follows one stream in order and puts the originals into the masked picture. One thread at a time."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._base = PictureDecoder(codec)
        self._payloads: dict[int | None, PictureDecoder] = {}
        self._gop_start = b""

    def compose(self, base_au: bytes, opened: OpenedUnit, *, tracks: frozenset[int] | None = None) -> Composed | None:
        """The next picture; None when the base itself gives none.

        Args:
            base_au: the protected access unit, its SEI may stay in.
            opened: what the reader made of it.
            tracks: restore only the macroblocks of these tracks; None for all people.
        """
        base = self._base.decode(base_au)
        if nal.is_idr(base_au, self._codec):
            self._payloads.clear()
            self._gop_start = base_au
        if opened.payload_au is None:
            self._payloads.clear()
            return None if base is None else Composed(base, revealed=False, reason=opened.reason)
        originals = self._originals(opened)
        if base is None:
            return None
        shown = base
        for track_id, picture, mask in originals:
            if picture is None or not _fits(picture, base, mask):
                return Composed(base, revealed=False, reason=opened.reason or "the originals do not decode")
            if tracks is None or track_id in tracks:
                shown = merge(shown, picture, mask)
            elif track_id is None:
                shown = merge(shown, picture, mask & _only(opened, tracks))
        return Composed(shown, revealed=True, reason=opened.reason)

    def _originals(self, opened: OpenedUnit) -> list[tuple[int | None, I420 | None, Mask]]:
        """Every payload's track (None for the common one), its picture and where it is to be shown."""
        codec = opened.payload_codec
        found: list[tuple[int | None, I420 | None, Mask]] = []
        if opened.payload_au and opened.mask is not None:
            alone = np.zeros_like(opened.mask)
            for track in opened.tracks:
                alone |= track.mask
            picture = self._decode(None, opened.payload_au, codec, start=opened.payload_idr, shared=opened.shared_idr)
            found.append((None, picture, opened.mask & ~alone))
        for track in opened.tracks:
            if track.payload_au:
                picture = self._decode(
                    track.track_id, track.payload_au, codec, start=track.start, shared=track.shared_idr
                )
                found.append((track.track_id, picture, track.mask))
        return found

    def _decode(self, track_id: int | None, au: bytes, codec: Codec, *, start: bool, shared: bool) -> I420 | None:
        if start:
            decoder = self._payloads[track_id] = PictureDecoder(codec)
            if shared:
                decoder.decode(shared_start(au, self._gop_start, self._codec))
        return self._payloads[track_id].decode(au) if track_id in self._payloads else None


def shared_start(payload_au: bytes, gop_start: bytes, codec: Codec) -> bytes:
    """What a payload's decoder is given where it starts from the base's IDR picture.

    The payload's sequence and video parameter sets, because the following pictures need them; the base's picture
    parameter sets and slices, because the slices were coded with them. The payload's own picture parameter set follows
    with its first access unit.
    """
    sets = [unit for unit in nal.split(payload_au) if codec.is_parameter_set(unit) and not codec.is_pps(unit)]
    slices = [unit for unit in nal.split(gop_start) if codec.is_vcl(unit) or codec.is_pps(unit)]
    return nal.join(sets + slices)


def _fits(originals: I420, base: I420, mask: Mask) -> bool:
    rows, columns = mask.shape
    return originals.shape == base.shape == (rows * MACROBLOCK * 3 // 2, columns * MACROBLOCK)


def _only(opened: OpenedUnit, tracks: frozenset[int]) -> Mask:
    """Macroblocks of the wanted tracks that no other track shares."""
    assert opened.mask is not None
    wanted = np.zeros_like(opened.mask)
    others = np.zeros_like(opened.mask)
    for region in opened.regions:
        here = wanted if region.track_id in tracks else others
        here[region.y : region.y + region.h, region.x : region.x + region.w] = True
    return wanted & ~others


def merge(base: I420, originals: I420, mask: Mask) -> I420:
    """`base` with the macroblocks under `mask` taken from `originals`; all I420 of the mask's size."""
    rows, columns = mask.shape
    height, width = rows * MACROBLOCK, columns * MACROBLOCK
    merged = base.copy()
    r, c = np.nonzero(mask)
    luma = height * width
    flat, source = merged.reshape(-1), np.ascontiguousarray(originals).reshape(-1)
    for start, size, step in ((0, luma, 16), (luma, luma // 4, 8), (luma + luma // 4, luma // 4, 8)):
        blocks = (rows, step, columns, step)
        target = flat[start : start + size].reshape(blocks)
        target[r, :, c, :] = source[start : start + size].reshape(blocks)[r, :, c, :]
    return merged
