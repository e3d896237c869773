"""Profile G on the box: recordings, jobs, receivers, searches and replay addresses over real recordings."""

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree
from zeep.exceptions import ValidationError

from base.errors import StoreError
from nvr_box.services.face import OnvifFace
from nvr_box.services.recordings_view import SERVICE
from onvif import names
from onvif.errors import Fault, NotAuthorized
from onvif.names import TRC, TRP, TRV, TSE, q
from onvif.users import Level
from tests.onvif_box import MINUTE_US, START_US, running
from tests.onvif_schema import problems

FIRST = "recording-1"
BOTH = "boolean(//Track[TrackType = 'Video']) and boolean(//Track[TrackType = '{}'])"


@pytest.fixture
async def box(tmp_path):
    async with running(tmp_path) as started:
        yield started


def at(minutes):
    return datetime.fromtimestamp((START_US + minutes * MINUTE_US) / 1e6, UTC)


async def fault(call):
    with pytest.raises(Fault) as caught:
        await call
    return caught.value.subcodes[-1]


async def results(client, kind, token, *, most=None):
    """Fetch a search in portions until it is complete."""
    found, state = [], ""
    while state != "Completed":
        values = {"SearchToken": token, "WaitTime": timedelta(seconds=1)}
        reply = await client.raw(TSE, f"Get{kind}SearchResults", **values, **({"MaxResults": most} if most else {}))
        assert problems(reply) == []
        listed = reply[0]
        state = listed[0].text
        found.extend(listed[1:])
        assert most is None or len(listed) - 1 <= most
    return found


@pytest.mark.case(
    "RECORDING-4-1-1",
    "RECORDING-4-1-2",
    "RECORDING-4-1-9",
)
async def test_recordings_have_tracks_and_a_configuration_that_can_be_set(box):
    client = box.client()
    listed = (await client(TRC, "GetRecordings")).RecordingItem
    assert [item.RecordingToken for item in listed] == [FIRST, "recording-2"]
    assert [(track.TrackToken, track.Configuration.TrackType) for track in listed[0].Tracks.Track] == [
        ("video", "Video"), ("metadata", "Metadata"),
    ]  # fmt: skip
    wanted = {"Source": {"SourceId": "urn:x:1", "Name": "Gate", "Location": "Yard", "Description": "d",
                         "Address": "http://192.0.2.1/"},
              "Content": "everything", "MaximumRetentionTime": timedelta(days=3)}  # fmt: skip
    await client(TRC, "SetRecordingConfiguration", RecordingToken=FIRST, RecordingConfiguration=wanted)
    await client(TRC, "SetTrackConfiguration", RecordingToken=FIRST, TrackToken="video",
                 TrackConfiguration={"TrackType": "Video", "Description": "the gate"})  # fmt: skip
    shown = (await client(TRC, "GetRecordingConfiguration", RecordingToken=FIRST)).RecordingConfiguration
    assert (shown.Source.Name, shown.Content, shown.MaximumRetentionTime) == ("Gate", "everything", timedelta(days=3))
    track = await client(TRC, "GetTrackConfiguration", RecordingToken=FIRST, TrackToken="video")
    assert track.TrackConfiguration.Description == "the gate"
    information = (await client(TSE, "GetRecordingInformation", RecordingToken=FIRST)).RecordingInformation
    assert (information.Source.Location, information.Content) == ("Yard", "everything")
    # The same files read again, as after a restart.
    fresh = OnvifFace(box.box, "0123456789abcdef")
    assert fresh.catalogue.state.value.recordings[FIRST].tracks == {"video": "the gate"}
    assert fresh.device.value == box.face.device.value


@pytest.mark.case(
    "RECORDING-4-1-3",
    "RECORDING-4-1-10",
    "REPLAY-1-2-1",
    "SEARCH-2-1-10",
    "SEARCH-2-1-11",
    "SEARCH-3-1-10",
)
@pytest.mark.parametrize(
    ("service", "operation", "values", "subcode"),
    [
        (TRC, "GetRecordingConfiguration", {"RecordingToken": "no"}, "NoRecording"),
        (TRC, "GetRecordingOptions", {"RecordingToken": "no"}, "NoRecording"),
        (TRC, "GetTrackConfiguration", {"RecordingToken": FIRST, "TrackToken": "no"}, "NoTrack"),
        (TRC, "SetTrackConfiguration", {"RecordingToken": FIRST, "TrackToken": "video", "TrackConfiguration": {
            "TrackType": "Audio", "Description": ""}}, "BadConfiguration"),
        (TRC, "GetRecordingJobState", {"JobToken": "no"}, "NoRecordingJob"),
        (TRC, "GetRecordingJobConfiguration", {"JobToken": "no"}, "NoRecordingJob"),
        (TRC, "SetRecordingJobMode", {"JobToken": "no", "Mode": "Idle"}, "NoRecordingJob"),
        (TRC, "SetRecordingJobMode", {"JobToken": "job-1", "Mode": "Sometimes"}, "BadMode"),
        (TRC, "DeleteRecordingJob", {"JobToken": "no"}, "NoRecordingJob"),
        (TRC, "CreateRecordingJob", {"JobConfiguration": {"RecordingToken": "no", "Mode": "Idle", "Priority": 1}},
         "NoRecording"),
        (TRC, "CreateRecordingJob", {"JobConfiguration": {"RecordingToken": FIRST, "Mode": "Odd", "Priority": 1}},
         "BadMode"),
        (TSE, "GetRecordingInformation", {"RecordingToken": "no"}, "NoRecording"),
        (TSE, "GetRecordingSearchResults", {"SearchToken": "no"}, "InvalidToken"),
        (TSE, "GetEventSearchResults", {"SearchToken": "no"}, "InvalidToken"),
        (TSE, "EndSearch", {"SearchToken": "no"}, "InvalidToken"),
        (TRP, "GetReplayUri", {"StreamSetup": {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}},
                               "RecordingToken": "no"}, "NoRecording"),
        (TRP, "SetReplayConfiguration", {"Configuration": {"SessionTimeout": timedelta(seconds=1)}}, "ConfigModify"),
        (TRV, "GetReceiver", {"ReceiverToken": "no"}, "UnknownToken"),
        (TRV, "GetReceiverState", {"ReceiverToken": "no"}, "UnknownToken"),
        (TRV, "DeleteReceiver", {"ReceiverToken": "no"}, "UnknownToken"),
        (TRV, "DeleteReceiver", {"ReceiverToken": "receiver-1"}, "CannotDeleteReceiver"),
        (TRV, "SetReceiverMode", {"ReceiverToken": "no", "Mode": "AutoConnect"}, "UnknownToken"),
    ],
)  # fmt: skip
async def test_invalid_tokens_and_values_have_their_fault(box, service, operation, values, subcode):
    assert await fault(box.client()(service, operation, **values)) == subcode


@pytest.mark.case(
    "RECORDING-4-1-4",
    "RECORDING-4-1-7",
)
async def test_a_job_switches_its_camera_and_says_so(box):
    client = box.client()
    jobs = (await client(TRC, "GetRecordingJobs")).JobItem
    assert [(job.JobToken, job.JobConfiguration.Mode) for job in jobs] == [("job-1", "Idle"), ("job-2", "Idle")]
    heard = []
    box.face.bus.listen(lambda event: heard.append((event.topic, dict(event.source), dict(event.data))))
    await client(TRC, "SetRecordingJobMode", JobToken="job-1", Mode="Active")
    assert box.box.cameras.list(SERVICE)[0].recording
    state = (await client(TRC, "GetRecordingJobState", JobToken="job-1")).State
    # The camera is away: the recorder is trying, or has just failed.
    assert state.State in {"PartiallyActive", "Error"}
    assert state.Sources[0].SourceToken.Token == "receiver-1"
    said = [data["State"] for topic, source, data in heard
            if topic.endswith("JobState") and source == {"RecordingJobToken": "job-1"}]  # fmt: skip
    assert said[0] in {"PartiallyActive", "Error"}
    await client(TRC, "SetRecordingJobMode", JobToken="job-1", Mode="Idle")
    assert (await client(TRC, "GetRecordingJobState", JobToken="job-1")).State.State == "Idle"
    assert not box.box.cameras.list(SERVICE)[0].recording


@pytest.mark.case(
    "RECORDING-4-1-5",
)
async def test_jobs_are_made_changed_and_deleted(box):
    client = box.client()
    made = await client(TRC, "CreateRecordingJob",
                        JobConfiguration={"RecordingToken": FIRST, "Mode": "Idle", "Priority": 2})  # fmt: skip
    token = made.JobToken
    assert made.JobConfiguration.Source[0].SourceToken.Token == "receiver-1"
    changed = {"RecordingToken": FIRST, "Mode": "Idle", "Priority": 7}
    await client(TRC, "SetRecordingJobConfiguration", JobToken=token, JobConfiguration=changed)
    shown = await client(TRC, "GetRecordingJobConfiguration", JobToken=token)
    assert shown.JobConfiguration.Priority == 7
    await client(TRC, "DeleteRecordingJob", JobToken=token)
    assert await fault(client(TRC, "GetRecordingJobState", JobToken=token)) == "NoRecordingJob"
    await client(TRC, "DeleteRecordingJob", JobToken="job-1")
    assert [job.JobToken for job in (await client(TRC, "GetRecordingJobs")).JobItem] == ["job-2"]
    automatic = await client(TRC, "CreateRecordingJob", JobConfiguration={
        "RecordingToken": FIRST, "Mode": "Idle", "Priority": 1, "Source": [{"AutoCreateReceiver": True}]})  # fmt: skip
    receiver = automatic.JobConfiguration.Source[0].SourceToken.Token
    state = (await client(TRV, "GetReceiverState", ReceiverToken=receiver)).ReceiverState
    assert (state.AutoCreated, state.State) == (True, "NotConnected")
    await client(TRC, "DeleteRecordingJob", JobToken=automatic.JobToken)
    assert await fault(client(TRV, "GetReceiver", ReceiverToken=receiver)) == "UnknownToken"


async def test_receivers_are_made_configured_and_deleted(box):
    client = box.client()
    wanted = {"Mode": "NeverConnect", "MediaUri": "rtsp://192.0.2.9/stream",
              "StreamSetup": {"Stream": "RTP-Unicast", "Transport": {"Protocol": "UDP"}}}  # fmt: skip
    receiver = (await client(TRV, "CreateReceiver", Configuration=wanted)).Receiver
    assert receiver.Configuration.MediaUri == wanted["MediaUri"]
    await client(TRV, "SetReceiverMode", ReceiverToken=receiver.Token, Mode="AlwaysConnect")
    await client(TRV, "ConfigureReceiver", ReceiverToken=receiver.Token,
                 Configuration={**wanted, "Mode": "AutoConnect", "MediaUri": "rtsp://192.0.2.8/x"})  # fmt: skip
    shown = (await client(TRV, "GetReceiver", ReceiverToken=receiver.Token)).Receiver
    assert (shown.Configuration.Mode, shown.Configuration.MediaUri) == ("AutoConnect", "rtsp://192.0.2.8/x")
    for odd in ("nonsense", "file:///etc/passwd", "rtsp://"):
        assert (
            await fault(client(TRV, "CreateReceiver", Configuration={**wanted, "MediaUri": odd})) == "BadConfiguration"
        )
    tokens = [one.Token for one in (await client(TRV, "GetReceivers")).Receivers]
    assert tokens == ["receiver-1", "receiver-2", receiver.Token]
    await client(TRV, "DeleteReceiver", ReceiverToken=receiver.Token)
    assert await fault(client(TRV, "GetReceiver", ReceiverToken=receiver.Token)) == "UnknownToken"


@pytest.mark.case(
    "SEARCH-4-1-1",
)
async def test_summary_and_information_are_what_lies_on_disk(box):
    client = box.client()
    summary = (await client(TSE, "GetRecordingSummary")).Summary
    assert (summary.DataFrom, summary.DataUntil, summary.NumberRecordings) == (at(0), at(3.5), 2)
    information = (await client(TSE, "GetRecordingInformation", RecordingToken=FIRST)).RecordingInformation
    assert (information.EarliestRecording, information.LatestRecording) == (at(0), at(3.5))
    assert information.RecordingStatus == "Stopped"
    attributes = await client(TSE, "GetMediaAttributes", RecordingTokens=[FIRST], Time=at(1))
    assert attributes.MediaAttributes[0].Until == at(2)
    assert (await client(TSE, "GetMediaAttributes", RecordingTokens=[FIRST], Time=at(2.2))).MediaAttributes == []


@pytest.mark.case(
    "SEARCH-2-1-4",
    "SEARCH-2-1-8",
    "SEARCH-2-1-13",
    "SEARCH-2-1-14",
    "SEARCH-2-1-15",
    "SEARCH-2-1-16",
)
@pytest.mark.parametrize(
    ("scope", "found"),
    [
        ({}, ["recording-1", "recording-2"]),
        ({"IncludedRecordings": ["recording-2"]}, ["recording-2"]),
        ({"IncludedSources": [{"Token": "receiver-1"}]}, ["recording-1"]),
        ({"RecordingInformationFilter": 'boolean(//Source[Name="Camera 2"])'}, ["recording-2"]),
        ({"RecordingInformationFilter": 'boolean(//Track[TrackType = "Video"])'}, ["recording-1", "recording-2"]),
        ({"RecordingInformationFilter": 'boolean(//Track[TrackType = "Audio"])'}, []),
        ({"RecordingInformationFilter": 'boolean(//Track[TrackType = "Metadata"])'}, ["recording-1", "recording-2"]),
        ({"RecordingInformationFilter": f"{BOTH.format('Audio')}"}, []),
        ({"RecordingInformationFilter": f"{BOTH.format('Metadata')}"}, ["recording-1", "recording-2"]),
    ],
)
async def test_find_recordings_by_scope_and_xpath(box, scope, found):
    client = box.client()
    search = await client(TSE, "FindRecordings", Scope=scope, KeepAliveTime=timedelta(seconds=60))
    listed = await results(client, "Recording", search.SearchToken, most=1)
    assert [item.findtext(q(names.TT, "RecordingToken")) for item in listed] == found


async def test_an_odd_expression_is_refused(box):
    for odd in ("boolean(", "//*[", "document('x')", "x" * 2000, "unknown-function()"):
        call = box.client()(TSE, "FindRecordings", Scope={"RecordingInformationFilter": odd},
                            KeepAliveTime=timedelta(seconds=60))  # fmt: skip
        assert await fault(call) == "InvalidFilterFault"


def events_of(listed):
    """(seconds since START, recording, value) of Recording/State results."""
    for item in listed:
        topic = item.find(f".//{q(names.WSNT, 'Topic')}").text
        if topic.endswith("Recording/State"):
            time = datetime.fromisoformat(item.findtext(q(names.TT, "Time")))
            value = item.find(f".//{q(names.TT, 'Data')}/{q(names.TT, 'SimpleItem')}").get("Value")
            yield (time - at(0)).total_seconds(), value


async def find_events(client, start, end, **more):
    search = await client(TSE, "FindEvents", StartPoint=start, EndPoint=end, Scope={"IncludedRecordings": [FIRST]},
                          SearchFilter=more.pop("wanted", {}), IncludeStartState=more.pop("state", False),
                          KeepAliveTime=timedelta(seconds=60), **more)  # fmt: skip
    return await results(client, "Event", search.SearchToken, most=3)


@pytest.mark.case(
    "SEARCH-3-1-5",
    "SEARCH-3-1-11",
    "SEARCH-3-1-14",
)
async def test_find_events_forward_backward_and_with_start_state(box):
    client = box.client()
    changes = [(0.0, "true"), (120.0, "false"), (150.0, "true"), (210.0, "false")]
    assert list(events_of(await find_events(client, at(-1), at(9)))) == changes
    assert list(events_of(await find_events(client, at(9), at(-1)))) == changes[::-1]
    inside = await find_events(client, at(1), at(2.2), state=True)
    assert list(events_of(inside)) == [(60.0, "true"), (120.0, "false")]
    marks = [item.findtext(q(names.TT, "StartStateEvent")) for item in inside]
    assert marks == ["true"] * 3 + ["false"] * 3
    assert len(await find_events(client, at(-1), at(9), MaxMatches=2)) == 2


async def test_find_events_by_topic(box):
    wanted = etree.Element(q(names.WSNT, "TopicExpression"), Dialect=names.TOPIC_CONCRETE_SET,
                           nsmap={"tns1": names.TNS1})  # fmt: skip
    wanted.text = "tns1:RecordingHistory/Track/State"
    listed = await find_events(box.client(), at(-1), at(9), wanted={"_value_1": [wanted]})
    assert {item.find(f".//{q(names.WSNT, 'Topic')}").text for item in listed} == {"tns1:RecordingHistory/Track/State"}


@pytest.mark.case(
    "SEARCH-2-1-12",
    "SEARCH-2-1-20",
    "SEARCH-3-1-16",
)
async def test_a_search_ends_when_told_and_by_itself(box):
    client = box.client()
    search = await client(TSE, "FindRecordings", Scope={}, KeepAliveTime=timedelta(seconds=60))
    assert (await client(TSE, "EndSearch", SearchToken=search.SearchToken)).Endpoint is not None
    assert await fault(client(TSE, "EndSearch", SearchToken=search.SearchToken)) == "InvalidToken"
    searches = box.face.search
    search = await client(TSE, "FindRecordings", Scope={}, KeepAliveTime=timedelta(seconds=5))
    searches.searches.open[search.SearchToken].expires_s = 0.0
    assert await fault(client(TSE, "GetRecordingSearchResults", SearchToken=search.SearchToken)) == "InvalidToken"


@pytest.mark.case("SEARCH-2-1-17", "SEARCH-2-1-18", "SEARCH-2-1-3", "SEARCH-2-1-5", "SEARCH-2-1-7")
async def test_found_recordings_are_those_listed(box):
    client = box.client()
    recordings = {item.RecordingToken: item for item in (await client(TRC, "GetRecordings")).RecordingItem}
    search = await client(TSE, "FindRecordings", Scope={}, KeepAliveTime=timedelta(seconds=60))
    reply = await client(TSE, "GetRecordingSearchResults", SearchToken=search.SearchToken, MinResults=2, MaxResults=9,
                         WaitTime=timedelta(seconds=5))  # fmt: skip
    assert reply.ResultList.SearchState == "Completed"
    found = {item.RecordingToken: item for item in reply.ResultList.RecordingInformation}
    assert set(found) == set(recordings)
    for token, item in found.items():
        alone = (await client(TSE, "GetRecordingInformation", RecordingToken=token)).RecordingInformation
        assert (alone.Source.__values__, alone.Content) == (item.Source.__values__, item.Content)
        assert alone.Source.__values__ == recordings[token].Configuration.Source.__values__
        tracks = [(track.TrackToken, track.TrackType) for track in item.Track]
        assert tracks == [(track.TrackToken, track.Configuration.TrackType) for track in recordings[token].Tracks.Track]
    search = await client(TSE, "FindRecordings", Scope={}, MaxMatches=1, KeepAliveTime=timedelta(seconds=60))
    assert len(await results(client, "Recording", search.SearchToken)) == 1


@pytest.mark.case("SEARCH-2-1-19", "SEARCH-3-1-15")
async def test_asking_keeps_a_search_alive(box):
    client = box.client()
    searches = box.face.search
    for kind, token in (
        ("Recording", (await client(TSE, "FindRecordings", Scope={}, KeepAliveTime=timedelta(seconds=30))).SearchToken),
        ("Event", (await client(TSE, "FindEvents", StartPoint=at(0), Scope={}, SearchFilter={}, IncludeStartState=False,
                                KeepAliveTime=timedelta(seconds=30))).SearchToken),
    ):  # fmt: skip
        searches.searches.open[token].expires_s -= 29
        before = searches.searches.open[token].expires_s
        await client.raw(TSE, f"Get{kind}SearchResults", SearchToken=token, MaxResults=1)
        assert searches.searches.open[token].expires_s > before + 20


@pytest.mark.case("SEARCH-3-1-13")
async def test_find_events_with_the_endpoints_of_the_recording(box):
    changes = [(0.0, "true"), (120.0, "false"), (150.0, "true"), (210.0, "false")]
    assert list(events_of(await find_events(box.client(), at(0), at(3.5)))) == changes
    assert list(events_of(await find_events(box.client(), at(3.5), at(0)))) == changes[::-1]


@pytest.mark.case("RECORDING-5-1-3", "RECORDING-5-1-4", "RECORDING-4-1-11")
async def test_changed_configurations_are_said_with_their_content(box):
    client, said = box.client(), []
    box.face.bus.listen(said.append)
    wanted = {"Source": {"SourceId": "s" * 128, "Name": "n" * 20, "Location": "l" * 20, "Description": "d" * 64,
                         "Address": "a" * 128},
              "Content": "c" * 128, "MaximumRetentionTime": timedelta()}  # fmt: skip
    await client(TRC, "SetRecordingConfiguration", RecordingToken=FIRST, RecordingConfiguration=wanted)
    track = {"TrackType": "Metadata", "Description": "m"}
    await client(TRC, "SetTrackConfiguration", RecordingToken=FIRST, TrackToken="metadata", TrackConfiguration=track)
    told = {event.topic.rpartition("/")[2]: event for event in said if event.elements}
    assert told["RecordingConfiguration"].elements[0][1].findtext(q(names.TT, "Content")) == "c" * 128
    assert told["TrackConfiguration"].elements[0][1].findtext(q(names.TT, "Description")) == "m"
    shown = (await client(TRC, "GetRecordingConfiguration", RecordingToken=FIRST)).RecordingConfiguration.Source
    assert (shown.SourceId, shown.Address, shown.Description) == ("s" * 128, "a" * 128, "d" * 64)


@pytest.mark.case(
    "REPLAY-4-1-1",
)
async def test_replay_addresses_and_configuration(box):
    client = box.client()
    setup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
    uri = (await client(TRP, "GetReplayUri", StreamSetup=setup, RecordingToken=FIRST)).Uri
    assert uri == f"rtsp://127.0.0.1:{box.face.replay_port()}/recording-1"
    await client(TRP, "SetReplayConfiguration", Configuration={"SessionTimeout": timedelta(seconds=90)})
    shown = (await client(TRP, "GetReplayConfiguration")).Configuration
    assert shown.SessionTimeout == timedelta(seconds=90)


async def test_services_and_capabilities_agree(box):
    client = box.client()
    listed = (await client(names.TDS, "GetServices", IncludeCapability=True)).Service
    assert {one.Namespace for one in listed} == {names.TDS, names.TEV, TRC, TSE, TRP, TRV}
    for one in listed:
        own = await client(one.Namespace, "GetServiceCapabilities")
        assert own.Capabilities.__values__ == one.Capabilities._value_1.__values__, one.Namespace


async def test_levels_hold_on_the_box_too(box):
    user, stranger = box.client(Level.USER), box.client(Level.ANONYMOUS)
    await user(TRC, "GetRecordings")
    with pytest.raises(NotAuthorized):
        await user(TRC, "SetRecordingJobMode", JobToken="job-1", Mode="Idle")
    with pytest.raises(NotAuthorized):
        await stranger(TRC, "GetRecordings")


async def test_every_reply_without_arguments_is_valid_by_the_schema(box):
    client = box.client()
    asked = 0
    for operation in box.face.server.operations.values():
        if not operation.name.startswith("Get"):
            continue
        try:
            reply = await client.raw(operation.service, operation.name)
        except (Fault, ValidationError):  # it needs arguments
            continue
        asked += 1
        assert problems(reply) == [], operation.name
    assert asked > 20


async def test_a_new_box_makes_up_a_password(tmp_path):
    async with running(tmp_path) as box:
        password = (tmp_path / "onvif/initial-password").read_text().strip()
    assert len(password) >= 16
    assert box.face.device.value.users


async def test_states_of_recordings_are_said(box):
    said, complete = set(), asyncio.Event()
    wanted = {"tns1:RecordingConfig/JobState", "tns1:RecordingHistory/Recording/State", "tns1:Receiver/ChangeState",
              "tns1:RecordingHistory/Track/State"}  # fmt: skip

    def heard(event):
        said.add(event.topic)
        if said >= wanted:
            complete.set()

    box.face.bus.listen(heard, heard)
    async with asyncio.timeout(60):
        await complete.wait()


async def test_what_the_disk_refuses_is_a_fault(box, monkeypatch):
    async def refused(*_values):
        raise StoreError("the database refused: disk I/O error") from sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(box.box.recordings._segments, "stretches", refused)
    with pytest.raises(Fault, match="the device's database does not take this now") as caught:
        await box.client()(TRC, "GetRecordings")
    assert (caught.value.code, caught.value.subcodes[0]) == ("Receiver", "Action")
    monkeypatch.undo()
    assert (await box.client()(TRC, "GetRecordings")).RecordingItem
