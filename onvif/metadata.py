"""The analytics metadata stream: `tt:MetadataStream` ↔ dataclasses.

ONVIF Analytics Service Specification (24.12) 5.1 Scene Description; metadatastream.xsd 25.12. Coordinates are ONVIF's
normalised ones: x and y in -1..1, origin in the middle of the picture, y growing *upwards* (5.1.2.2).

Only generic appearance is spoken: class, box, clothing and vehicle colours. What a foreign device adds beside it
(faces, plates, body metrics) is skipped unread.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from lxml import etree

from onvif.errors import NotOnvif
from onvif.names import BD, TT
from onvif.xml import read

RGB: Final = "http://www.onvif.org/ver10/colorspace/RGB"
"""tt:Color/@Colorspace: X, Y, Z are red, green and blue in 0..255."""

VEHICLES: Final = frozenset({"Bicycle", "Bus", "Car", "Motorcycle", "Truck"})
"""tt:VehicleType; each is announced under tt:ObjectType `Vehicle` (`Bicycle` under its own name)."""

MAX_DOCUMENT_BYTES: Final = 4 << 20
_MAX_OBJECTS: Final = 4096


@dataclass(frozen=True, slots=True)
class MetadataBox:
    """A rectangle in normalised coordinates: -1..1, `bottom` ≤ `top` since y grows upwards."""

    left: float
    top: float
    right: float
    bottom: float

    @classmethod
    def from_pixels(cls, edges: Sequence[float], width: int, height: int) -> "MetadataBox":
        """The box of pixel edges (x0, y0, x1, y1; origin top left) in a picture of `width` × `height`, cut to it."""
        x0, y0, x1, y1 = map(float, edges)

        def across(x: float) -> float:
            return min(1.0, max(-1.0, 2.0 * x / width - 1.0))

        def up(y: float) -> float:
            return min(1.0, max(-1.0, 1.0 - 2.0 * y / height))

        return cls(across(x0), up(y0), across(x1), up(y1))

    def to_pixels(self, width: int, height: int) -> tuple[float, float, float, float]:
        """(x0, y0, x1, y1) with the origin top left."""
        return (
            (self.left + 1) * width / 2,
            (1 - self.top) * height / 2,
            (self.right + 1) * width / 2,
            (1 - self.bottom) * height / 2,
        )

    @property
    def centre(self) -> tuple[float, float]:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2


@dataclass(frozen=True, slots=True)
class ColourCluster:
    """One colour cluster.

    Args:
        rgb: red, green, blue in 0..255.
        weight: its share of the surface, 0..1.
    """

    rgb: tuple[int, int, int]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class MetadataObject:
    """One object in one frame.

    Args:
        object_id: the track's number; the same object keeps it from frame to frame.
        box: where it is.
        type_: a tt:ObjectType word (`Human`, `Vehicle`, `Bicycle`, …) or the device's own; empty when unknown.
        likelihood: 0..1 of `type_`.
        vehicle: a tt:VehicleType word, empty when it is none or unknown.
        tops, bottoms: clothing colours of the upper and lower body, strongest first.
        colours: colours of the whole object (a vehicle's paint), strongest first.
    """

    object_id: int
    box: MetadataBox
    type_: str = ""
    likelihood: float = 1.0
    vehicle: str = ""
    tops: tuple[ColourCluster, ...] = ()
    bottoms: tuple[ColourCluster, ...] = ()
    colours: tuple[ColourCluster, ...] = ()


@dataclass(frozen=True, slots=True)
class MetadataFrame:
    """What one picture shows.

    Args:
        utc: the picture's own time, aware.
        objects: in drawing order.
        source: the video source token, empty when the stream has only one.
        deleted: object ids that will not appear again (ObjectTree/Delete, 5.1.3.2.4).
    """

    utc: datetime
    objects: tuple[MetadataObject, ...] = ()
    source: str = ""
    deleted: tuple[int, ...] = ()


def document(frames: Iterable[MetadataFrame], events: Iterable[etree._Element] = ()) -> bytes:
    """One complete `tt:MetadataStream` document, what one RTP marker bit closes (Streaming Specification 5.1.2.1.1).

    Args:
        frames: oldest first; may be empty.
        events: ready `wsnt:NotificationMessage` elements (`onvif.events.message`).
    """
    root = etree.Element(_tt("MetadataStream"), nsmap={"tt": TT, "bd": BD})
    for frame in frames:
        # One VideoAnalytics per frame: what every reader of a live stream expects.
        etree.SubElement(root, _tt("VideoAnalytics")).append(frame_element(frame))
    messages = list(events)
    if messages:
        stream = etree.SubElement(root, _tt("Event"))
        for message in messages:
            stream.append(message)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def parse(data: bytes) -> tuple[MetadataFrame, ...]:
    """The frames of one document; events, PTZ and unknown elements are skipped.

    Total: any bytes give frames or `NotOnvif`. An object without a usable id or box is left out, for one device's
    slip must not cost the operator the rest of the picture.

    Raises:
        NotOnvif: not well-formed XML, another root element, or larger than any honest document.
    """
    root = parse_root(data)
    frames = []
    for element in root.iter(_tt("Frame")):
        utc = parse_utc(element.get("UtcTime", ""))
        objects = [
            found
            for item in element.findall(_tt("Object"))[:_MAX_OBJECTS]
            if (found := _parse_object(item)) is not None
        ]
        deleted = [
            number
            for item in element.findall(f"{_tt('ObjectTree')}/{_tt('Delete')}")[:_MAX_OBJECTS]
            if (number := _whole(item.get("ObjectId"))) is not None
        ]
        frames.append(MetadataFrame(utc, tuple(objects), element.get("Source", ""), tuple(deleted)))
    return tuple(frames)


def parse_root(data: bytes) -> etree._Element:
    """The `tt:MetadataStream` element of `data`; entities are never expanded, nothing is fetched.

    Raises:
        NotOnvif: as `parse`.
    """
    root = read(data, limit=MAX_DOCUMENT_BYTES, what="The metadata document")
    if root.tag != _tt("MetadataStream"):
        raise NotOnvif(f"The metadata document starts with {str(root.tag)[:80]!r} instead of tt:MetadataStream.")
    return root


def utc_text(utc: datetime) -> str:
    """xs:dateTime in UTC with milliseconds, as `2026-05-04T03:02:01.000Z`."""
    return utc.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_DATE_TIME: Final = re.compile(r"\s*(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,12}))?(Z|[+-]\d\d:\d\d)?\s*", re.ASCII)


def parse_utc(text: str) -> datetime:
    """xs:dateTime → aware datetime; without a zone it is taken as UTC, as ONVIF devices mean it.

    Raises:
        NotOnvif: not an xs:dateTime of the years 1 to 9999.
    """
    found = _DATE_TIME.fullmatch(text)
    if found is None:
        raise NotOnvif(f"{text[:40]!r} is not an xs:dateTime.")
    whole, fraction, zone = found.groups()
    micros = ((fraction or "") + "000000")[:6]
    try:
        return datetime.fromisoformat(f"{whole}.{micros}{'+00:00' if zone in (None, 'Z') else zone}").astimezone(UTC)
    except (ValueError, OverflowError) as broken:
        raise NotOnvif(f"{text[:40]!r} is not an xs:dateTime: {broken}") from broken


def _tt(name: str) -> str:
    return f"{{{TT}}}{name}"


def _bd(name: str) -> str:
    return f"{{{BD}}}{name}"


def frame_element(frame: MetadataFrame) -> etree._Element:
    """One `tt:Frame`."""
    element = etree.Element(_tt("Frame"), UtcTime=utc_text(frame.utc))
    if frame.source:
        element.set("Source", frame.source)
    for item in frame.objects:
        element.append(_object(item))
    if frame.deleted:
        tree = etree.SubElement(element, _tt("ObjectTree"))
        for number in frame.deleted:
            etree.SubElement(tree, _tt("Delete"), ObjectId=str(number))
    return element


def _object(item: MetadataObject) -> etree._Element:
    element = etree.Element(_tt("Object"), ObjectId=str(item.object_id))
    appearance = etree.SubElement(element, _tt("Appearance"))
    shape = etree.SubElement(appearance, _tt("Shape"))
    box = item.box
    etree.SubElement(
        shape,
        _tt("BoundingBox"),
        bottom=_number(box.bottom),
        top=_number(box.top),
        right=_number(box.right),
        left=_number(box.left),
    )
    x, y = box.centre
    etree.SubElement(shape, _tt("CenterOfGravity"), x=_number(x), y=_number(y))
    if item.colours:
        appearance.append(_colours(_tt("Color"), item.colours))
    if item.type_:
        kind = etree.SubElement(
            etree.SubElement(appearance, _tt("Class")), _tt("Type"), Likelihood=_number(item.likelihood)
        )
        kind.text = item.type_
    if item.vehicle:
        vehicle = etree.SubElement(appearance, _tt("VehicleInfo"))
        etree.SubElement(vehicle, _tt("Type"), Likelihood=_number(item.likelihood)).text = item.vehicle
        if item.colours:
            vehicle.append(_colours(_tt("Color"), item.colours))
    if item.tops or item.bottoms:
        clothing = etree.SubElement(etree.SubElement(appearance, _tt("HumanBody")), _bd("Clothing"))
        for name, colours in (("Tops", item.tops), ("Bottoms", item.bottoms)):
            if colours:
                etree.SubElement(clothing, _bd(name)).append(_colours(_bd("Color"), colours))
    return element


def _colours(tag: str, colours: Iterable[ColourCluster]) -> etree._Element:
    descriptor = etree.Element(tag)
    for colour in colours:
        cluster = etree.SubElement(descriptor, _tt("ColorCluster"))
        red, green, blue = colour.rgb
        etree.SubElement(cluster, _tt("Color"), X=str(red), Y=str(green), Z=str(blue), Colorspace=RGB)
        etree.SubElement(cluster, _tt("Weight")).text = _number(colour.weight)
    return descriptor


def _number(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".") or "0"


def _parse_object(element: etree._Element) -> MetadataObject | None:
    number = _whole(element.get("ObjectId"))
    appearance = element.find(_tt("Appearance"))
    if number is None or appearance is None:
        return None
    box = _parse_box(appearance.find(f"{_tt('Shape')}/{_tt('BoundingBox')}"))
    if box is None:
        return None
    kinds = [
        ((kind.text or "").strip(), _real(kind.get("Likelihood"), 1.0))
        for kind in appearance.findall(f"{_tt('Class')}/{_tt('Type')}")
    ]
    type_, likelihood = max(kinds, key=lambda kind: kind[1], default=("", 1.0))
    vehicle = (appearance.findtext(f"{_tt('VehicleInfo')}/{_tt('Type')}") or "").strip()
    clothing = f"{_tt('HumanBody')}/{_bd('Clothing')}"
    return MetadataObject(
        number,
        box,
        type_,
        min(1.0, max(0.0, likelihood)),
        vehicle,
        tops=_parse_colours(appearance.find(f"{clothing}/{_bd('Tops')}/{_bd('Color')}")),
        bottoms=_parse_colours(appearance.find(f"{clothing}/{_bd('Bottoms')}/{_bd('Color')}")),
        colours=_parse_colours(appearance.find(f"{_tt('VehicleInfo')}/{_tt('Color')}"))
        or _parse_colours(appearance.find(_tt("Color"))),
    )


def _parse_box(element: etree._Element | None) -> MetadataBox | None:
    if element is None:
        return None
    edges = [_real(element.get(name), math.nan) for name in ("left", "top", "right", "bottom")]
    if any(math.isnan(edge) for edge in edges):
        return None
    # Devices without normalisation exist; cutting keeps every consumer's arithmetic inside the picture.
    left, top, right, bottom = (min(1.0, max(-1.0, edge)) for edge in edges)
    return MetadataBox(min(left, right), max(top, bottom), max(left, right), min(top, bottom))


def _parse_colours(element: etree._Element | None) -> tuple[ColourCluster, ...]:
    if element is None:
        return ()
    colours = []
    for cluster in element.findall(_tt("ColorCluster"))[:16]:
        colour = cluster.find(_tt("Color"))
        # tt:Color without @Colorspace is YCbCr by default; only RGB is spoken here, others are skipped.
        if colour is None or colour.get("Colorspace") != RGB:
            continue
        parts = [_real(colour.get(name), math.nan) for name in "XYZ"]
        if any(math.isnan(part) for part in parts):
            continue
        red, green, blue = (int(min(255.0, max(0.0, part))) for part in parts)
        weight = _real(cluster.findtext(_tt("Weight")), 1.0)
        colours.append(ColourCluster((red, green, blue), min(1.0, max(0.0, weight))))
    return tuple(colours)


def _whole(text: str | None) -> int | None:
    if text is None or not re.fullmatch(r"\s*[+-]?\d{1,18}\s*", text, re.ASCII):
        return None
    return int(text)


def _real(text: str | None, default: float) -> float:
    try:
        value = float(text) if text is not None else default
    except ValueError:
        return default
    return value if math.isfinite(value) else default
