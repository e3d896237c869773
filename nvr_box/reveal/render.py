"""Recorded GOPs in, revealed and watermarked fragments out; in the reveal process, in memory only."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import av
import cv2
import numpy as np
from av.video.codeccontext import VideoCodecContext

from base.errors import HostError, NotFound
from nvr_box.record import fmp4
from nvr_box.record.access_units import access_units
from nvr_box.record.media_segment import MediaSegment
from nvr_box.record.muxer import OPTIONS, Sink
from nvr_box.record.recordings import RecordedGop
from nvr_box.reveal.scope import FOREVER_US, Point
from nvr_box.reveal.verdicts import Verdicts, added, counted
from nvr_box.reveal.watermark import Watermark
from wire import compose
from wire.compose import Composed, Composer
from wire.keys import Identity
from wire.nal import Codec
from wire.recovery.reader import STREAM_RESTARTED, OpenedUnit, Reader
from wire.recovery.verdict import Check

# Without a word about it browsers read the colours by BT.709, which is not how a camera's SD picture was made.
_COLOURS = "colorprim=smpte170m:transfer=smpte170m:colormatrix=smpte170m"
_ENCODER = {"preset": "veryfast", "tune": "zerolatency", "crf": "14", "threads": "1", "x264-params": _COLOURS}
_JPEG_QUALITY = 92
# A GOP comes over the pipe in one piece; where its fragments begin does not matter here.
_WHOLE = fmp4.Fragment(0, 0, 0, 0, key=True, time_at=0)


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture on its way out, and what the reader says of it alone."""

    utc_us: int
    first: bool
    composed: Composed
    said: Verdicts


class Renderer:
    """Follows one play of one camera; a new one for every jump. One thread.

    Args:
        identities: the unlocked reveal keys.
        signing_key, camera_id: the camera's, None for a camera of another make.
        mark: the watermark's text.
        from_us, until_us: only pictures taken from the one on and before the other come out, to the picture; those
            in front of them in their group are decoded and not shown.
        point: x, y as shares of the picture: only the person seen there in the first picture at or after
            `point_us` is shown; None for everybody.
        held: content keys from legal holds, by key_hash.
    """

    def __init__(
        self,
        identities: Sequence[Identity],
        signing_key: bytes | None,
        camera_id: bytes | None = None,
        *,
        mark: str,
        from_us: int = 0,
        until_us: int = FOREVER_US,
        point: Point | None = None,
        point_us: int = 0,
        held: Mapping[bytes, bytes] | None = None,
    ) -> None:
        self._identities, self._signing_key, self._held = identities, signing_key, held
        self._camera_id = camera_id
        self._mark_text = mark
        self._mark: Watermark | None = None
        self._marked: tuple[int, ...] = ()
        self._from_us, self._until_us = from_us, until_us
        self._point, self._point_us = point, point_us
        self._tracks: frozenset[int] | None = None if point is None else frozenset()
        self._part: int | None = None
        self._reader: Reader | None = None
        self._composer: Composer | None = None
        self._codec: Codec | None = None
        self._output: _Output | None = None
        self._seen: Shown | None = None
        self._said = Verdicts()
        self.verdicts = Verdicts()

    def gop(self, init: bytes, segment_us: int, data: bytes) -> Iterator[MediaSegment]:
        """The pieces that one recorded GOP (`moof mdat …` behind its `init`) completes.

        Raises:
            StoreError: it does not decode.
        """
        for shown in self._pictures(init, segment_us, data):
            shape = shown.composed.i420.shape
            if self._output is not None and self._output.shape != shape:
                yield from self._output.finish()
                self._output = _Output(shape, shown.utc_us, self._output.origin_us)
            if self._output is None:
                self._output = _Output(shape, shown.utc_us, shown.utc_us)
            yield from self._output.add(shown)

    def finish(self) -> Iterator[MediaSegment]:
        """What is left at the end."""
        if self._output is not None:
            yield from self._output.finish()

    def look(self, init: bytes, segment_us: int, data: bytes, utc_us: int) -> None:
        """Go on to the picture shown at `utc_us`, a recorded GOP at a time; `jpeg` is what was come to.

        Raises:
            StoreError: it does not decode.
        """
        for shown in self._pictures(init, segment_us, data):
            if self._seen is None or shown.utc_us <= utc_us:
                self._seen = shown

    def jpeg(self) -> tuple[bytes, Verdicts]:
        """The picture that `look` came to, and what the reader says of it.

        Raises:
            StoreError: there is none.
        """
        if self._seen is None:
            raise NotFound("the recording has no picture there")
        bgr = cv2.cvtColor(self._seen.composed.i420, cv2.COLOR_YUV2BGR_I420)
        ok, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        if not ok:
            raise HostError("the picture cannot be written as JPEG")
        return jpeg.tobytes(), self._seen.said

    def _pictures(self, init: bytes, segment_us: int, data: bytes) -> Iterator[Shown]:
        codec, units = access_units(whole_gop(init, segment_us, data))
        if self._reader is None or codec is not self._codec:
            if self._part is not None:
                self._part = 0  # another reader counts from 1: nothing says that the person is the same
            self._reader = Reader(
                self._identities, codec, self._signing_key, camera_id=self._camera_id, held=self._held
            )
            self._composer, self._codec = Composer(codec), codec
        first = True
        for unit in units:
            shown = self._from_us <= unit.utc_us < self._until_us
            composed = self._compose(unit.data, unit.utc_us, shown=shown)
            if composed is not None:
                yield Shown(unit.utc_us, first, composed, self._said)
                first = False

    def _compose(self, au: bytes, utc_us: int, *, shown: bool) -> Composed | None:
        """The next picture, marked when it is to be shown: only those count in the verdicts."""
        assert self._reader is not None
        assert self._composer is not None
        opened = self._reader.open(au)
        if self._point is not None and utc_us >= self._point_us:
            self._tracks = _who(opened, self._point)
            self._point, self._part = None, self._reader.part
        elif self._part is not None and self._part != self._reader.part:
            self._tracks = frozenset()
            opened = replace(opened, reason=STREAM_RESTARTED)
        composed = self._composer.compose(au, opened, tracks=self._tracks)
        ended = self._reader.take_verdicts()
        unsigned = sum(1 for each in ended if each.verdict.origin is not Check.YES)
        if not shown:
            return None
        revealed = bool(composed and composed.revealed)
        self._said = counted(Verdicts(), opened, revealed=revealed, unsigned=unsigned)
        self.verdicts = added(self.verdicts, self._said)
        if composed is None:
            return None
        picture: compose.I420 = np.ascontiguousarray(composed.i420)
        if not picture.flags.writeable:
            picture = picture.copy()
        if self._mark is None or self._marked != picture.shape:
            self._mark = Watermark(self._mark_text, picture.shape[1], picture.shape[0] * 2 // 3)
            self._marked = picture.shape
        self._mark.draw(picture)
        return Composed(picture, composed.revealed, composed.reason)


def whole_gop(init: bytes, segment_us: int, data: bytes) -> RecordedGop:
    """A GOP as it came over the pipe: `moof mdat …` behind its `init`."""
    return RecordedGop(init, "", segment_us, ((_WHOLE, data),))


class _Output:
    """Pictures of one size as H.264 in fragments, on the timeline of a play.

    Args:
        shape: (height * 3 // 2, width) of the pictures.
        first_us: when the first of them was taken.
        origin_us: when the play's timeline begins.
    """

    def __init__(self, shape: tuple[int, ...], first_us: int, origin_us: int) -> None:
        self.shape, self.origin_us = shape, origin_us
        self._first_us = first_us
        self._begins_90k = (first_us - origin_us) * fmp4.TIMESCALE // 1_000_000
        self._last_90k = -1
        self._sink = Sink()
        self._out = av.open(self._sink, "w", format="mp4", options=OPTIONS)
        self._stream = self._out.add_stream("libx264", rate=25)
        context: VideoCodecContext = self._stream.codec_context
        context.width, context.height, context.pix_fmt = shape[1], shape[0] * 2 // 3, "yuv420p"
        context.time_base = Fraction(1, fmp4.TIMESCALE)
        context.gop_size = 250
        context.options = _ENCODER

    def add(self, shown: Shown) -> Iterator[MediaSegment]:
        """One more picture; the first of a GOP becomes a key frame."""
        at_90k = (shown.utc_us - self._first_us) * fmp4.TIMESCALE // 1_000_000
        self._last_90k = max(at_90k, self._last_90k + 1)
        frame = av.VideoFrame.from_ndarray(shown.composed.i420, format="yuv420p")
        frame.pts = self._last_90k
        frame.time_base = Fraction(1, fmp4.TIMESCALE)
        if shown.first:
            frame.pict_type = av.video.frame.PictureType.I
        for packet in self._stream.encode(frame):
            self._out.mux(packet)
        yield from self._whole()

    def finish(self) -> Iterator[MediaSegment]:
        """Flush the encoder and the file."""
        for packet in self._stream.encode(None):
            self._out.mux(packet)
        self._out.close()
        yield from self._whole()

    def _whole(self) -> Iterator[MediaSegment]:
        for init, fragment, data in self._sink.next_fragments():
            begins_s = self._begins_90k / fmp4.TIMESCALE
            if fragment is None:
                yield MediaSegment(fmp4.mime(init), self._first_us, begins_s, 0.0, init)
            else:
                utc_us = self._first_us + fragment.time_90k * 1_000_000 // fmp4.TIMESCALE
                seconds = fragment.duration_90k / fmp4.TIMESCALE
                at_90k = self._begins_90k + fragment.time_90k
                yield MediaSegment("", utc_us, at_90k / fmp4.TIMESCALE, seconds, fmp4.retimed(data, fragment, at_90k))


def _who(opened: OpenedUnit, point: Point) -> frozenset[int]:
    """The track whose region is at `point`, the smallest when several are; None when none is."""
    if opened.mask is None:
        return frozenset()
    rows, columns = opened.mask.shape
    x, y = point[0] * columns, point[1] * rows
    here = [r for r in opened.regions if r.x <= x < r.x + r.w and r.y <= y < r.y + r.h]
    return frozenset({min(here, key=lambda region: region.w * region.h).track_id}) if here else frozenset()
