"""One passage of one object as bytes: fixed header, then typed length-prefixed fields. See `wire/features.md`.

Bytes in, bytes out; no keys here. Parsing is total: a `FeaturePacket` or `WireError`.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, unique
from typing import TypeVar

from base.errors import Truncated, Unsupported, WireError
from wire.features.vocabulary import CHOICES, QUANTITY_STEP, Attribute, BodyPart, CodeKind, Colour, ObjectClass

MAGIC = b"VF"
VERSION = 1
MAX_BYTES = 256 * 1024
MAX_CODE_DIMS = 4096
FULL_SCALE = 65535
_HEADER = struct.Struct(">2sBBI8sII6sIIB4H")
_FIELD = struct.Struct(">BI")
_SHORT, _LONG_BIT = 0x7F, 0x80

Word = TypeVar("Word", bound=IntEnum)


@unique
class Field(IntEnum):
    """Types of the fields after the header; a reader passes over one that it does not know."""

    CODE = 1
    COLOURS = 2
    ATTRIBUTES = 3
    THUMBNAIL = 4
    PROVENANCE = 6


_KNOWN = {int(kind) for kind in Field}


@dataclass(frozen=True, slots=True)
class AppearanceCode:
    """What an appearance network made of an object; comparable only with codes of the same `model`.

    `data` holds `dims` signed bytes (INT8), or `dims` bits, first bit in the highest place (BITS).
    """

    model: str
    kind: CodeKind
    dims: int
    data: bytes

    def __post_init__(self) -> None:
        if not (0 < self.dims <= MAX_CODE_DIMS) or len(self.data) != self.kind.size(self.dims):
            raise WireError(f"appearance code of {self.dims} {self.kind.name} in {len(self.data)} bytes")
        if not 0 < len(self.model.encode()) <= 64:
            raise WireError("an appearance code wants a model name of 1 to 64 bytes")


@dataclass(frozen=True, slots=True)
class ColourShare:
    """How much of a part has a colour: `share` 0..1, kept in steps of 1/255."""

    part: BodyPart
    colour: Colour
    share: float


@dataclass(frozen=True, slots=True)
class AttributeValue:
    """`value` indexes `CHOICES[attribute]`, or counts steps of `QUANTITY_STEP[attribute]`; `confidence` 0..1."""

    attribute: Attribute
    value: int
    confidence: float

    def __post_init__(self) -> None:
        choices = CHOICES.get(self.attribute)
        if not 0 <= self.value < (len(choices) if choices else 256):
            raise WireError(f"{self.attribute.name} has no value {self.value}")

    @property
    def word(self) -> str:
        """The value as a word of the closed list; a quantity as a number."""
        choices = CHOICES.get(self.attribute)
        return choices[self.value] if choices else f"{self.value * QUANTITY_STEP[self.attribute]:.2f}"


@dataclass(frozen=True, kw_only=True)
class FeaturePacket:
    """One object's passage in front of one camera.

    Args:
        camera_id: 8 bytes.
        sequence: counts up per camera, never reused: with `camera_id` the packet's name.
        first_utc_ms, best_utc_ms, last_utc_ms: milliseconds since 1970.
        quality: of the best shot, 0..1, kept in steps of 1/255.
        box: x, y, width, height of the best shot, in 1/65535 of the picture's sides.
        codes: appearance; the first is the one to search with.
        thumbnail: the best shot, a masked JPEG with the original sealed inside (`wire/thumbnail.md`); empty for none.
        provenance: the models used, for instance "nanodet-g@1 colours@1".
    """

    camera_id: bytes
    sequence: int
    track_id: int
    class_: ObjectClass
    first_utc_ms: int
    best_utc_ms: int
    last_utc_ms: int
    quality: float
    box: tuple[int, int, int, int]
    codes: tuple[AppearanceCode, ...] = ()
    colours: tuple[ColourShare, ...] = ()
    attributes: tuple[AttributeValue, ...] = ()
    thumbnail: bytes = b""
    provenance: str = ""

    def __post_init__(self) -> None:
        if len(self.camera_id) != 8:
            raise WireError("a camera identifier has 8 bytes")
        if not (0 <= self.sequence < 2**32 and 0 <= self.track_id < 2**32):
            raise WireError("sequence and track_id have 32 bits")
        spans = self.best_utc_ms - self.first_utc_ms, self.last_utc_ms - self.first_utc_ms
        if not 0 <= self.first_utc_ms < 2**48 or not 0 <= spans[0] <= spans[1] < 2**32:
            raise WireError("times of a passage are first <= best <= last")
        if any(not 0 <= side <= FULL_SCALE for side in self.box):
            raise WireError("a box has four numbers of 0 to 65535")

    @property
    def fraction_box(self) -> tuple[float, float, float, float]:
        """`box` as fractions of the picture's sides."""
        x, y, w, h = self.box
        return x / FULL_SCALE, y / FULL_SCALE, w / FULL_SCALE, h / FULL_SCALE

    def __bytes__(self) -> bytes:
        """The packet as it is sealed.

        Raises:
            WireError: it would be longer than 256 KiB.
        """
        fields = b"".join(_field(kind, body) for kind, body in self._fields() if body)
        size = _HEADER.size + len(fields)
        if size > MAX_BYTES:
            raise WireError(f"packet of {size} bytes, at most {MAX_BYTES}")
        head = _HEADER.pack(
            MAGIC, VERSION, self.class_, size, self.camera_id, self.sequence, self.track_id,
            self.first_utc_ms.to_bytes(6, "big"), self.best_utc_ms - self.first_utc_ms,
            self.last_utc_ms - self.first_utc_ms, _byte(self.quality), *self.box,
        )  # fmt: skip
        return head + fields

    def _fields(self) -> Iterator[tuple[Field, bytes]]:
        for code in self.codes:
            model = code.model.encode()
            yield Field.CODE, bytes((len(model),)) + model + struct.pack(">BH", code.kind, code.dims) + code.data
        yield Field.COLOURS, b"".join(bytes((c.part << 4 | c.colour, _byte(c.share))) for c in self.colours)
        yield (
            Field.ATTRIBUTES,
            b"".join(bytes((a.attribute, a.value, _byte(a.confidence))) for a in self.attributes),
        )
        yield Field.THUMBNAIL, self.thumbnail
        yield Field.PROVENANCE, self.provenance.encode()


def parse(data: bytes) -> FeaturePacket:
    """Read one packet.

    Raises:
        Truncated: it stops before its length says.
        Unsupported: another version.
        WireError: anything outside the layout or the closed vocabulary.
    """
    if len(data) < _HEADER.size:
        raise Truncated("feature packet", at=len(data))
    magic, version, class_, size, *rest = _HEADER.unpack_from(data)
    camera_id, sequence, track_id, first, best, last, quality, *box = rest
    if magic != MAGIC:
        raise WireError("not a feature packet", at=0)
    if version != VERSION:
        raise Unsupported(f"feature packet of version {version}, this program speaks {VERSION}", at=2)
    if size > MAX_BYTES:
        raise WireError(f"packet of {size} bytes, at most {MAX_BYTES}", at=4)
    if size > len(data):
        raise Truncated(f"packet of {size} bytes", at=len(data))
    if size < len(data):
        raise WireError("bytes after the packet", at=size)
    found: dict[Field, list[tuple[int, bytes]]] = {kind: [] for kind in Field}
    for kind, at, body in _split(data, _HEADER.size):
        if kind in _KNOWN:
            found[Field(kind)].append((at, body))
    first_utc_ms = int.from_bytes(first, "big")
    return FeaturePacket(
        camera_id=camera_id,
        sequence=sequence,
        track_id=track_id,
        class_=_word(ObjectClass, class_, 3),
        first_utc_ms=first_utc_ms,
        best_utc_ms=first_utc_ms + best,
        last_utc_ms=first_utc_ms + last,
        quality=quality / 255,
        box=(box[0], box[1], box[2], box[3]),
        codes=tuple(_parse_code(at, body) for at, body in found[Field.CODE]),
        colours=tuple(share for at, body in found[Field.COLOURS] for share in _parse_colours(at, body)),
        attributes=tuple(value for at, body in found[Field.ATTRIBUTES] for value in _parse_attributes(at, body)),
        thumbnail=_single(found, Field.THUMBNAIL),
        provenance=_text(_single(found, Field.PROVENANCE)),
    )


def _field(kind: Field, body: bytes) -> bytes:
    """u8 type, then the length in one byte below 128, else in four with the highest bit set."""
    if len(body) <= _SHORT:
        return bytes((kind, len(body))) + body
    return _FIELD.pack(kind, len(body) | _LONG_BIT << 24) + body


def _split(data: bytes, at: int) -> Iterator[tuple[int, int, bytes]]:
    while at < len(data):
        if at + 2 > len(data):
            raise Truncated("field", at=at)
        kind, size = data[at], data[at + 1]
        body = at + 2
        if size & _LONG_BIT:
            if at + _FIELD.size > len(data):
                raise Truncated("field length", at=at)
            size = _FIELD.unpack_from(data, at)[1] & ~(_LONG_BIT << 24)
            body = at + _FIELD.size
        if body + size > len(data):
            raise Truncated(f"field {kind} of {size} bytes", at=at)
        yield kind, body, data[body : body + size]
        at = body + size


def _parse_code(at: int, body: bytes) -> AppearanceCode:
    if not body or len(body) < 4 + body[0]:
        raise Truncated("appearance code", at=at)
    cut = 1 + body[0]
    kind, dims = struct.unpack_from(">BH", body, cut)
    return AppearanceCode(_text(body[1:cut]), _word(CodeKind, kind, at + cut), dims, body[cut + 3 :])


def _parse_colours(at: int, body: bytes) -> list[ColourShare]:
    if len(body) % 2:
        raise Truncated("colour share", at=at + len(body))
    return [
        ColourShare(_word(BodyPart, body[i] >> 4, at + i), _word(Colour, body[i] & 15, at + i), body[i + 1] / 255)
        for i in range(0, len(body), 2)
    ]


def _parse_attributes(at: int, body: bytes) -> list[AttributeValue]:
    if len(body) % 3:
        raise Truncated("attribute", at=at + len(body))
    return [
        AttributeValue(_word(Attribute, body[i], at + i), body[i + 1], body[i + 2] / 255)
        for i in range(0, len(body), 3)
    ]


def _single(found: dict[Field, list[tuple[int, bytes]]], kind: Field) -> bytes:
    if len(found[kind]) > 1:
        raise WireError(f"more than one {kind.name} field", at=found[kind][1][0])
    return found[kind][0][1] if found[kind] else b""


def _text(body: bytes) -> str:
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise WireError("a name that is not UTF-8") from error
    if not text.isprintable():
        raise WireError("a name with control characters")
    return text


def _word(words: type[Word], number: int, at: int) -> Word:
    try:
        return words(number)
    except ValueError as error:
        raise WireError(f"{words.__name__} {number} is not in the closed vocabulary", at=at) from error


def _byte(share: float) -> int:
    return round(min(1.0, max(0.0, share)) * 255)
