"""What the live metadata streams tell: colours as the describer knows them, and events as the configuration asks."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from lxml import etree

from base.settings_file import Stored
from firmware.analytics import Engine
from firmware.analytics.palette import coloured
from firmware.camera_topics import CAMERA_TOPICS
from firmware.media_state import MediaState
from firmware.services.analytics import PATH, AnalyticsService, analytics_service
from firmware.stream.event_track import EventTrack
from onvif import names
from onvif.errors import Fault
from onvif.events import Bus, topics
from onvif.metadata import MetadataBox, MetadataFrame, MetadataObject, document, parse, parse_root
from onvif.names import TAN, TRT, TT, WSNT, q
from tests.onvif_camera import running
from tests.onvif_device import device
from tests.onvif_schema import problems
from wire.features.packet import ColourShare
from wire.features.palette import RGB, word
from wire.features.vocabulary import BodyPart, Colour

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
BOX = MetadataBox(-0.5, 0.5, 0.0, -0.5)
SOURCE = {"Source": "source"}


def test_clothing_and_paint_go_where_onvif_has_them():
    shares = (
        ColourShare(BodyPart.UPPER, Colour.RED, 0.7),
        ColourShare(BodyPart.UPPER, Colour.WHITE, 0.2),
        ColourShare(BodyPart.LOWER, Colour.UNKNOWN, 1.0),
        ColourShare(BodyPart.SHOES, Colour.BLACK, 1.0),
    )
    person = coloured(MetadataObject(1, BOX, "Human"), shares)
    assert [(colour.rgb, colour.weight) for colour in person.tops] == [(RGB[Colour.RED], 0.7), (RGB[Colour.WHITE], 0.2)]
    assert (person.bottoms, person.colours) == ((), ())
    car = coloured(MetadataObject(2, BOX, "Vehicle", vehicle="Car"), [ColourShare(BodyPart.BODY, Colour.BLUE, 0.9)])
    assert [colour.rgb for colour in car.colours] == [RGB[Colour.BLUE]]
    assert coloured(person, ()) is person
    assert set(RGB) == set(Colour) - {Colour.UNKNOWN}
    told = document([MetadataFrame(NOON, (person, car))])
    assert parse(told)[0].objects == (person, car)
    root = parse_root(told)
    assert problems(root) == []


def kinds(root):
    """The names of every element and attribute below Object, as a client finds them."""
    found = set()
    for seen in root.iter(q(TT, "Object")):
        for element in seen.iter():
            found.add(element.tag)
            found |= {(element.tag, name) for name in element.attrib}
    return found


async def test_the_sample_frame_announces_exactly_what_is_sent(tmp_path):
    """GetSupportedMetadata against documents of objects of every class, with and without known colours."""
    engine = Engine(tmp_path, Bus(CAMERA_TOPICS))
    async with device(analytics_service(AnalyticsService(engine))) as asker:
        reply = await asker().ask(TAN, "GetSupportedMetadata", to=PATH)
    assert problems(reply) == []
    (sample,) = reply.iter(q(TAN, "SampleFrame"))
    everything = (ColourShare(BodyPart.UPPER, Colour.RED, 0.7), ColourShare(BodyPart.LOWER, Colour.BLUE, 0.9))
    sent = [
        coloured(MetadataObject(1, BOX, "Human", 0.9), everything),
        coloured(MetadataObject(2, BOX, "Vehicle", 0.9, vehicle="Bus"), [ColourShare(BodyPart.BODY, Colour.GREY, 0.8)]),
        coloured(
            MetadataObject(3, BOX, "Bicycle", 0.9, vehicle="Bicycle"), [ColourShare(BodyPart.BODY, Colour.PINK, 0.8)]
        ),
        MetadataObject(4, BOX, "Human", 0.5),
    ]
    assert kinds(parse_root(document([engine.describe(MetadataFrame(NOON, tuple(sent)))]))) == kinds(sample)


class Streams:
    """Stands for the RTSP paths: keeps what they were given."""

    def __init__(self):
        self.metadata_watched = True
        self.sent = []

    def metadata(self, document, *, pts_90k, utc_us):
        self.sent.append((document, pts_90k, utc_us))

    def told(self):
        """(topic, operation) of every event so far, in order."""
        return [
            (message.findtext(q(WSNT, "Topic")), message.find(f".//{q(TT, 'Message')}").get("PropertyOperation"))
            for data, _, _ in self.sent
            for message in parse_root(data).iter(q(WSNT, "NotificationMessage"))
        ]


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def bus():
    return Bus(CAMERA_TOPICS)


@pytest.fixture
def media(tmp_path):
    return Stored(tmp_path / "media.json", MediaState())


@pytest.fixture
def streams():
    return Streams()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def track(bus, media, streams, clock):
    return EventTrack(bus, media, streams, clock)


def configure(media, filter_xml):
    media.change(metadata=replace(media.value.metadata, filter_xml=filter_xml))


def topic_filter(text):
    root = etree.Element(q(TT, "Filter"), nsmap={"tns1": names.TNS1})
    etree.SubElement(root, q(WSNT, "TopicExpression"), Dialect=names.TOPIC_CONCRETE_SET).text = text
    return etree.tostring(root, encoding="unicode")


@pytest.mark.case("RTSS-4-1-3")
def test_events_are_told_in_the_stream_with_the_time_of_its_pictures(bus, track, streams):
    bus.publish(topics.MOTION_ALARM.path, SOURCE, {"State": True})
    assert streams.sent == []  # there is no picture yet, whose time it could have
    track.picture(9000, 1_000_000)
    bus.publish(topics.MOTION_ALARM.path, SOURCE, {"State": False}, at=NOON)
    ((data, pts_90k, utc_us),) = streams.sent
    assert (pts_90k, utc_us) == (9000, 1_000_000)
    assert problems(parse_root(data)) == []
    assert streams.told() == [("tns1:VideoSource/MotionAlarm", "Changed")]


def test_who_joins_hears_how_every_property_stands(bus, track, streams, clock):
    bus.publish(topics.MOTION_ALARM.path, SOURCE, {"State": True})
    bus.publish(topics.SIGNAL_LOSS.path, SOURCE, {"State": False})
    bus.publish(topics.PROFILE_CHANGED.path, {"Token": "main"})  # an event, not a property
    track.synchronise()
    track.picture(9000, 1_000_000)
    assert streams.sent == []  # a moment, until the viewer's transport is there
    clock.now += 1
    track.picture(18000, 1_100_000)
    track.picture(27000, 1_200_000)
    assert streams.told() == [("tns1:VideoSource/MotionAlarm", "Initialized"),
                              ("tns1:VideoSource/SignalLoss", "Initialized")]  # fmt: skip
    assert [pts for _, pts, _ in streams.sent] == [18000]


def test_the_filter_of_the_configuration_is_respected_at_once(bus, media, track, streams):
    track.picture(9000, 1_000_000)
    configure(media, topic_filter("tns1:VideoSource//."))
    bus.publish(topics.PROFILE_CHANGED.path, {"Token": "main"})
    bus.publish(topics.SIGNAL_LOSS.path, SOURCE, {"State": True})
    configure(media, None)
    bus.publish(topics.SIGNAL_LOSS.path, SOURCE, {"State": False})
    configure(media, "")
    bus.publish(topics.PROFILE_CHANGED.path, {"Token": "sub"})
    assert [topic for topic, _ in streams.told()] == ["tns1:VideoSource/SignalLoss", "tns1:Media/ProfileChanged"]


def test_nobody_watching_costs_nothing(bus, track, streams):
    track.picture(9000, 1_000_000)
    streams.metadata_watched = False
    bus.publish(topics.SIGNAL_LOSS.path, SOURCE, {"State": True})
    assert streams.sent == []


def test_a_stored_filter_of_another_version_silences_events_and_nothing_else(bus, media, streams, caplog):
    configure(media, topic_filter("tns1:Gone/Topic"))
    track = EventTrack(bus, media, streams)
    track.picture(9000, 1_000_000)
    bus.publish(topics.SIGNAL_LOSS.path, SOURCE, {"State": True})
    assert streams.sent == []
    assert "stored filter" in caplog.text


async def test_a_filter_that_means_nothing_is_refused_by_the_media_service(tmp_path):
    async with running(tmp_path) as camera:
        client = camera.client()
        now = (await client(TRT, "GetMetadataConfigurations")).Configurations[0]
        expression = etree.Element(q(WSNT, "TopicExpression"), Dialect=names.TOPIC_CONCRETE_SET)
        for text, fault in (("tns1:No/Such", "TopicNotSupported"), ("//", "InvalidTopicExpression")):
            expression.text = text
            now.Events = {"Filter": {"_value_1": [expression]}}
            with pytest.raises(Fault) as refused:
                await client(TRT, "SetMetadataConfiguration", Configuration=now, ForcePersistence=True)
            assert refused.value.subcodes[-1] == fault


def test_every_colour_word_is_the_nearest_to_its_own_middle():
    assert {colour: word(rgb) for colour, rgb in RGB.items()} == {colour: colour for colour in RGB}
    assert word((190, 50, 60)) is Colour.RED
