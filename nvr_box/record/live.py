"""The newest fragments of one camera, to all who watch it now. Belongs to the event loop."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from nvr_box.record.fmp4 import TIMESCALE, Fragment
from nvr_box.record.media_segment import MediaSegment, Timeline

# A reader further behind than this is moved on to the newest key frame; a recorder never waits for a reader.
_BEHIND_90K = 10 * TIMESCALE
# Kept for joiners: at most this much since the newest key frame, so that a camera without key frames fills no memory.
_HELD_FRAGMENTS = 240


@dataclass(frozen=True, slots=True)
class _Item:
    init: bytes
    mime: str
    segment_us: int
    fragment: Fragment
    data: bytes


@dataclass(eq=False, slots=True)
class _Reader:
    waiting: deque[_Item] = field(default_factory=deque)
    woken: asyncio.Event = field(default_factory=asyncio.Event)


class Hub:
    """Fragments in, one queue per reader out."""

    def __init__(self) -> None:
        self._since_key: list[_Item] = []
        self._readers: set[_Reader] = set()
        self._ended = False
        self.joined: Callable[[], None] = lambda: None
        """Called when a viewer begins to watch."""

    @property
    def readers(self) -> int:
        """How many are watching."""
        return len(self._readers)

    def publish(self, init: bytes, mime: str, segment_us: int, fragment: Fragment, data: bytes) -> None:
        """Hand one fragment on, as it was written."""
        item = _Item(init, mime, segment_us, fragment, data)
        if fragment.key or len(self._since_key) >= _HELD_FRAGMENTS:
            self._since_key = []
        if fragment.key or self._since_key:
            self._since_key.append(item)
        for reader in self._readers:
            reader.waiting.append(item)
            if sum(each.fragment.duration_90k for each in reader.waiting) > _BEHIND_90K:
                reader.waiting.clear()
                reader.waiting.extend(self._since_key)
            reader.woken.set()

    def end(self) -> None:
        """The camera is gone for good: every reader's iterator ends."""
        self._ended = True
        for reader in self._readers:
            reader.woken.set()

    async def watch(self) -> AsyncIterator[MediaSegment]:
        """Pieces from the newest key frame on; close the iterator to leave."""
        reader = _Reader(deque(self._since_key))
        self._readers.add(reader)
        self.joined()
        timeline = Timeline()
        segment_us = None
        try:
            while not self._ended:
                while reader.waiting:
                    item = reader.waiting.popleft()
                    if item.segment_us != segment_us:
                        segment_us = item.segment_us
                        head = timeline.begin(item.init, item.mime, segment_us)
                        if head:
                            yield head
                    yield timeline.place(segment_us, item.fragment, item.data)
                reader.woken.clear()
                if not reader.waiting and not self._ended:
                    await reader.woken.wait()
        finally:
            self._readers.discard(reader)
