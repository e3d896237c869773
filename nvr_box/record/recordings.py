"""What was recorded and what is coming in: ranges, GOPs, fMP4 pieces for the browser."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from nvr_box.rights import Account


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time without a gap, `start_us` included, `end_us` not; `locked` when retention must spare it."""

    start_us: int
    end_us: int
    locked: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """What goes to a MediaSource, in order.

    Attributes:
        mime: set on an initialisation segment (`video/mp4; codecs="avc1.640028"`), empty on a media fragment. A new
            initialisation segment comes whenever the stream's parameters change.
        utc_us: when its first picture was taken; what the page adds to `start` of the fragment for wall-clock time.
        start_s: the fragment's decode time within this iterator's own timeline, which begins at 0 at the time asked
            for (playback) or at the first piece (live); recorded gaps stay gaps.
        duration_s: how long the fragment plays (about 0.25 s), 0 on an initialisation segment.
        data: `ftyp moov`, or one or more `moof mdat`.
    """

    mime: str
    utc_us: int
    start_s: float
    duration_s: float
    data: bytes


class Recordings:
    """Recorded and live pictures, masked as the camera sent them. Needs `VIEW` for the camera."""

    async def spans(self, by: Account, camera: int, start_us: int, end_us: int) -> tuple[Span, ...]:
        """Recorded ranges that touch [start_us, end_us), joined where segments meet; gaps stay gaps."""
        raise NotImplementedError

    async def key_frames(self, by: Account, camera: int, start_us: int, end_us: int) -> tuple[int, ...]:
        """`utc_us` of every recorded key frame in the range, ascending; at most 10,000."""
        raise NotImplementedError

    def play(self, by: Account, camera: int, start_us: int, end_us: int | None = None) -> AsyncIterator[Piece]:
        """Recorded pieces from the key frame at or before `start_us` (or the first after it), across segments.

        Ends at `end_us` or where the recording ends. Reads ahead no more than one piece: the reader's pace rules.
        """
        raise NotImplementedError

    def live(self, by: Account, camera: int) -> AsyncIterator[Piece]:
        """Initialisation segment, then fragments from the newest key frame on, as they are written.

        A reader that falls behind by more than 10 s is moved on to the newest key frame. Ends when the camera is
        removed; while the camera is away it waits. Close the iterator to unsubscribe.
        """
        raise NotImplementedError

    async def lock(self, by: Account, camera: int, start_us: int, end_us: int, *, reason: str) -> int:
        """Keep the range from retention as evidence; needs `OPERATE`. Returns how many segments are locked by it."""
        raise NotImplementedError

    async def unlock(self, by: Account, camera: int, start_us: int, end_us: int, *, reason: str) -> int:
        """Undo `lock`; needs `ADMIN`."""
        raise NotImplementedError
