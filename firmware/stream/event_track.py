"""Events in the metadata streams, as the metadata configuration selects them (tt:MetadataConfiguration/Events).

ONVIF Streaming 24.12, 5.1.2.1: the stream begins with how every property stands, sends each event when it happens, and
the properties again at a synchronisation point.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from lxml import etree

from base.settings_file import Stored
from firmware.media_state import MediaState
from onvif import metadata
from onvif.errors import Fault
from onvif.events.bus import Bus, Event
from onvif.events.filters import Filter, compile_filter

_JOINING_S = 0.3
"""A viewer that pressed PLAY hears what is sent a moment later."""
log = logging.getLogger(__name__)


class Streams(Protocol):
    """The metadata streams, as `firmware.stream.mounts.Paths` has them and tests stand in for them."""

    @property
    def metadata_watched(self) -> bool: ...

    def metadata(self, document: bytes, *, pts_90k: int, utc_us: int) -> None: ...


class EventTrack:
    """Any thread.

    Args:
        bus: what happens.
        media: holds the metadata configuration.
        streams: where documents go.
        monotonic: seconds.
    """

    def __init__(
        self, bus: Bus, media: Stored[MediaState], streams: Streams, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._bus, self._streams, self._monotonic = bus, streams, monotonic
        self._lock = threading.Lock()
        self._wanted = self._compiled(media.value)
        self._last: tuple[int, int] | None = None
        self._due_s: float | None = None
        media.listen(self._changed)
        bus.listen(self._on_event)

    def synchronise(self) -> None:
        """A viewer joins, or requested a synchronisation point: send how every property stands."""
        with self._lock:
            self._due_s = self._monotonic() + _JOINING_S

    def picture(self, pts_90k: int, utc_us: int) -> None:
        """A picture of this time is being sent; documents get its time, for they travel in its stream."""
        with self._lock:
            self._last = (pts_90k, utc_us)
            due = self._due_s is not None and self._monotonic() >= self._due_s
            if due:
                self._due_s = None
        if due:
            self._send(self._bus.states())

    def _on_event(self, event: Event) -> None:
        self._send((event,))

    def _send(self, events: Iterable[Event]) -> None:
        with self._lock:
            wanted, last = self._wanted, self._last
        if wanted is None or last is None or not self._streams.metadata_watched:
            return
        messages = [event.xml() for event in events if wanted(event)]
        if messages:
            self._streams.metadata(metadata.document((), messages), pts_90k=last[0], utc_us=last[1])

    def _changed(self, old: MediaState, new: MediaState) -> None:
        if old.metadata.filter_xml != new.metadata.filter_xml:
            compiled = self._compiled(new)
            with self._lock:
                self._wanted = compiled
            self.synchronise()

    def _compiled(self, state: MediaState) -> Filter | None:
        """None when the configuration selects no events."""
        text = state.metadata.filter_xml
        if text is None:
            return None
        try:
            return compile_filter(etree.fromstring(text) if text else None, (topic.path for topic in self._bus.topics))
        except (Fault, etree.XMLSyntaxError) as problem:
            # A topic that another version had; a Set refuses such filters.
            log.warning("no events in the metadata streams: the stored filter cannot be used: %s", problem)
            return None
