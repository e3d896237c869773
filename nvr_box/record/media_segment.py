"""What goes to a browser's MediaSource, and its timeline across segments."""

from dataclasses import dataclass

from nvr_box.record import fmp4

# Clocks of neighbouring segments differ by a few milliseconds; below this they are played as one stretch.
_SAME_STRETCH_90K = fmp4.TIMESCALE * 3 // 10


@dataclass(frozen=True, slots=True)
class MediaSegment:
    """One step of an iterator of pieces.

    Attributes:
        mime: set on an initialisation segment (`video/mp4; codecs="avc1.640028"`), empty on a media fragment. A new
            initialisation segment comes whenever the stream's parameters change.
        utc_us: when its first picture was taken; what the page adds to `start_s` of the fragment for wall-clock time.
        start_s: the fragment's decode time within this iterator's own timeline, which begins at 0 at its first
            fragment; recorded gaps stay gaps.
        duration_s: how long the fragment plays (about 0.25 s), 0 on an initialisation segment.
        data: `ftyp moov`, or one `moof mdat`.
    """

    mime: str
    utc_us: int
    start_s: float
    duration_s: float
    data: bytes


class Timeline:
    """Places fragments of successive segments on one timeline that never runs backwards."""

    def __init__(self) -> None:
        self._origin_us: int | None = None
        self._end_90k = 0
        self._base_90k = 0
        self._segment_us: int | None = None
        self._init = b""

    def begin(self, init: bytes, mime: str, start_us: int) -> MediaSegment | None:
        """The initialisation segment to send before fragments of another segment; None when it is the same again."""
        self._segment_us = None
        if init == self._init:
            return None
        self._init = init
        return MediaSegment(mime, start_us, self._end_90k / fmp4.TIMESCALE, 0.0, init)

    def place(self, segment_us: int, fragment: fmp4.Fragment, data: bytes) -> MediaSegment:
        """The fragment of the segment that began at `segment_us`, moved to where it plays."""
        utc_us = segment_us + fragment.time_90k * 1_000_000 // fmp4.TIMESCALE
        if self._origin_us is None:
            self._origin_us = utc_us
        if self._segment_us != segment_us:
            at_90k = (utc_us - self._origin_us) * fmp4.TIMESCALE // 1_000_000
            if at_90k < self._end_90k + _SAME_STRETCH_90K:
                at_90k = self._end_90k
            self._base_90k = at_90k - fragment.time_90k
            self._segment_us = segment_us
        at_90k = self._base_90k + fragment.time_90k
        self._end_90k = at_90k + fragment.duration_90k
        moved = fmp4.retimed(data, fragment, at_90k)
        seconds = fragment.duration_90k / fmp4.TIMESCALE
        return MediaSegment("", utc_us, at_90k / fmp4.TIMESCALE, seconds, moved)
