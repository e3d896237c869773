"""Metadata search of Profile G: the camera's recorded sightings, looked through by expressions."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from nvr_box.record.sightings import SightedObject, Sighting, pack
from nvr_box.services.expressions import expression
from nvr_box.services.metadata_search import merged
from onvif import metadata, names
from onvif.access import access_class
from onvif.errors import Fault
from onvif.names import TSE, q
from onvif.registry import load
from onvif.users import AccessClass
from tests.onvif_box import MINUTE_US, START_US, running, segment
from tests.onvif_schema import problems
from wire.features.palette import RGB
from wire.features.vocabulary import BodyPart, Colour, ObjectClass

FIRST = "recording-1"
PERSON = 'boolean(//Object[Appearance/Class/Type = "Human"])'
CAR = 'boolean(//Appearance/VehicleInfo[Type = "Car"]) and not(boolean(//Type[. = "Human"]))'
STEP_US = 5_000_000


def at(minutes):
    return datetime.fromtimestamp((START_US + minutes * MINUTE_US) / 1e6, UTC)


def seen_at(at_us):
    """A person in the first two minutes, a car in the third; the last look of a minute lies in the next file."""
    kind = ObjectClass.PERSON if at_us < START_US + 2 * MINUTE_US else ObjectClass.CAR
    part = BodyPart.UPPER if kind is ObjectClass.PERSON else BodyPart.BODY
    colour = metadata.ColourCluster(RGB[Colour.RED if at_us < START_US + MINUTE_US else Colour.BLUE])
    return Sighting(at_us, (SightedObject(3, kind, (0.1, 0.2, 0.3, 0.6), ((part, colour),)),))


def record(segments, camera):
    """Three minutes as `tests.onvif_box` records them, a look every five seconds; camera 2 sees nothing."""
    for minute in range(3):
        found = segment(camera, minute)
        segments.add(found)
        if camera != 1:
            continue
        times = range(found.start_us, found.end_us, STEP_US)
        late = [times[-1] - MINUTE_US] if minute == 1 else []
        file = (segments.root / found.path).with_suffix(".seen")
        file.parent.mkdir(exist_ok=True)
        looks = [time for time in times if not (minute == 0 and time == times[-1])]
        file.write_bytes(b"".join(pack(seen_at(time)) for time in (*late, *looks)))


@pytest.fixture
async def box(tmp_path):
    async with running(tmp_path, record=record) as started:
        yield started


async def find(client, start, end, wanted=PERSON, *, portion=7, scope=None, **more):
    """(seconds since START, recording) of every result, fetched in portions."""
    begun = await client(TSE, "FindMetadata", StartPoint=start, EndPoint=end, Scope=scope or {},
                         MetadataFilter={"MetadataStreamFilter": wanted}, KeepAliveTime=timedelta(seconds=60),
                         **more)  # fmt: skip
    found, state = [], ""
    while state != "Completed":
        reply = await client.raw(TSE, "GetMetadataSearchResults", SearchToken=begun.SearchToken, MinResults=1,
                                 MaxResults=portion, WaitTime=timedelta(seconds=20))  # fmt: skip
        assert problems(reply) == []
        state = reply[0][0].text
        assert len(reply[0]) - 1 <= portion
        for result in reply[0][1:]:
            assert result.findtext(q(names.TT, "TrackToken")) == "metadata"
            time = datetime.fromisoformat(result.findtext(q(names.TT, "Time")))
            found.append(((time - at(0)).total_seconds(), result.findtext(q(names.TT, "RecordingToken"))))
    return found


EVERY_PERSON = [(seconds, FIRST) for seconds in range(0, 120, 5)]


@pytest.mark.case("SEARCH-5-1-1", "SEARCH-5-1-2", "SEARCH-5-1-3")
@pytest.mark.parametrize(
    ("start", "end", "seconds"),
    [(0, 3.5, range(0, 120, 5)), (-5, 9, range(0, 120, 5)), (0.5, 1.25, range(30, 76, 5))],
    ids=["equal", "outside", "inside"],
)
async def test_forward_and_backward_within_the_range(box, start, end, seconds):
    client, expected = box.client(), [(second, FIRST) for second in seconds]
    assert await find(client, at(start), at(end)) == expected
    assert await find(client, at(end), at(start)) == expected[::-1]


@pytest.mark.case("SEARCH-5-1-4")
async def test_one_match_is_the_first_of_its_direction(box):
    client = box.client()
    assert await find(client, at(0), at(3.5), MaxMatches=1) == [(0, FIRST)]
    assert await find(client, at(3.5), at(0), MaxMatches=1) == [(115, FIRST)]


@pytest.mark.case("SEARCH-5-1-5")
async def test_no_results(box):
    client = box.client()
    assert await find(client, at(0), at(3.5), 'boolean(//Object[@ObjectId = "77"])') == []
    assert await find(client, at(0), at(3.5), scope={"IncludedRecordings": ["recording-2"]}) == []
    assert await find(client, at(10), at(30)) == []


async def test_filters_look_into_the_frames(box):
    client = box.client()
    assert await find(client, at(0), at(9), CAR) == [(seconds, FIRST) for seconds in range(150, 210, 5)]
    assert len(await find(client, at(0), at(9), "", portion=1000)) == 36
    assert len(await find(client, at(0), at(9), "boolean(//BoundingBox[@left >= -0.8 and @top < 0.61])")) == 36
    late = f'boolean(//Frame[@UtcTime > "{at(1.9):%Y-%m-%dT%H:%M:%S}"])'
    assert (await find(client, at(0), at(9), late))[0] == (115, FIRST)


async def test_filters_find_colours_of_clothes_and_of_paint(box):
    client = box.client()
    red_top = "boolean(//Clothing/Tops/Color/ColorCluster[Weight > 0.5]/Color[@X > 150 and @Y < 80 and @Z < 80])"
    assert await find(client, at(0), at(9), red_top) == [(seconds, FIRST) for seconds in range(0, 60, 5)]
    blue_car = 'boolean(//VehicleInfo[Type = "Car"]/Color/ColorCluster/Color[@Z > 150 and @X < 80])'
    assert await find(client, at(0), at(9), blue_car) == [(seconds, FIRST) for seconds in range(120, 210, 5) if
                                                          seconds >= 150]  # fmt: skip


@pytest.mark.case("SEARCH-5-1-6")
async def test_tokens_of_no_metadata_search_are_refused(box):
    client = box.client()
    other = await client(TSE, "FindRecordings", Scope={}, KeepAliveTime=timedelta(seconds=60))
    for token in ("no", other.SearchToken):
        with pytest.raises(Fault) as caught:
            await client(TSE, "GetMetadataSearchResults", SearchToken=token)
        assert caught.value.subcodes[-1] == "InvalidToken"


async def begin(client, life_s):
    return (await client(TSE, "FindMetadata", StartPoint=at(0), Scope={}, KeepAliveTime=timedelta(seconds=life_s),
                         MetadataFilter={"MetadataStreamFilter": PERSON})).SearchToken  # fmt: skip


@pytest.mark.case("SEARCH-5-1-7")
async def test_asking_keeps_it_alive(box):
    client, open_ = box.client(), box.face.search.searches.open
    token = await begin(client, 30)
    open_[token].expires_s -= 29
    before = open_[token].expires_s
    await client(TSE, "GetMetadataSearchResults", SearchToken=token, MaxResults=1)
    assert open_[token].expires_s > before + 20
    before = open_[token].expires_s = open_[token].expires_s - 20
    assert (await client(TSE, "GetSearchState", SearchToken=token)).State == "Searching"
    assert open_[token].expires_s > before


@pytest.mark.case("SEARCH-5-1-8")
async def test_it_expires_and_ends_when_told(box):
    client, open_ = box.client(), box.face.search.searches.open
    token = await begin(client, 5)
    open_[token].expires_s = 0.0
    for operation in ("GetMetadataSearchResults", "GetSearchState", "EndSearch"):
        with pytest.raises(Fault) as caught:
            await client(TSE, operation, SearchToken=token)
        assert caught.value.subcodes[-1] == "InvalidToken"
    token = await begin(client, 5)
    assert (await client(TSE, "EndSearch", SearchToken=token)).Endpoint is not None
    assert token not in open_


async def test_it_is_told_among_the_capabilities_and_has_its_access_class(box):
    capabilities = (await box.client()(TSE, "GetServiceCapabilities")).Capabilities
    assert capabilities.MetadataSearch is True
    for name in ("FindMetadata", "GetMetadataSearchResults"):
        assert access_class(load().operation(TSE, name)) is AccessClass.READ_MEDIA


async def test_merged_sequences_keep_their_order():
    async def source(*times):
        for time in times:
            yield time, time

    assert [one async for one in merged([source(1, 4, 9), source(), source(2, 4, 5)], reverse=False)] == [
        1, 2, 4, 4, 5, 9,
    ]  # fmt: skip
    assert [one async for one in merged([source(9, 4), source(7, 1)], reverse=True)] == [9, 7, 4, 1]


TREE = etree.fromstring('<a xmlns="urn:x"><b n="1">one</b><c><b n="20">two</b><d>2026-01-02T03:04:05Z</d></c></a>')


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("boolean(//b)", True),
        ("/a/b", True),
        ("/b", False),
        ("boolean(/a/c/b[@n > 3])", True),
        ("boolean(/a/b[@n > 3])", False),
        ('boolean(//c[b = "two" and not(b = "one")])', True),
        ("boolean(//c[b/@n = 20])", True),
        ('boolean(//x:b[. = "one"])', True),
        ('contains(//d, "2026-01")', True),
        ('boolean(//c[d > "2026-01-01"])', True),
        ('boolean(//c[d > "2027"])', False),
        ('not(boolean(//b)) or boolean(//*[@n != "1"])', True),
        ("boolean(//b) and boolean(//zz) or boolean(//d)", True),
        ("boolean(//b) and (boolean(//zz) or not(//d))", False),
        ("boolean(//c[zz])", False),
        ("boolean(/a//b[@n])", True),
    ],
)
def test_the_dialect(text, holds):
    assert expression(text)(TREE) is holds


@given(st.text(alphabet="/[]()@.,*:=<>!'\"ab1 ", max_size=60) | st.text(max_size=40))
def test_any_text_is_an_expression_or_a_fault(text):
    with contextlib.suppress(Fault):
        assert expression(text)(TREE) in {True, False}


async def test_an_expression_costs_no_more_than_its_length(box):
    """What made an XPath engine think for minutes is answered at once."""
    client, deep = box.client(), "boolean(" + "//*" * 300 + ")"
    async with asyncio.timeout(60):
        assert len(await find(client, at(0), at(9), deep, portion=1000)) == 0
