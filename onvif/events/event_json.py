"""`onvif-ej`: an event as an MQTT topic and a JSON document (ONVIF Core 26.06, 9.11.2 and 9.11.3)."""

import json

from lxml import etree

from onvif.events.bus import Event, Items
from onvif.events.topics import Topic

PAYLOAD_PREFIX = "onvif-ej"
_NUMBERS = {"xs:int": int, "xs:integer": int, "xs:long": int, "xs:float": float, "xs:double": float}


def topic(prefix: str, event: Event) -> str:
    """`PREFIX/onvif-ej/VideoSource/MotionAlarm/&source`: the namespace dropped, the source's values behind an `&`."""
    path = "/".join(part.rpartition(":")[2] for part in event.topic.split("/"))
    source = "/".join(_level(value) for _, value in event.source)
    return f"{prefix}/{PAYLOAD_PREFIX}/{path}" + (f"/&{source}" if source else "")


def payload(event: Event, described: Topic) -> bytes:
    """The JSON document; Boolean and numeric items are native by the types in the topic's description.

    Without PropertyOperation: retained messages have none (ONVIF Core 26.06, 9.11.2, Property events).
    """
    document: dict[str, object] = {"UtcTime": event.xml_time()}
    types = dict((*described.source, *described.key, *described.data))
    for name, items in (("Source", event.source), ("Key", event.key), ("Data", event.data)):
        if items:
            document[name] = _values(items, types)
    if event.elements:
        data = document.setdefault("Data", {})
        assert isinstance(data, dict)
        data.update({name: _tree(element) for name, element in event.elements})
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _values(items: Items, types: dict[str, str]) -> dict[str, object]:
    return {name: _native(value, types.get(name, "")) for name, value in items}


def _native(value: str, type_: str) -> object:
    if type_ == "xs:boolean":
        return value in {"true", "1"}
    read = _NUMBERS.get(type_)
    try:
        return read(value) if read is not None else value
    except ValueError:
        return value


def _tree(element: etree._Element) -> object:
    """An element item: attributes and children by local name, repeated ones as a list."""
    found: dict[str, object] = {etree.QName(key).localname: value for key, value in element.attrib.items()}
    for child in element.iterchildren(tag=etree.Element):
        name, value = etree.QName(child).localname, _tree(child)
        before = found.get(name)
        if before is None:
            found[name] = value
        elif isinstance(before, list):
            before.append(value)
        else:
            found[name] = [before, value]
    return found or (element.text or "")


def _level(value: str) -> str:
    """One level of an MQTT topic: `+` and `#` are wildcards there, `/` would make two, NUL is forbidden."""
    return "".join(letter for letter in value if letter not in "+#/\0")
