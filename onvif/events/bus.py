"""What has happened, said once and heard by every subscription.

ONVIF Core 26.06, 9.4 (messages) and 9.5 (properties). A lasting topic keeps one state per source and key: it is
published as Initialized when it appears, Changed when its data differ, Deleted when it goes; saying the same again is
no event.
"""

import enum
import threading
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from lxml import etree

from onvif.events.topics import Topic
from onvif.metadata import utc_text
from onvif.names import TNS1, TOPIC_CONCRETE, TT, WSNT, q

Value = str | bool | int | float | datetime
Items = tuple[tuple[str, str], ...]


class PropertyOperation(enum.Enum):
    """tt:PropertyOperation."""

    INITIALIZED = "Initialized"
    CHANGED = "Changed"
    DELETED = "Deleted"


@dataclass(frozen=True, slots=True)
class Event:
    """One message.

    Args:
        topic: the concrete topic, as `tns1:VideoSource/MotionAlarm`.
        utc: when it happened, aware.
        operation: for a property only.
        source, key, data: simple items in the topic's order, values in their lexical form.
        elements: element items of the data part; the bus and its listeners never change them.
    """

    topic: str
    utc: datetime
    operation: PropertyOperation | None
    source: Items = ()
    key: Items = ()
    data: Items = ()
    elements: tuple[tuple[str, etree._Element], ...] = ()

    def xml_time(self) -> str:
        """When, as xs:dateTime."""
        return utc_text(self.utc)

    def xml(self) -> etree._Element:
        """A fresh `wsnt:NotificationMessage`."""
        holder = etree.Element(q(WSNT, "NotificationMessage"), nsmap={"wsnt": WSNT, "tns1": TNS1, "tt": TT})
        topic = etree.SubElement(holder, q(WSNT, "Topic"), Dialect=TOPIC_CONCRETE)
        topic.text = self.topic
        message = etree.SubElement(etree.SubElement(holder, q(WSNT, "Message")), q(TT, "Message"))
        message.set("UtcTime", self.xml_time())
        if self.operation is not None:
            message.set("PropertyOperation", self.operation.value)
        for name, items in (("Source", self.source), ("Key", self.key), ("Data", self.data)):
            if not items and not (name == "Data" and self.elements):
                continue
            part = etree.SubElement(message, q(TT, name))
            for item, value in items:
                etree.SubElement(part, q(TT, "SimpleItem"), Name=item, Value=value)
            if name == "Data":
                for item, element in self.elements:
                    etree.SubElement(part, q(TT, "ElementItem"), Name=item).append(deepcopy(element))
        return holder


class Bus:
    """The device's one place where events are said.

    `publish` and `retire` may be called on any thread; listeners run on that thread and must return at once.
    """

    def __init__(self, topics: Iterable[Topic], now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._topics = {topic.path: topic for topic in topics}
        self._now = now
        self._lock = threading.RLock()
        self._states: dict[tuple[str, Items, Items], Event] = {}
        self._listeners: list[Callable[[Event], None]] = []

    @property
    def topics(self) -> tuple[Topic, ...]:
        return tuple(self._topics.values())

    def publish(
        self,
        topic: str,
        source: Mapping[str, Value] | None = None,
        data: Mapping[str, Value] | None = None,
        *,
        key: Mapping[str, Value] | None = None,
        elements: Mapping[str, etree._Element] | None = None,
        at: datetime | None = None,
    ) -> Event | None:
        """Say that something happened, or how a property stands now.

        Args:
            topic: path of a topic that the bus was made with; KeyError otherwise, for that is a bug.
            at: when, aware; now by default.

        Returns:
            The event, or None when a property stands as it stood.
        """
        known = self._topics[topic]
        event = Event(
            topic, at or self._now(), None, _items(source), _items(key), _items(data), tuple((elements or {}).items())
        )
        with self._lock:
            if known.lasting:
                place = (topic, event.source, event.key)
                before = self._states.get(place)
                if before is not None and before.data == event.data and not event.elements:
                    return None
                event = replace(
                    event, operation=PropertyOperation.INITIALIZED if before is None else PropertyOperation.CHANGED
                )
                self._states[place] = event
            self._publish(event)
        return event

    def retire(
        self,
        topic: str,
        source: Mapping[str, Value] | None = None,
        *,
        key: Mapping[str, Value] | None = None,
        at: datetime | None = None,
    ) -> None:
        """A property's source or key is gone (a job was deleted, an object left); unknown ones are ignored."""
        with self._lock:
            before = self._states.pop((topic, _items(source), _items(key)), None)
            if before is not None:
                self._publish(replace(before, operation=PropertyOperation.DELETED, utc=at or self._now()))

    def states(self) -> tuple[Event, ...]:
        """How every property stands, as Initialized messages that carry the time of the last change."""
        with self._lock:
            return tuple(replace(event, operation=PropertyOperation.INITIALIZED) for event in self._states.values())

    def listen(self, listener: Callable[[Event], None], first: Callable[[Event], None] | None = None) -> None:
        """Hear every event from now on.

        Args:
            listener: called with each event.
            first: called with each property's state before the first event, without one being lost in between.
        """
        with self._lock:
            if first is not None:
                for event in self.states():
                    first(event)
            self._listeners.append(listener)

    def forget(self, listener: Callable[[Event], None]) -> None:
        with self._lock:
            self._listeners = [kept for kept in self._listeners if kept != listener]

    def _publish(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)


def lexical(value: Value) -> str:
    """A value in the form that its XML Schema type writes: `true`, `2026-05-04T12:00:00.000Z`."""
    match value:
        case bool():
            return "true" if value else "false"
        case datetime():
            return utc_text(value)
        case _:
            return str(value)


def _items(values: Mapping[str, Value] | None) -> Items:
    return tuple((name, lexical(value)) for name, value in (values or {}).items())
