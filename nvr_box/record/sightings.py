"""What the camera itself saw, beside its video: boxes of its tracks per picture, out of the ONVIF metadata track.

A masked picture may leave nothing for a detector to find, so the objects of a frozen picture are the camera's own.
They lie in a file next to their segment (`START_US.seen`), appended as they come. Layout per picture, big endian:
u64 UTC µs, u8 n, then n × (u32 track, u8 class, u16 x0, y0, x1, y1 in 1/65535 of the picture's sides). A tail that was
cut off by a crash is passed over.
"""

import bisect
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from onvif import metadata
from onvif.errors import NotOnvif
from wire.features.vocabulary import ObjectClass

SUFFIX = ".seen"
_HEAD, _OBJECT = struct.Struct(">QB"), struct.Struct(">IB4H")
_SCALE = 65_535
_MOST_OBJECTS = 255
_MOST_BYTES = 1 << 20
# Two looks of a camera further apart than this say nothing about the time between.
_APART_US = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CLOSING = b"MetadataStream>"
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
class Seen:
    """One object of one picture; `box` is x0, y0, x1, y1 as shares 0..1 of the picture, y downwards."""

    track: int
    object_class: ObjectClass
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Sighting:
    """Everything the camera saw in one picture."""

    utc_us: int
    objects: tuple[Seen, ...]


class Documents:
    """Whole `tt:MetadataStream` documents out of RTP payloads, whose borders libavformat does not tell.

    Args:
        take: called with the sightings of each document; what is no document is passed over.
        told: called with each document that has events in it.
    """

    def __init__(
        self, take: Callable[[list[Sighting]], None], told: Callable[[bytes], None] = lambda _document: None
    ) -> None:
        self._take, self._told = take, told
        self._held = bytearray()

    def feed(self, payload: bytes) -> None:
        """One RTP payload."""
        if payload.lstrip()[:5] == b"<?xml" or len(self._held) > _MOST_BYTES:
            self._held.clear()
        self._held += payload
        if self._held.rstrip().endswith(_CLOSING):
            document = bytes(self._held)
            self._held.clear()
            found = read_document(document)
            if found:
                self._take(found)
            if _EVENT in document:
                self._told(document)


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
    return _HEAD.pack(max(0, sighting.utc_us), len(objects)) + b"".join(
        _OBJECT.pack(each.track & 0xFFFFFFFF, each.object_class, *(_share(edge) for edge in each.box))
        for each in objects
    )


def unpack(data: bytes) -> list[Sighting]:
    """Every whole sighting; objects of a class that this program does not know are left out."""
    found = []
    at = 0
    while at + _HEAD.size <= len(data):
        utc_us, count = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        if at + count * _OBJECT.size > len(data):
            break
        objects = []
        for _ in range(count):
            track, object_class, *edges = _OBJECT.unpack_from(data, at)
            at += _OBJECT.size
            if object_class in ObjectClass._value2member_map_:
                x0, y0, x1, y1 = (edge / _SCALE for edge in edges)
                objects.append(Seen(track, ObjectClass(object_class), (x0, y0, x1, y1)))
        found.append(Sighting(utc_us, tuple(objects)))
    return found


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


def _between(seen: Seen, other: tuple[float, float, float, float] | None, share: float) -> Seen:
    if other is None:
        return seen
    x0, y0, x1, y1 = (a + (b - a) * share for a, b in zip(seen.box, other, strict=True))
    return Seen(seen.track, seen.object_class, (x0, y0, x1, y1))


def _seen(found: metadata.Object) -> Seen | None:
    object_class = _CLASSES.get(found.vehicle) or _CLASSES.get(found.type_)
    if object_class is None:
        return None
    # ONVIF Analytics 5.1.2.2: -1..1, y upwards.
    box = found.box
    edges = ((box.left + 1) / 2, (1 - box.top) / 2, (box.right + 1) / 2, (1 - box.bottom) / 2)
    return Seen(found.object_id, object_class, edges)


def _share(value: float) -> int:
    return round(min(1.0, max(0.0, value)) * _SCALE)
