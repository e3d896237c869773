"""What was recorded and what is coming in: ranges, GOPs, fMP4 pieces for the browser."""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass

from base.errors import NotFound, StoreError
from nvr_box.audit.log import Audit
from nvr_box.record import fmp4
from nvr_box.record.events import Events
from nvr_box.record.live import Hub
from nvr_box.record.media_segment import MediaSegment, Timeline
from nvr_box.record.segments import Segment, Segments
from nvr_box.record.sightings import SUFFIX, Sighting, kept, shown
from nvr_box.record.viewing_log import ViewingLog
from nvr_box.rights import Account, Right
from wire.nal import Codec

__all__ = ["MediaSegment", "RecordedGop", "RecordedSpan", "Recordings"]

# Segments of one recording meet within a frame or two; a longer hole is shown as one.
_SAME_STRETCH_US = 300_000
_CODECS = {"avc1": Codec.H264, "avc3": Codec.H264, "hvc1": Codec.H265, "hev1": Codec.H265}
_MOST_KEY_FRAMES = 10_000
_NEAR_US = 10_000_000
# A sighting may lie in the file of the segment beside it: it arrives before or after its picture.
_SEEN_APART_US = 5_000_000
_FOREVER_US = 1 << 60
_MORE_AFTER_S = 0.25


@dataclass(frozen=True, slots=True)
class RecordedSpan:
    """A stretch of time without a gap, `start_us` included, `end_us` not; `locked` when retention must spare it."""

    start_us: int
    end_us: int
    locked: bool = False


@dataclass(frozen=True, slots=True)
class RecordedGop:
    """One GOP as it lies on disk: `init` and the fragments that belong to the segment that began at `segment_us`."""

    init: bytes
    mime: str
    segment_us: int
    fragments: tuple[tuple[fmp4.Fragment, bytes], ...]

    @property
    def start_us(self) -> int:
        """When its key frame was taken."""
        return self.segment_us + self.fragments[0][0].time_90k * 1_000_000 // fmp4.TIMESCALE


class Recordings:
    """Recorded and live pictures, masked as the camera sent them. Needs `VIEW` for the camera."""

    def __init__(self, segments: Segments, log: Audit) -> None:
        self._segments, self._log = segments, log
        self.viewings = ViewingLog(log)
        self.events = Events(segments.store)
        self._hubs: dict[int, Hub] = {}

    def hub(self, camera: int) -> Hub:
        """Where the recorder of `camera` publishes."""
        return self._hubs.setdefault(camera, Hub())

    def forget(self, camera: int) -> None:
        """The camera was removed: its live readers end."""
        hub = self._hubs.pop(camera, None)
        if hub:
            hub.end()

    async def spans(self, account: Account, camera: int, start_us: int, end_us: int) -> tuple[RecordedSpan, ...]:
        """Recorded ranges that touch [start_us, end_us), joined where segments meet; gaps stay gaps."""
        account.demand(Right.VIEW, camera)
        return tuple(_joined(await self._segments.stretches(camera, start_us, end_us)))

    async def key_frames(self, account: Account, camera: int, start_us: int, end_us: int) -> tuple[int, ...]:
        """`utc_us` of every recorded key frame in the range, ascending; at most 10,000."""
        account.demand(Right.VIEW, camera)
        found = []
        for segment in await self._segments.between(camera, start_us, end_us):
            for time_90k, _ in segment.keys:
                at_us = segment.start_us + time_90k * 1_000_000 // fmp4.TIMESCALE
                if start_us <= at_us < end_us:
                    found.append(at_us)
        return tuple(sorted(found)[:_MOST_KEY_FRAMES])

    async def codecs(self, camera: int) -> tuple[Codec, ...]:
        """Those of its pictures, in the order in which they came. Without rights or audit."""
        found = [_CODECS.get(mime.partition('"')[2][:4]) for mime in await self._segments.mimes(camera)]
        return tuple(dict.fromkeys(codec for codec in found if codec is not None))

    async def play(
        self, account: Account, camera: int, start_us: int, end_us: int | None = None
    ) -> AsyncIterator[MediaSegment]:
        """Recorded pieces from the key frame at or before `start_us` (or the first after it), across segments.

        Ends at `end_us` or where the recording ends, which for a camera that records is now. Reads ahead no more
        than one GOP: the reader's pace rules. A request within a minute, as when seeking, belongs to the same viewing.
        """
        await self._log.demand(account, Right.VIEW, "view-recording", camera=camera)
        viewing = await self.viewings.begin(account.name, camera, start_us)
        try:
            timeline = Timeline()
            segment_us = None
            async for chunk in self.chunks(camera, start_us, end_us):
                if chunk.segment_us != segment_us:
                    segment_us = chunk.segment_us
                    head = timeline.begin(chunk.init, chunk.mime, segment_us)
                    if head:
                        yield head
                for fragment, data in chunk.fragments:
                    piece = timeline.place(segment_us, fragment, data)
                    viewing.shown.add(piece.utc_us, piece.utc_us + round(piece.duration_s * 1e6))
                    yield piece
        finally:
            self.viewings.left(viewing)

    async def live(self, account: Account, camera: int) -> AsyncIterator[MediaSegment]:
        """Initialisation segment, then fragments from the newest key frame on, as they are written.

        A reader that falls behind by more than 10 s is moved on to the newest key frame. Ends when the camera is
        removed; while the camera is away it waits. Close the iterator to unsubscribe.
        """
        await self._log.demand(account, Right.VIEW, "view-live", camera=camera)
        await self._log.write(account.name, "view-live", camera=camera)
        async for piece in self.hub(camera).watch():
            yield piece

    async def lock(self, account: Account, camera: int, start_us: int, end_us: int, *, reason: str) -> int:
        """Keep the range from retention as evidence; needs `OPERATE` and `VIEW`. Returns how many segments it locks."""
        await self._log.demand(account, Right.OPERATE, "lock", camera=camera)
        await self._log.demand(account, Right.VIEW, "lock", camera=camera)
        count = await self._segments.set_locked(camera, start_us, end_us, locked=True)
        await self._log.write(
            account.name, "lock", camera=camera, reason=reason, start_us=start_us, end_us=end_us, n=count
        )
        return count

    async def unlock(self, account: Account, camera: int, start_us: int, end_us: int, *, reason: str) -> int:
        """Undo `lock`; needs `ADMIN`."""
        await self._log.demand(account, Right.ADMIN, "unlock", camera=camera)
        await self._log.write(account.name, "unlock", camera=camera, reason=reason, start_us=start_us, end_us=end_us)
        return await self._segments.set_locked(camera, start_us, end_us, locked=False)

    async def chunks(
        self, camera: int, start_us: int, end_us: int | None = None, *, follow: Callable[[], bool] = lambda: False
    ) -> AsyncIterator[RecordedGop]:
        """GOPs from the one that shows `start_us` on, without rights or audit: for the parts of the box.

        A GOP that is being written comes in parts.

        Args:
            follow: called where the recording ends: whether to wait for more.
        """
        segment = await self._first(camera, start_us)
        while segment is None and follow():
            await asyncio.sleep(_MORE_AFTER_S)
            segment = await self._first(camera, start_us)
        offset = segment.key_at(start_us)[1] if segment else 0
        while segment is not None:
            init = await asyncio.to_thread(_read_init, self._segments, segment)
            while True:
                for begin, finish in _gops(segment, offset):
                    data = await asyncio.to_thread(_read, self._segments, segment, begin, finish)
                    parts = _parts(data, begin)
                    offset = finish
                    if not parts:
                        break
                    if end_us is not None and _utc_us(segment, parts[0][0]) >= end_us:
                        return
                    yield RecordedGop(init, segment.mime, segment.start_us, parts)
                grown = await self._grown(segment, offset)
                if grown is None:
                    break
                segment = grown
            following = await self._segments.following(camera, segment.end_us, segment.path)
            if following is not None:
                segment, offset = following, following.keys[0][1] if following.keys else 0
            elif follow():
                await asyncio.sleep(_MORE_AFTER_S)
            else:
                return

    async def showing(self, camera: int, utc_us: int) -> RecordedGop:
        """The GOP that shows `utc_us`, else the nearest within ten seconds; without rights or audit.

        Raises:
            StoreError: nothing is recorded near that time.
        """
        async for chunk in self.chunks(camera, utc_us):
            if chunk.start_us - utc_us <= _NEAR_US:
                return chunk
            break
        before = await self._segments.between(camera, utc_us - _NEAR_US, utc_us)
        if not before:
            raise NotFound("nothing is recorded at that time")
        segment = max(before, key=lambda each: each.end_us)
        begin, finish = _gops(segment, segment.keys[-1][1])[-1]
        init = await asyncio.to_thread(_read_init, self._segments, segment)
        data = await asyncio.to_thread(_read, self._segments, segment, begin, finish)
        return RecordedGop(init, segment.mime, segment.start_us, _parts(data, begin))

    async def sighting(self, camera: int, utc_us: int) -> Sighting | None:
        """What the camera itself saw at `utc_us`; None when it did not say. Without rights or audit."""
        around = await self._segments.between(camera, utc_us - _SEEN_APART_US, utc_us + _SEEN_APART_US)
        files = [(self._segments.root / each.path).with_suffix(SUFFIX) for each in around]
        return await asyncio.to_thread(shown, files, utc_us)

    async def sightings(
        self, camera: int, start_us: int, end_us: int, *, reverse: bool = False
    ) -> AsyncIterator[tuple[Sighting, ...]]:
        """Everything that the camera saw in [start_us, end_us], in order of time, a segment's worth at once.

        Without rights or audit. In reverse the latest come first.
        """
        segments = list(await self._segments.between(camera, start_us - _SEEN_APART_US, end_us + _SEEN_APART_US))
        if reverse:
            segments.reverse()
        held: list[Sighting] = []
        for number, segment in enumerate(segments):
            file = (self._segments.root / segment.path).with_suffix(SUFFIX)
            held += [each for each in await asyncio.to_thread(kept, file) if start_us <= each.utc_us <= end_us]
            held.sort(key=lambda each: each.utc_us, reverse=reverse)
            ready = len(held)
            if number + 1 < len(segments):
                # What lies near the border may be followed by something from the file on its other side.
                coming = segments[number + 1]
                border = coming.end_us + _SEEN_APART_US if reverse else coming.start_us - _SEEN_APART_US
                ready = sum(each.utc_us > border if reverse else each.utc_us < border for each in held)
            if ready:
                yield tuple(held[:ready])
                del held[:ready]

    async def recorded_bytes(self, camera: int, start_us: int, end_us: int) -> int:
        """Of the segments that touch [start_us, end_us); without rights or audit."""
        return sum(each.size for each in await self._segments.between(camera, start_us, end_us))

    async def _first(self, camera: int, start_us: int) -> Segment | None:
        covering = await self._segments.between(camera, start_us, start_us + 1)
        return covering[-1] if covering else await self._segments.following(camera, start_us, "")

    async def _grown(self, segment: Segment, offset: int) -> Segment | None:
        """The same segment when more of it was written since, else None."""
        if segment.segment:
            return None
        for each in await self._segments.between(segment.camera, segment.start_us, _FOREVER_US):
            if each.path == segment.path:
                return each if each.size > offset else None
        return None


def _gops(segment: Segment, offset: int) -> list[tuple[int, int]]:
    """Byte ranges of the GOPs from `offset` on; the first may be the rest of one."""
    marks = [offset, *(key for _, key in segment.keys if key > offset), segment.size]
    return [(begin, finish) for begin, finish in itertools.pairwise(marks) if finish > begin]


def _utc_us(segment: Segment, fragment: fmp4.Fragment) -> int:
    return segment.start_us + fragment.time_90k * 1_000_000 // fmp4.TIMESCALE


def _parts(data: bytes, begin: int) -> tuple[tuple[fmp4.Fragment, bytes], ...]:
    """The fragments in `data`, which was read from `begin` on."""
    whole = fmp4.fragments(data, 0, base=begin)
    return tuple((each, data[each.offset - begin : each.offset - begin + each.size]) for each in whole)


def _joined(stretches: Iterable[tuple[int, int, bool]]) -> list[RecordedSpan]:
    spans: list[RecordedSpan] = []
    first = last = 0
    same: bool | None = None
    for start_us, end_us, locked in stretches:
        if locked == same and start_us <= last + _SAME_STRETCH_US:
            last = max(last, end_us)
            continue
        if same is not None:
            spans.append(RecordedSpan(first, last, bool(same)))
        first, last, same = start_us, end_us, locked
    if same is not None:
        spans.append(RecordedSpan(first, last, bool(same)))
    return spans


def _read(segments: Segments, segment: Segment, begin: int, finish: int) -> bytes:
    try:
        with (segments.root / segment.path).open("rb") as file:
            return os.pread(file.fileno(), finish - begin, begin)
    except OSError as error:
        raise StoreError(f"{segment.path}: {error.strerror}") from error


def _read_init(segments: Segments, segment: Segment) -> bytes:
    return _read(segments, segment, 0, segment.keys[0][1] if segment.keys else segment.size)
