"""The feature packet: round trips, one refusal per rule, every byte string, and what it must never be able to say."""

import contextlib
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.errors import SealError, Truncated, Unsupported, WireError
from wire.features import packet as packets
from wire.features import vocabulary
from wire.features.packet import AppearanceCode, AttributeValue, ColourShare, FeaturePacket, parse
from wire.features.seal import HEAD_BYTES, camera_of, open_sealed, seal
from wire.features.vocabulary import CHOICES, QUANTITY_STEP, Attribute, BodyPart, CodeKind, Colour, ObjectClass
from wire.keys import Identity, SigningKey

BYTE_SHARE = st.integers(0, 255).map(lambda n: n / 255)
NAME = st.text(st.characters(codec="ascii", min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)


@st.composite
def codes(draw):
    kind = draw(st.sampled_from(CodeKind))
    dims = draw(st.integers(1, 600))
    size = kind.size(dims)
    return AppearanceCode(draw(NAME), kind, dims, draw(st.binary(min_size=size, max_size=size)))


@st.composite
def attribute_values(draw):
    attribute = draw(st.sampled_from(Attribute))
    top = len(CHOICES[attribute]) - 1 if attribute in CHOICES else 255
    return AttributeValue(attribute, draw(st.integers(0, top)), draw(BYTE_SHARE))


@st.composite
def any_packets(draw):
    first = draw(st.integers(0, 2**47))
    best = first + draw(st.integers(0, 2**31))
    return FeaturePacket(
        camera_id=draw(st.binary(min_size=8, max_size=8)),
        sequence=draw(st.integers(0, 2**32 - 1)),
        track_id=draw(st.integers(0, 2**32 - 1)),
        class_=draw(st.sampled_from(ObjectClass)),
        first_utc_ms=first,
        best_utc_ms=best,
        last_utc_ms=best + draw(st.integers(0, 2**31 - 1)),
        quality=draw(BYTE_SHARE),
        box=draw(st.tuples(*[st.integers(0, 65535)] * 4)),
        codes=tuple(draw(st.lists(codes(), max_size=3))),
        colours=tuple(
            draw(
                st.lists(
                    st.builds(ColourShare, st.sampled_from(BodyPart), st.sampled_from(Colour), BYTE_SHARE), max_size=6
                )
            )
        ),
        attributes=tuple(draw(st.lists(attribute_values(), max_size=8))),
        thumbnail=draw(st.binary(max_size=300)),
        provenance=draw(NAME | st.just("")),
    )


EXAMPLE = FeaturePacket(
    camera_id=b"camera01",
    sequence=7,
    track_id=12,
    class_=ObjectClass.PERSON,
    first_utc_ms=1_790_000_000_000,
    best_utc_ms=1_790_000_001_500,
    last_utc_ms=1_790_000_004_000,
    quality=0.8,
    box=(6553, 13107, 4000, 19660),
    codes=(AppearanceCode("market64-1", CodeKind.INT8, 64, bytes(range(64))),),
    colours=(
        ColourShare(BodyPart.UPPER, Colour.RED, 0.8),
        ColourShare(BodyPart.UPPER, Colour.WHITE, 0.2),
        ColourShare(BodyPart.LOWER, Colour.BLUE, 1.0),
        ColourShare(BodyPart.SHOES, Colour.UNKNOWN, 1.0),
    ),
    attributes=(
        AttributeValue(Attribute.TEXTURE, 1, 0.8),
        AttributeValue(Attribute.SLEEVE, 1, 0.6),
        AttributeValue(Attribute.BACKPACK, 1, 1.0),
        AttributeValue(Attribute.ASPECT, 26, 1.0),
        AttributeValue(Attribute.RELATIVE_HEIGHT, 128, 0.4),
    ),
)


@given(any_packets())
def test_packets_come_back(packet):
    assert parse(bytes(packet)) == packet


def test_a_full_description_without_thumbnail_fits_160_bytes():
    assert len(bytes(EXAMPLE)) <= 160


@given(st.binary(max_size=300))
def test_parsing_is_total(data):
    good = bytes(EXAMPLE)
    for attempt in (data, good[: packets._HEADER.size] + data, data + good):
        with contextlib.suppress(WireError):
            parse(attempt)


@given(st.data())
def test_changed_packets_are_read_or_refused(data):
    raw = bytearray(bytes(EXAMPLE))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(WireError):
        parse(bytes(raw))


def with_field(kind, body):
    raw = bytes(EXAMPLE) + bytes((kind, len(body))) + body
    return raw[:4] + len(raw).to_bytes(4, "big") + raw[8:]


def changed(at, value):
    raw = bytearray(bytes(EXAMPLE))
    raw[at] = value
    return bytes(raw)


@pytest.mark.parametrize(
    ("raw", "error", "says"),
    [
        (b"", Truncated, "feature packet"),
        (bytes(EXAMPLE)[:-1], Truncated, "packet of"),
        (bytes(EXAMPLE) + b"\x00", WireError, "after the packet"),
        (changed(0, 0), WireError, "not a feature packet"),
        (changed(2, 2), Unsupported, "version 2"),
        (changed(3, 6), WireError, "closed vocabulary"),
        (changed(4, 1), WireError, "at most"),
        (with_field(2, b"\x4c\xff"), WireError, "Part 4"),
        (with_field(2, b"\x0c\xff"), WireError, "Colour 12"),
        (with_field(2, b"\x0c"), Truncated, "colour share"),
        (with_field(3, b"\x0d\x00\xff"), WireError, "Attribute 13"),
        (with_field(3, b"\x00\x03\xff"), WireError, "TEXTURE has no value 3"),
        (with_field(3, b"\x00\x00"), Truncated, "attribute"),
        (with_field(1, b"\x01m\x02\x00\x01\x00"), WireError, "CodeKind 2"),
        (with_field(1, b"\x01m\x00\x00\x05\x00"), WireError, "5 INT8 in 1 bytes"),
        (with_field(1, b"\x00\x00\x00\x01\x00"), WireError, "model name"),
        (with_field(1, b"\x09m"), Truncated, "appearance code"),
        (with_field(6, b"\xff"), WireError, "UTF-8"),
        (with_field(6, b"a\nb"), WireError, "control"),
    ],
)
def test_one_refusal_per_rule(raw, error, says):
    with pytest.raises(error, match=says):
        parse(raw)


def test_an_unknown_field_is_passed_over():
    assert parse(with_field(200, b"from a newer camera")) == EXAMPLE_AS_READ


def test_a_second_thumbnail_is_refused():
    twice = with_field(4, b"one")
    twice = twice + b"\x04\x03two"
    with pytest.raises(WireError, match="more than one THUMBNAIL"):
        parse(twice[:4] + len(twice).to_bytes(4, "big") + twice[8:])


EXAMPLE_AS_READ = parse(bytes(EXAMPLE))


@pytest.mark.parametrize(
    "wrong",
    [
        {"camera_id": b"short"},
        {"sequence": -1},
        {"sequence": 2**32},
        {"best_utc_ms": 0},
        {"last_utc_ms": EXAMPLE.best_utc_ms - 1},
        {"box": (0, 0, 0, 65536)},
    ],
)
def test_a_packet_out_of_range_cannot_be_made(wrong):
    with pytest.raises(WireError):
        replace(EXAMPLE, **wrong)


def test_a_packet_that_is_too_long_cannot_be_made():
    with pytest.raises(WireError, match="at most"):
        bytes(replace(EXAMPLE, thumbnail=bytes(packets.MAX_BYTES)))


def test_sealed_packets_open_only_for_the_box_and_only_from_the_camera():
    box, camera = Identity.generate(), SigningKey.generate()
    blob = seal(EXAMPLE, box.recipient, camera)
    assert camera_of(blob) == EXAMPLE.camera_id
    assert open_sealed(blob, box, camera.public) == EXAMPLE_AS_READ
    with pytest.raises(SealError):
        open_sealed(blob, Identity.generate(), camera.public)
    with pytest.raises(SealError):
        open_sealed(blob, box, SigningKey.generate().public)


@given(st.integers(0), st.integers(0, 7))
def test_no_bit_of_a_sealed_packet_can_be_changed(at, bit):
    raw = bytearray(SEALED)
    raw[at % len(raw)] ^= 1 << bit
    with pytest.raises((SealError, WireError)):
        open_sealed(bytes(raw), BOX, CAMERA.public)


BOX, CAMERA = Identity.generate(), SigningKey.generate()
SEALED = seal(EXAMPLE, BOX.recipient, CAMERA)


@given(st.binary(max_size=300))
def test_opening_is_total(data):
    for attempt in (data, SEALED[:HEAD_BYTES] + data):
        with pytest.raises((SealError, WireError)):
            open_sealed(attempt, BOX, CAMERA.public)


def test_a_camera_cannot_speak_for_another():
    inside = replace(EXAMPLE, camera_id=b"camera02")
    head = SEALED[:HEAD_BYTES]
    from wire.features import seal as module

    forged = head + BOX.recipient.seal(bytes(inside), module._INFO + head)
    with pytest.raises(WireError, match="another camera"):
        open_sealed(forged + CAMERA.sign(module._CONTEXT + forged), BOX, CAMERA.public)


def test_nothing_a_person_is_born_with_can_be_said():
    """No word of the schema names it, nor does its source but for the rule's own sentence."""
    forbidden = re.compile(
        r"\b(face|facial|iris|gait|age|aged|gender|sex|male|female|skin|race|ethnic\w*|ancestry)\b", re.IGNORECASE
    )
    words = {name for enum in (ObjectClass, Colour, BodyPart, Attribute, CodeKind) for name in enum.__members__}
    words |= {word for choices in CHOICES.values() for word in choices}
    words |= set(FeaturePacket.__dataclass_fields__) | set(packets.Field.__members__)
    assert not [word for word in words if forbidden.search(word.replace("_", " "))]
    source = Path(vocabulary.__file__).read_text()
    said = [line for line in source.splitlines() if forbidden.search(line)]
    assert len(said) == 1
    assert "There is no face template" in said[0]


def test_every_attribute_has_choices_or_a_step():
    assert set(CHOICES) | set(QUANTITY_STEP) == set(Attribute)
    assert not set(CHOICES) & set(QUANTITY_STEP)
    assert AttributeValue(Attribute.HAT, 1, 1.0).word == "yes"
    assert AttributeValue(Attribute.RELATIVE_HEIGHT, 128, 1.0).word == "1.00"
