"""The cameras' own events: heard over ONVIF while a camera is recorded, kept within bounds, found and replayed."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree

from nvr_box.cameras.event_ingest import EventDeduplicator, EventIngest
from nvr_box.db.database import Store
from nvr_box.record import events as history
from nvr_box.record.events import Events, StoredEvent, kept
from nvr_box.record.sightings import Documents, read_document
from nvr_box.services.archive import BoxArchive
from nvr_box.services.recordings_view import SERVICE
from onvif import metadata, names
from onvif.errors import Fault
from onvif.events.bus import Event, PropertyOperation
from onvif.events.topics import MOTION_ALARM, TOO_DARK
from onvif.names import TRC, TSE, q
from onvif.notifications import Notification
from tests import onvif_camera
from tests.box_fakes import plain_h264, record_file
from tests.onvif_box import START_US, running
from tests.onvif_schema import problems

FIRST = "recording-1"
MOTION = MOTION_ALARM.path


@pytest.fixture
async def store(tmp_path):
    opened = Store.open(tmp_path / "box.db")
    yield opened
    opened.close()


def moved(at_us, state, camera=1, operation="Changed"):
    return StoredEvent(camera, at_us, MOTION, operation, (("Source", "video"),), (), (("State", state),))


def at(us):
    return datetime.fromtimestamp(us / 1e6, UTC)


async def find(client, start, end, *, wanted=(), state=False, portion=100, **more):
    """(topic, seconds since START, virtual, data) of each result about the first recording."""
    begun = await client(TSE, "FindEvents", StartPoint=start, EndPoint=end, Scope={"IncludedRecordings": [FIRST]},
                         SearchFilter={"_value_1": list(wanted)} if wanted else {}, IncludeStartState=state,
                         KeepAliveTime=timedelta(seconds=60), **more)  # fmt: skip
    found, done = [], ""
    while done != "Completed":
        reply = await client.raw(TSE, "GetEventSearchResults", SearchToken=begun.SearchToken, MaxResults=portion,
                                 MinResults=portion, WaitTime=timedelta(seconds=20))  # fmt: skip
        assert problems(reply) == []
        done = reply[0][0].text
        for item in reply[0][1:]:
            time = datetime.fromisoformat(item.findtext(q(names.TT, "Time")))
            data = item.find(f".//{q(names.TT, 'Data')}/{q(names.TT, 'SimpleItem')}").get("Value")
            seconds = round((time - at(START_US)).total_seconds(), 1)
            virtual = item.findtext(q(names.TT, "StartStateEvent")) == "true"
            found.append((item.find(f".//{q(names.WSNT, 'Topic')}").text, seconds, virtual, data))
    return found


def by_topic(text):
    element = etree.Element(q(names.WSNT, "TopicExpression"), Dialect=names.TOPIC_CONCRETE_SET,
                            nsmap={"tns1": names.TNS1})  # fmt: skip
    element.text = text
    return element


def by_content(text):
    element = etree.Element(q(names.WSNT, "MessageContent"), Dialect=names.ITEM_FILTER, nsmap={"tt": names.TT})
    element.text = text
    return element


async def until(condition):
    """Wait for something that another part brings about."""
    async with asyncio.timeout(60):
        while not (found := await condition()):  # noqa: ASYNC110 - a row of the database notifies no task
            await asyncio.sleep(0.05)
        return found


async def test_what_a_camera_tells_while_it_is_recorded_is_found(tmp_path):
    async with (
        onvif_camera.running(tmp_path / "camera") as camera,
        running(tmp_path / "box", cameras=1, device=f"{camera.base}/onvif/device_service") as box,
    ):
        client = box.client()
        camera.camera.bus.publish(TOO_DARK.path, {"Source": "video"}, {"State": False})
        await client(TRC, "SetRecordingJobMode", JobToken="job-1", Mode="Active")
        events = box.box.recordings.events
        began = datetime.now(UTC) - timedelta(minutes=5)
        states = await until(lambda: events.states(1, START_US * 2))
        assert (TOO_DARK.path, (("State", "false"),)) in {(each.topic, each.data) for each in states}
        camera.camera.bus.publish(MOTION, {"Source": "video"}, {"State": True})
        found = await until(lambda: found_motion(client, began))
        assert found == [(MOTION, "true")]
        # Switched off, nothing more is heard; switched on again, the same state is not reported twice.
        await client(TRC, "SetRecordingJobMode", JobToken="job-1", Mode="Idle")
        await client(TRC, "SetRecordingJobMode", JobToken="job-1", Mode="Active")
        camera.camera.bus.publish(MOTION, {"Source": "video"}, {"State": False})
        assert await until(lambda: found_motion(client, began, least=2)) == [(MOTION, "true"), (MOTION, "false")]


async def found_motion(client, began, least=1):
    found = await find(client, began, datetime.now(UTC) + timedelta(minutes=1), wanted=[by_topic(MOTION)])
    changed = [(topic, data) for topic, _, _, data in found if (topic, data) != (MOTION, "false") or least > 1]
    changed = changed[changed.index((MOTION, "true")) :] if (MOTION, "true") in changed else []
    return changed if len(changed) >= least else None


@pytest.fixture
async def box(tmp_path):
    """Motion every ten seconds of three recorded minutes, off five seconds later; it was dark from the start."""
    async with running(tmp_path, cameras=2) as started:
        motion = [
            moved(START_US + second * 1_000_000, "true" if second % 10 == 0 else "false") for second in range(0, 120, 5)
        ]
        dark = StoredEvent(
            1, START_US - 1, TOO_DARK.path, "Initialized", (("Source", "video"),), (), (("State", "true"),)
        )
        await started.box.recordings.events.add([*motion, dark, moved(START_US + 7, "true", camera=2)])
        yield started


@pytest.mark.case("SEARCH-3-1-11", "SEARCH-3-1-14")
async def test_events_of_cameras_and_recordings_come_in_order_both_ways(box):
    client = box.client()
    forward = await find(client, at(START_US - 9), at(START_US + 300_000_000), portion=4)
    assert [time for _, time, _, _ in forward] == sorted(time for _, time, _, _ in forward)
    assert len([one for one in forward if one[0] == MOTION]) == 24
    assert {one[0] for one in forward} >= {MOTION, "tns1:RecordingHistory/Recording/State"}
    backward = await find(client, at(START_US + 300_000_000), at(START_US - 9))
    assert [one for one in backward if one[0] == MOTION] == [one for one in forward if one[0] == MOTION][::-1]
    assert [time for _, time, _, _ in backward] == [time for _, time, _, _ in forward][::-1]


async def test_topics_contents_and_limits(box):
    client, end = box.client(), at(START_US + 300_000_000)
    on = [by_topic(MOTION), by_content('boolean(//tt:SimpleItem[@Name="State" and @Value="true"])')]
    found = await find(client, at(START_US), end, wanted=on)
    assert [time for _, time, _, _ in found] == [float(second) for second in range(0, 120, 10)]
    assert len(await find(client, at(START_US), end, wanted=on, MaxMatches=3)) == 3
    both = await find(client, at(START_US), end, wanted=[by_topic("tns1:VideoSource//.")])
    assert len(both) == 24
    # A topic that no camera has sent yet is no error, an unknown one is.
    assert await find(client, at(START_US), end, wanted=[by_topic("tns1:VideoSource/SignalLoss")]) == []
    with pytest.raises(Fault):
        await find(client, at(START_US), end, wanted=[by_topic("tns1:Nonsense/Nothing")])


async def test_start_states_are_those_of_the_moment(box):
    found = await find(box.client(), at(START_US + 12_000_000), at(START_US + 16_000_000), state=True)
    states = {(topic, data) for topic, time, virtual, data in found if virtual and time == 12.0}
    assert {(MOTION, "true"), (TOO_DARK.path, "true"), ("tns1:RecordingHistory/Recording/State", "true")} <= states
    assert [one for one in found if not one[2]] == [(MOTION, 15.0, False, "false")]
    backward = await find(box.client(), at(START_US + 17_000_000), at(START_US + 12_000_000), state=True)
    assert (MOTION, 17.0, True, "false") in backward


async def test_the_history_is_bounded_and_pages_join(store, monkeypatch):
    events = Events(store)
    monkeypatch.setattr(history, "MOST_PER_CAMERA", 700)
    for begin in range(0, 3000, 500):
        await events.add(moved(number, "true") for number in range(begin, begin + 500))
    await events.add([moved(5, "true", camera=2)])
    pages, last = [], None
    while page := await events.page(1, 0, 9999, after=last):
        pages.append(page)
        last = page[-1]
    times = [each.utc_us for page in pages for each in page]
    assert len(pages) > 1
    assert times == list(range(3000))[-len(times) :]
    assert len(times) <= 700 + 1000
    assert [each.utc_us for each in await events.page(2, 0, 9)] == [5]
    back = await events.page(1, 0, 9999, reverse=True)
    assert [each.utc_us for each in back] == times[::-1][:500]


@pytest.mark.parametrize(
    ("topic", "taken"),
    [
        (MOTION, True),
        ("tns1:RuleEngine/LineDetector/Crossed", True),
        ("tns1:Device/Trigger/DigitalInput", True),
        ("tns1:RuleEngine/Recognition/Face", False),
        ("tns1:RuleEngine/Recognition/LicensePlate", False),
        ("acme:VideoAnalytics/FaceMatch", False),
        ("tns1:Monitoring/ProcessorUsage", False),
        ("tns1:VideoSource/" + "x" * 300, False),
    ],
)
def test_what_the_history_takes(topic, taken):
    assert kept(StoredEvent(1, 1, topic, "Changed")) is taken


async def test_of_the_data_only_known_items_are_kept(store):
    events = Events(store)
    await events.add([StoredEvent(1, 1, MOTION, "Changed", (), (), (("State", "true"), ("Age", "33")))])
    assert (await events.page(1, 0, 9))[0].data == (("State", "true"),)
    row = await store.read(lambda link: link.execute("SELECT items FROM event").fetchone())
    assert json.loads(row[0]) == [[], [], [["State", "true"]]]


async def test_states_that_are_repeated_are_not_news(store):
    events, now, still = Events(store), datetime.now(UTC), timedelta()
    news, heard = EventDeduplicator(events, 1), []

    def event(operation, state, utc=now, topic=MOTION):
        return Notification(topic, utc, operation, {"Source": "v"}, {}, {"State": state})

    async def fresh(*notifications, offset=still):
        await news.add(notifications, offset)
        kept_now = sorted(await events.page(1, 0, 1 << 60), key=lambda each: each.number)
        new, heard[:] = kept_now[len(heard) :], kept_now
        return new

    assert [each.data for each in await fresh(event("Initialized", "false"))] == [(("State", "false"),)]
    assert await fresh(event("Initialized", "false"), event("Changed", "x", topic="tns1:Odd/Topic")) == []
    assert len(await fresh(event("Changed", "true"), event("Changed", "false"))) == 2
    assert len(await fresh(event("Initialized", "true"))) == 1
    # Another listener, as after a restart, knows what was kept.
    news = EventDeduplicator(events, 1)
    assert await fresh(event("Initialized", "true")) == []
    # A clock that is far off is put right, one that is ahead a little never tells of the future.
    (late,) = await fresh(event("Changed", "false", utc=now + timedelta(hours=2)), offset=timedelta(hours=2))
    assert abs(late.utc_us - now.timestamp() * 1e6) < 60_000_000
    (odd,) = await fresh(event("Changed", "true", utc=None))
    assert odd.utc_us >= late.utc_us


async def test_a_source_without_onvif_is_overheard(store, tmp_path):
    """Events in the metadata stream of a recording that has no camera behind it."""
    listening = EventIngest(Events(store))
    listening.start(type("Recording", (), {"camera": 1, "device": False})(), "")
    event = Event(MOTION, at(START_US), PropertyOperation.CHANGED, (("Source", "v"),), (), (("State", "true"),))
    documents = Documents(lambda _found: None, lambda document: listening.overhear(1, document))
    for document in (metadata.document([], [event.xml()]), b"<?xml junk NotificationMessage MetadataStream>"):
        for begin in range(0, len(document), 100):
            documents.feed(document[begin : begin + 100])
    (found,) = await until(lambda: Events(store).page(1, 0, 1 << 60))
    assert (found.topic, found.data, found.utc_us) == (MOTION, (("State", "true"),), START_US)
    await listening.stop()
    listening.overhear(1, metadata.document([], [event.xml()]))


async def test_replay_tells_them_in_the_metadata_track(tmp_path):
    def record(segments, camera):
        record_file(segments, camera, plain_h264(tmp_path / "clip.h264", 50), START_US)

    async with running(tmp_path, cameras=1, record=record) as box:
        camera = box.box.cameras.list(SERVICE)[0].camera
        times = (START_US + 500_000, START_US + 990_000, START_US + 1_500_000)
        await box.box.recordings.events.add([moved(time, "true", camera) for time in times])
        for reverse in (False, True):
            begin = (START_US + 10_000_000, None) if reverse else (START_US, None)
            samples = BoxArchive(box.face.catalogue).samples(FIRST, *begin, reverse=reverse, user="user")
            documents = [each.data async for each in samples if each.track == "metadata"]
            said = [message for each in documents for message in etree.fromstring(each).iter(q(names.TT, "Message"))]
            assert sorted(message.get("UtcTime")[17:23] for message in said) == ["20.500", "20.990", "21.500"]
            assert all(read_document(each) for each in documents)
