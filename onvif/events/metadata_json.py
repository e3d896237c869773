"""`onvif-mj`: what a picture shows as an MQTT topic and a JSON document (ONVIF Analytics 26.06, "Metadata in JSON").

The JSON follows from the XML by that chapter's rules: attributes get an `@`, text beside attributes is `#text`, what
the schema lets repeat is an array, prefixes of ONVIF's own namespaces are dropped.
"""

import json
import re
from collections.abc import Callable

from lxml import etree

from onvif.events.faults import refusal
from onvif.metadata import MetadataFrame, frame_element
from onvif.names import TOPIC_CONCRETE, TOPIC_CONCRETE_SET, WSNT, q

PAYLOAD_PREFIX = "onvif-mj"
_REPEATED = {"Object", "Type", "ColorCluster", "Delete"}
"""Elements of our frames that metadatastream.xsd and common.xsd let occur more than once beside each other."""
_STEP = r"(?:[^\W\d][\w.-]*:)?([\w.-]+)"
_PATH = re.compile(rf"{_STEP}(?:/{_STEP})*(//\.)?")
_LONGEST = 4096

Wanted = Callable[[str], bool]
"""Whether the metadata of a path such as `VideoAnalytics/main/ObjectTracker` is wanted."""


def path(profile: str, module: str) -> str:
    """MetadataType and MetadataProducer of one analytics module in one media profile."""
    return f"VideoAnalytics/{_level(profile)}/{_level(module)}"


def payload(frame: MetadataFrame) -> bytes:
    """The JSON document of one picture."""
    return json.dumps({"Frame": [_value(frame_element(frame))]}, ensure_ascii=False, separators=(",", ":")).encode()


def compile_filter(element: etree._Element) -> Wanted:
    """A broker's MetadataFilter: topic expressions over those paths, `//.` for everything below, empty for all.

    Raises:
        Fault: TopicExpressionDialectUnknown, InvalidTopicExpression, InvalidFilter.
    """
    tests: list[Wanted] = []
    for item in element:
        if item.tag != q(WSNT, "TopicExpression"):
            raise refusal("InvalidFilterFault", f"There is no metadata filter {item.tag}.")
        if (item.get("Dialect") or "").strip() not in {TOPIC_CONCRETE, TOPIC_CONCRETE_SET}:
            raise refusal("TopicExpressionDialectUnknownFault", f"The dialect {item.get('Dialect')!r} is not spoken.")
        tests.append(_expression("".join(str(part) for part in item.itertext()).strip()))
    return lambda topic: all(test(topic) for test in tests)


def _expression(text: str) -> Wanted:
    if len(text) > _LONGEST:
        raise refusal("InvalidFilterFault", f"A filter of {len(text)} characters is longer than any honest one.")
    wanted: list[tuple[str, bool]] = []
    for part in filter(None, text.split("|")):
        found = _PATH.fullmatch(part.strip())
        if found is None:
            raise refusal("InvalidTopicExpressionFault", f"{part[:80]!r} is no metadata topic.")
        steps = [step.rpartition(":")[2] for step in part.strip().removesuffix("//.").split("/")]
        wanted.append(("/".join(steps[1:] if steps[0] == PAYLOAD_PREFIX else steps), found.group(3) is not None))
    if not wanted:
        return lambda _asked: True
    return lambda topic: any(topic == full or (below and topic.startswith(f"{full}/")) for full, below in wanted)


def _value(element: etree._Element) -> object:
    text = (element.text or "").strip()
    found: dict[str, object] = {f"@{etree.QName(key).localname}": value for key, value in element.attrib.items()}
    for child in element.iterchildren(tag=etree.Element):
        name = etree.QName(child).localname
        # VehicleInfo has one Type, Class has several.
        many = name in _REPEATED and not (name == "Type" and etree.QName(element).localname != "Class")
        if many:
            listed = found.setdefault(name, [])
            assert isinstance(listed, list)
            listed.append(_value(child))
        else:
            found[name] = _value(child)
    if not found:
        return text or None
    return {**found, "#text": text} if text else found


def _level(name: str) -> str:
    """One level of the topic: its separators and wildcards are left out."""
    return "".join(letter for letter in name if letter not in "+#/\0")
