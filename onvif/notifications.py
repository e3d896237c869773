"""Notification messages as a client reads them (WS-BaseNotification 1.3, 3.2; ONVIF Core 26.06, 9.4, tt:Message).

Read from the raw elements: topic and message are mixed content, which the schema codec drops, and devices differ in
prefixes, in the order of the parts and in how they write a Boolean.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from lxml import etree

_MOST, _MOST_ITEMS = 1000, 64


@dataclass(frozen=True, slots=True)
class Notification:
    """One event of a device."""

    topic: str
    """Path, prefixed `tns1:` whatever the device calls that namespace: `tns1:VideoSource/MotionAlarm`."""
    utc: datetime | None
    operation: str
    """`Initialized`, `Changed` or `Deleted`; empty for an event that is no property."""
    source: Mapping[str, str]
    key: Mapping[str, str]
    data: Mapping[str, str]

    def state(self, name: str) -> bool | None:
        """A Boolean item of the data, None when it is missing or no Boolean."""
        return {"true": True, "1": True, "false": False, "0": False}.get(self.data.get(name, "").strip().lower())


def read_notifications(reply: etree._Element) -> tuple[Notification, ...]:
    """Every NotificationMessage of a PullMessages reply or a Notify; those without a topic are left out."""
    found = [_read(element) for element in _named(reply, "NotificationMessage")[:_MOST]]
    return tuple(notification for notification in found if notification.topic)


def _read(element: etree._Element) -> Notification:
    topic = next(iter(_named(element, "Topic")), None)
    message = next(iter(_named(element, "Message", having="UtcTime")), None)
    if message is None:
        message = element
    return Notification(
        topic=_topic(topic) if topic is not None else "",
        utc=_utc(message.get("UtcTime", "")),
        operation=message.get("PropertyOperation", ""),
        source=_items(message, "Source"),
        key=_items(message, "Key"),
        data=_items(message, "Data"),
    )


def _topic(element: etree._Element) -> str:
    text = "".join((element.text or "").split())
    prefix, colon, rest = text.partition(":")
    if not colon:
        return text
    namespace = element.nsmap.get(prefix, "")
    standard = "onvif.org/ver10/topics" in (namespace or "") or prefix == "tns1"
    # Only the first element of a path needs its prefix; some devices write it before every one.
    path = "/".join(part.rpartition(":")[2] for part in rest.split("/"))
    return f"{'tns1' if standard else prefix}:{path}"


def _items(message: etree._Element, group: str) -> dict[str, str]:
    return {
        item.get("Name", ""): item.get("Value", "")
        for holder in _named(message, group)
        for item in _named(holder, "SimpleItem")[:_MOST_ITEMS]
    }


def _named(element: etree._Element, name: str, *, having: str = "") -> list[etree._Element]:
    """Descendants by local name: the namespaces of odd devices are wrong more often than their names.

    Not those inside one that is found: a message in a message in a message would be read as often as it is deep.

    Args:
        having: an attribute that they must have.
    """
    found = []
    walk = etree.iterwalk(element, events=("start",))
    for _, inner in walk:
        named = isinstance(inner.tag, str) and inner.tag.rpartition("}")[2] == name
        if named and inner is not element and (not having or inner.get(having) is not None):
            found.append(inner)
            walk.skip_subtree()
    return found


def _utc(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text.strip())
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
