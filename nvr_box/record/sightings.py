"""What the camera itself saw, beside its video: boxes of its tracks per picture, out of the ONVIF metadata track.

A masked picture may leave nothing for a detector to find, so the objects of a frozen picture are the camera's own.
They lie in a file next to their segment (`START_US.seen`), appended as they come. Layout per picture, big endian:
u64 UTC µs, u8 n, then n × (u32 track, u8 class, u16 x0, y0, x1, y1 in 1/65535 of the picture's sides). Where the class
has its highest bit set, the colours of clothes or paint follow: u8 m, then m × (u8 part, u8 red, green, blue, u8 weight
in 1/255). A tail that was cut off by a crash is passed over.
"""

import bisect
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from onvif import metadata
from onvif.errors import NotOnvif
from wire.features.vocabulary import BodyPart, ObjectClass

SUFFIX = ".seen"
_HEAD, _OBJECT, _COLOUR = struct.Struct(">QB"), struct.Struct(">IB4H"), struct.Struct(">5B")
_SCALE = 65_535
_COLOURED = 0x80
_MOST_COLOURS = 4
"""Of one part; a camera of ours tells fewer."""
_MOST_OBJECTS = 255
_MOST_BYTES = 1 << 20
# Two looks of a camera further apart than this say nothing about the time between.
_APART_US = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CLOSING = b"MetadataStream>"
_TAIL_BYTES = 64
_EVENT = b"NotificationMessage"
_CLASSES = {
    "Human": ObjectClass.PERSON,
    "Bicycle": ObjectClass.BICYCLE,
    "Car": ObjectClass.CAR,
    "Motorcycle": ObjectClass.MOTORCYCLE,
    "Bus": ObjectClass.BUS,
    "Truck": ObjectClass.TRUCK,
    "Vehicle": ObjectClass.CAR,
}


@dataclass(frozen=True, slots=True)
class SightedObject:
    """One object of one picture; `box` is x0, y0, x1, y1 as shares 0..1 of the picture, y downwards.

    Args:
        colours: what the camera reported of clothes (UPPER, LOWER) and paint (BODY), strongest first.
    """

    track: int
    object_class: ObjectClass
    box: tuple[float, float, float, float]
    colours: tuple[tuple[BodyPart, metadata.ColourCluster], ...] = ()


@dataclass(frozen=True, slots=True)
class Sighting:
    """Everything the camera saw in one picture."""

    utc_us: int
    objects: tuple[SightedObject, ...]


class Documents:
    """Whole `tt:MetadataStream` documents out of RTP payloads, whose borders libavformat does not tell.

    Args:
        take: called with the sightings of each document; what is no document is passed over.
        on_events: called with each document that has events in it.
    """

    def __init__(
        self, take: Callable[[list[Sighting]], None], on_events: Callable[[bytes], None] = lambda _document: None
    ) -> None:
        self._take, self._on_events = take, on_events
        self._held = bytearray()

    def feed(self, payload: bytes) -> None:
        """One RTP payload."""
        if payload.lstrip()[:5] == b"<?xml" or len(self._held) > _MOST_BYTES:
            self._held.clear()
        self._held += payload
        # The end alone: a copy of all that is held for each payload would cost its square.
        if self._held[-_TAIL_BYTES:].rstrip().endswith(_CLOSING):
            document = bytes(self._held)
            self._held.clear()
            found = read_document(document)
            if found:
                self._take(found)
            if _EVENT in document:
                self._on_events(document)


def read_document(document: bytes) -> list[Sighting]:
    """The sightings of a metadata document; none when it is not one."""
    try:
        frames = metadata.parse(document)
    except NotOnvif:
        return []
    return [
        Sighting(
            (frame.utc - _EPOCH) // timedelta(microseconds=1),
            tuple(seen for each in frame.objects if (seen := _seen(each)) is not None),
        )
        for frame in frames
    ]


def pack(sighting: Sighting) -> bytes:
    """As it is appended."""
    objects = sighting.objects[:_MOST_OBJECTS]
    return _HEAD.pack(max(0, sighting.utc_us), len(objects)) + b"".join(_packed(each) for each in objects)


def _packed(seen: SightedObject) -> bytes:
    edges = (_share(edge, _SCALE) for edge in seen.box)
    kind = seen.object_class | (_COLOURED if seen.colours else 0)
    whole = _OBJECT.pack(seen.track & 0xFFFFFFFF, kind, *edges)
    if seen.colours:
        whole += bytes([len(seen.colours)])
    return whole + b"".join(
        _COLOUR.pack(part, *colour.rgb, _share(colour.weight, 255)) for part, colour in seen.colours
    )


def unpack(data: bytes) -> list[Sighting]:
    """Every whole sighting; objects of a class that this program does not know are left out."""
    found = []
    at = 0
    try:
        while at + _HEAD.size <= len(data):
            utc_us, count = _HEAD.unpack_from(data, at)
            at += _HEAD.size
            objects = []
            for _ in range(count):
                seen, at = _unpacked(data, at)
                if seen is not None:
                    objects.append(seen)
            found.append(Sighting(utc_us, tuple(objects)))
    except (struct.error, IndexError):
        pass  # cut off here
    return found


def _unpacked(data: bytes, at: int) -> tuple[SightedObject | None, int]:
    """One object and where the next begins; struct.error or IndexError where it is cut off."""
    track, kind, *edges = _OBJECT.unpack_from(data, at)
    at += _OBJECT.size
    colours = []
    if kind & _COLOURED:
        count, at = data[at], at + 1
        for _ in range(count):
            part, red, green, blue, weight = _COLOUR.unpack_from(data, at)
            at += _COLOUR.size
            if part in BodyPart._value2member_map_:
                colours.append((BodyPart(part), metadata.ColourCluster((red, green, blue), weight / 255)))
    if kind & ~_COLOURED not in ObjectClass._value2member_map_:
        return None, at
    x0, y0, x1, y1 = (edge / _SCALE for edge in edges)
    return SightedObject(track, ObjectClass(kind & ~_COLOURED), (x0, y0, x1, y1), tuple(colours)), at


def kept(file: Path) -> list[Sighting]:
    """What lies in a file, in the order in which it came; nothing when there is no such file."""
    try:
        return unpack(file.read_bytes())
    except FileNotFoundError:
        return []


def shown(files: Iterable[Path], utc_us: int) -> Sighting | None:
    """What the camera saw at `utc_us`, out of these files; None when it said nothing near that time.

    A busy camera looks at some pictures only: boxes between two looks are where the track moved in a straight line,
    and a track that only the nearer look has stays where that saw it.
    """
    found: list[Sighting] = []
    for file in files:
        found += kept(file)
    found.sort(key=lambda each: each.utc_us)
    at = bisect.bisect_left(found, utc_us, key=lambda each: each.utc_us)
    near = [each for each in found[max(0, at - 1) : at + 1] if abs(each.utc_us - utc_us) <= _APART_US]
    if not near:
        return None
    nearer, *other = sorted(near, key=lambda each: abs(each.utc_us - utc_us))
    if not other or nearer.utc_us == utc_us:
        return Sighting(utc_us, nearer.objects)
    share = (utc_us - nearer.utc_us) / (other[0].utc_us - nearer.utc_us)
    elsewhere = {each.track: each.box for each in other[0].objects}
    return Sighting(utc_us, tuple(_between(each, elsewhere.get(each.track), share) for each in nearer.objects))


def _between(seen: SightedObject, other: tuple[float, float, float, float] | None, share: float) -> SightedObject:
    if other is None:
        return seen
    x0, y0, x1, y1 = (a + (b - a) * share for a, b in zip(seen.box, other, strict=True))
    return replace(seen, box=(x0, y0, x1, y1))


def _seen(found: metadata.MetadataObject) -> SightedObject | None:
    object_class = _CLASSES.get(found.vehicle) or _CLASSES.get(found.type_)
    if object_class is None:
        return None
    # ONVIF Analytics 5.1.2.2: -1..1, y upwards.
    box = found.box
    edges = ((box.left + 1) / 2, (1 - box.top) / 2, (box.right + 1) / 2, (1 - box.bottom) / 2)
    parts = ((BodyPart.UPPER, found.tops), (BodyPart.LOWER, found.bottoms), (BodyPart.BODY, found.colours))
    colours = tuple((part, colour) for part, names in parts for colour in names[:_MOST_COLOURS])
    return SightedObject(found.object_id, object_class, edges, colours)


def _share(value: float, scale: int) -> int:
    return round(min(1.0, max(0.0, value)) * scale)
