"""The analytics metadata stream against the ONVIF schemas, its own reader, and hostile bytes."""

import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st

import onvif
from onvif.errors import NotOnvif
from onvif.metadata import (
    RGB,
    ColourCluster,
    MetadataBox,
    MetadataFrame,
    MetadataObject,
    document,
    parse,
    parse_utc,
    utc_text,
)

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
WALKER = MetadataObject(
    7, MetadataBox(-0.5, 0.5, -0.25, -0.5), "Human", 0.9,
    tops=(ColourCluster((200, 30, 40), 0.7), ColourCluster((20, 20, 20), 0.3)), bottoms=(ColourCluster((10, 20, 90)),),
)  # fmt: skip
CAR = MetadataObject(
    8, MetadataBox(0.0, 0.0, 0.5, -0.25), "Vehicle", 0.75, vehicle="Car", colours=(ColourCluster((255, 255, 255), 0.5),)
)


@pytest.fixture(scope="module")
def schema():
    root = Path(onvif.__file__).parent / "wsdl"
    # metadatastream.xsd uses tt:PTZStatus, which common.xsd defines; onvif.xsd brings the tt:Message of events.
    return xmlschema.XMLSchema11(
        [str(root / "ver10/schema/metadatastream.xsd"), str(root / "ver10/schema/onvif.xsd")], allow="local"
    )


def test_every_element_is_valid(schema):
    data = document([MetadataFrame(NOON, (WALKER, CAR), source="source", deleted=(3, 4)), MetadataFrame(NOON)])
    assert [str(error.reason) for error in schema.iter_errors(data.decode())] == []


def test_the_schema_would_notice(schema):
    data = document([MetadataFrame(NOON, (WALKER,))]).replace(b"CenterOfGravity", b"CentreOfGravity")
    assert list(schema.iter_errors(data.decode()))


def test_round_trip():
    frames = (MetadataFrame(NOON, (WALKER, CAR), "source", (3,)), MetadataFrame(NOON + timedelta(milliseconds=40)))
    assert parse(document(frames)) == frames


def test_a_stream_without_frames_is_a_document(schema):
    assert parse(document([])) == ()
    assert schema.is_valid(document([]).decode())


def test_y_grows_upwards():
    box = MetadataBox.from_pixels((0, 0, 320, 120), 640, 240)
    assert (box.left, box.top, box.right, box.bottom) == (-1, 1, 0, 0)
    assert box.to_pixels(640, 240) == (0, 0, 320, 120)


def test_boxes_are_cut_to_the_picture():
    assert MetadataBox.from_pixels((-50, -50, 9999, 9999), 640, 480) == MetadataBox(-1, 1, 1, -1)


def test_a_broken_object_costs_only_itself():
    data = document([MetadataFrame(NOON, (WALKER, CAR))]).replace(b'ObjectId="7"', b'ObjectId="seven"')
    assert parse(data)[0].objects == (CAR,)


def test_foreign_extras_are_skipped_and_never_kept():
    extra = (
        b'<tt:HumanFace xmlns:fc="http://www.onvif.org/ver20/analytics/humanface"><fc:Age Min="20" Max="30"/>'
        b"</tt:HumanFace><tt:HumanBody>"
    )
    data = document([MetadataFrame(NOON, (WALKER,))]).replace(b"<tt:HumanBody>", extra)
    assert parse(data)[0].objects == (WALKER,)
    assert not {"face", "age", "gender", "ethnicity"} & set(MetadataObject.__slots__)


def test_other_colour_spaces_are_not_mistaken_for_rgb():
    data = document([MetadataFrame(NOON, (CAR,))]).replace(RGB.encode(), RGB.replace("RGB", "YCbCr").encode())
    assert parse(data)[0].objects[0].colours == ()


@pytest.mark.parametrize(
    "data",
    [
        b"", b"<", b"<a/>", b"\xff\xfe", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><tt:MetadataStream xmlns:tt="http://www.onvif.org/ver10/schema"/>',
        document([MetadataFrame(NOON)]).replace(b"2026-05", b"2026-15"),
        b" " * (5 << 20),
    ],
)  # fmt: skip
def test_what_is_no_metadata_is_refused_by_name(data):
    with pytest.raises(NotOnvif):
        parse(data)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-05-04T12:00:00Z", NOON),
        ("2026-05-04T12:00:00", NOON),
        ("2026-05-04T14:00:00.000000000+02:00", NOON),
        ("2026-05-04T12:00:00.04Z", NOON + timedelta(milliseconds=40)),
    ],
)
def test_times_of_odd_devices(text, utc):
    assert parse_utc(text) == utc


def test_time_text():
    assert utc_text(NOON) == "2026-05-04T12:00:00.000Z"


_unit = st.integers(-10000, 10000).map(lambda n: n / 10000)
_boxes = st.tuples(_unit, _unit, _unit, _unit).map(
    lambda e: MetadataBox(min(e[0], e[2]), max(e[1], e[3]), max(e[0], e[2]), min(e[1], e[3]))
)


@given(
    st.lists(
        st.builds(MetadataObject, st.integers(0, 2**40), _boxes, st.sampled_from(["", "Human", "Vehicle"])), max_size=4
    )
)
def test_any_objects_come_back(objects):
    assert parse(document([MetadataFrame(NOON, tuple(objects))]))[0].objects == tuple(objects)


@settings(max_examples=300)
@given(st.data())
def test_any_bytes_give_frames_or_one_named_error(data):
    whole = bytearray(document([MetadataFrame(NOON, (WALKER, CAR), "source", (3,))]))
    for _ in range(data.draw(st.integers(0, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    for candidate in (bytes(whole), bytes(whole[:cut])):
        with contextlib.suppress(NotOnvif):
            assert isinstance(parse(candidate), tuple)
