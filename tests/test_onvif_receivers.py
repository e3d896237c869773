"""Receivers of Profile G as sources: streams that clients name are really received, recorded and played again."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from base.clock import utc_us
from nvr_box.config import RecordConfig
from nvr_box.record.retention import Retention
from nvr_box.services.archive import BoxArchive
from nvr_box.services.recordings_view import SERVICE
from onvif.errors import Fault
from onvif.names import TRC, TRV, TSE
from tests.box_fakes import PASSWORD, USER, RtspCamera
from tests.onvif_box import PATHS, running
from tests.onvif_camera import Client

ROOT = Path(__file__).parent.parent
SOURCE = {"SourceId": "urn:x:2", "Name": "Second source", "Location": "Yard", "Description": "d", "Address": "a"}
RECORDING = {"Source": SOURCE, "Content": "c", "MaximumRetentionTime": timedelta()}


@pytest.fixture(scope="module")
def camera():
    with RtspCamera(rate=20, gop=10) as started:
        yield started


@pytest.fixture
async def box(tmp_path):
    async with running(tmp_path, cameras=1) as started:
        yield started


def with_account(uri):
    return uri.replace("rtsp://", f"rtsp://{USER}:{quote(PASSWORD, safe='')}@")


def receiving(uri, *, mode="AutoConnect", protocol="RTSP"):
    setup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": protocol}}
    return {"Mode": mode, "MediaUri": uri, "StreamSetup": setup}


async def until(condition):
    """Wait for something that another part brings about."""
    async with asyncio.timeout(90):
        while not (found := await condition()):  # noqa: ASYNC110 - asked as a client asks: by polling
            await asyncio.sleep(0.1)
        return found


async def created(client, uri, **how):
    """A receiver and a recording for it."""
    receiver = (await client(TRV, "CreateReceiver", Configuration=receiving(uri, **how))).Receiver
    made = await client(TRC, "CreateRecording", RecordingConfiguration=RECORDING)
    return receiver.Token, made.RecordingToken


async def job_of(client, recording, receiver, *, priority=1, mode="Active"):
    source = {"SourceToken": {"Token": receiver, "Type": "http://www.onvif.org/ver10/schema/Receiver"}}
    wanted = {"RecordingToken": recording, "Mode": mode, "Priority": priority, "Source": [source]}
    return (await client(TRC, "CreateRecordingJob", JobConfiguration=wanted)).JobToken


def state_is(client, receiver, wanted):
    async def asked():
        return (await client(TRV, "GetReceiverState", ReceiverToken=receiver)).ReceiverState.State == wanted

    return asked


def job_is(client, job, wanted):
    async def asked():
        return (await client(TRC, "GetRecordingJobState", JobToken=job)).State.State == wanted

    return asked


def recorded(client, recording, seconds):
    async def asked():
        found = (await client(TSE, "GetRecordingInformation", RecordingToken=recording)).RecordingInformation
        return found.EarliestRecording and found.LatestRecording - found.EarliestRecording > timedelta(seconds=seconds)

    return asked


def udp_sockets():
    """How many UDP sockets this process has open: inodes of its descriptors that are in the kernel's list."""
    inodes = {line.split()[9] for line in Path("/proc/self/net/udp").read_text().splitlines()[1:]}
    mine = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            mine.add(str(descriptor.readlink()))
    return len({f"socket:[{inode}]" for inode in inodes} & mine)


@pytest.mark.case("RECORDING-2-1-20", "RECORDING-2-1-22", "RECEIVER-2-1-6", "RECEIVER-2-1-16", "RECEIVER-2-1-17")
@pytest.mark.parametrize("protocol", ["RTSP", "UDP", "HTTP"])
async def test_a_second_source_is_recorded_and_played(box, camera, protocol):
    client, said, before = box.client(), [], udp_sockets()
    box.face.bus.listen(said.append)
    receiver, recording = await created(client, with_account(camera.uri), protocol=protocol)
    shown = (await client(TRV, "GetReceiver", ReceiverToken=receiver)).Receiver.Configuration
    assert (shown.MediaUri, shown.StreamSetup.Transport.Protocol) == (camera.uri, protocol)
    assert (await client(TRV, "GetReceiverState", ReceiverToken=receiver)).ReceiverState.State == "NotConnected"
    job = await job_of(client, recording, receiver)
    await until(state_is(client, receiver, "Connected"))
    await until(job_is(client, job, "Active"))
    assert (udp_sockets() > before) is (protocol == "UDP")
    await until(recorded(client, recording, 2))
    await client(TRC, "SetRecordingJobMode", JobToken=job, Mode="Idle")
    await until(job_is(client, job, "Idle"))
    await until(state_is(client, receiver, "NotConnected"))
    found = (await client(TSE, "GetRecordingInformation", RecordingToken=recording)).RecordingInformation
    assert (found.Source.Name, found.RecordingStatus) == ("Second source", "Stopped")
    samples = BoxArchive(box.face.catalogue).samples(recording, 0, None, reverse=False, user="user")
    times = [sample.utc_us async for sample in samples if sample.track == "video"]
    assert len(times) > 30
    assert abs(times[-1] - utc_us()) < 120_000_000
    told = {(event.topic.partition("/")[2], value) for event in said for _, value in event.data}
    assert {("ChangeState", "Connected"), ("JobState", "Active"), ("JobState", "Idle")} <= told


@pytest.mark.case("RECORDING-3-1-10", "RECORDING-5-1-6", "RECORDING-5-1-10", "RECORDING-5-1-11", "RECORDING-5-1-17")
async def test_recordings_are_made_and_deleted_with_what_they_hold(box, camera):
    client, said = box.client(), []
    box.face.bus.listen(lambda event: said.append((event.topic.partition("/")[2], dict(event.source))))
    receiver, recording = await created(client, with_account(camera.uri))
    item = (await client(TRC, "GetRecordings")).RecordingItem[-1]
    assert item.RecordingToken == recording
    assert [track.Configuration.TrackType for track in item.Tracks.Track] == ["Video", "Metadata"]
    assert item.Configuration.Source.Location == "Yard"
    job = await job_of(client, recording, receiver)
    await until(recorded(client, recording, 1))
    folder = box.box.config.state / "recordings" / recording.rpartition("-")[2]
    assert list(folder.rglob("*.mp4"))
    await client(TRC, "DeleteRecording", RecordingToken=recording)
    assert not list(folder.rglob("*.mp4"))
    assert [job.JobToken for job in (await client(TRC, "GetRecordingJobs")).JobItem] == ["job-1"]
    for service, operation in ((TRC, "GetRecordingConfiguration"), (TSE, "GetRecordingInformation")):
        with pytest.raises(Fault, match="NoRecording"):
            await client(service, operation, RecordingToken=recording)
    with pytest.raises(Fault, match="NoRecordingJob"):
        await client(TRC, "GetRecordingJobState", JobToken=job)
    topics = [topic for topic, source in said if source.get("RecordingToken") == recording]
    assert topics.count("CreateTrack") == topics.count("DeleteTrack") == 2
    assert {"CreateRecording", "DeleteRecording"} <= set(topics)
    with pytest.raises(Fault, match="CannotDelete"):
        await client(TRC, "DeleteRecording", RecordingToken="recording-1")
    await client(TRV, "DeleteReceiver", ReceiverToken=receiver)


@pytest.mark.case("RECORDING-2-1-23", "RECEIVER-2-1-11")
async def test_the_mode_of_a_receiver_rules(box, camera):
    client = box.client()
    receiver, recording = await created(client, with_account(camera.uri), mode="NeverConnect")
    job = await job_of(client, recording, receiver)
    assert (await client(TRC, "GetRecordingJobState", JobToken=job)).State.State == "Idle"
    await client(TRV, "SetReceiverMode", ReceiverToken=receiver, Mode="AutoConnect")
    await until(job_is(client, job, "Active"))
    await client(TRV, "SetReceiverMode", ReceiverToken=receiver, Mode="NeverConnect")
    await until(job_is(client, job, "Idle"))
    await until(state_is(client, receiver, "NotConnected"))
    mode = (await client(TRC, "GetRecordingJobConfiguration", JobToken=job)).JobConfiguration.Mode
    assert mode == "Active"
    # Without a job it connects only if it always shall.
    await client(TRC, "DeleteRecordingJob", JobToken=job)
    await client(TRV, "SetReceiverMode", ReceiverToken=receiver, Mode="AlwaysConnect")
    await until(state_is(client, receiver, "Connected"))
    await client(TRV, "SetReceiverMode", ReceiverToken=receiver, Mode="AutoConnect")
    await until(state_is(client, receiver, "NotConnected"))
    with pytest.raises(Fault, match="BadConfiguration"):
        await client(TRV, "SetReceiverMode", ReceiverToken=receiver, Mode="Unknown")


@pytest.mark.case("RECORDING-3-1-12")
async def test_the_job_of_higher_priority_records(box, camera):
    client = box.client()
    low, recording = await created(client, with_account(camera.uri))
    high = (await client(TRV, "CreateReceiver", Configuration=receiving(with_account(camera.uri)))).Receiver.Token
    first = await job_of(client, recording, low, priority=1)
    await until(job_is(client, first, "Active"))
    second = await job_of(client, recording, high, priority=2)
    await until(job_is(client, second, "Active"))
    await until(state_is(client, low, "NotConnected"))
    assert await job_is(client, first, "Idle")()
    assert (await client(TRC, "GetRecordingJobConfiguration", JobToken=first)).JobConfiguration.Mode == "Active"
    await client(TRC, "DeleteRecordingJob", JobToken=second)
    await until(job_is(client, first, "Active"))
    await until(state_is(client, high, "NotConnected"))


async def test_an_address_that_does_not_answer_is_an_error_and_an_event(box):
    client, said = box.client(), []
    box.face.bus.listen(lambda event: said.append((event.topic, dict(event.source))))
    receiver, recording = await created(client, "rtsp://127.0.0.1:9/none")
    job = await job_of(client, recording, receiver)
    await until(job_is(client, job, "Error"))
    failed = ("tns1:Receiver/ConnectionFailed", {"ReceiverToken": receiver})

    async def told():
        return failed in said

    await until(told)


async def test_a_receiver_at_a_known_cameras_address_uses_its_account(tmp_path, camera):
    async with running(tmp_path, cameras=1, uri=camera.uri) as box:
        listed = box.box.cameras.list(SERVICE)[0]
        box.box.cameras._roster._cameras[1] = type(listed)(**{
            name: getattr(listed, name) for name in listed.__slots__} | {"user": USER})  # fmt: skip
        box.box.cameras._roster._passwords[1] = PASSWORD
        client = box.client()
        receiver, recording = await created(client, camera.uri)
        job = await job_of(client, recording, receiver)
        await until(job_is(client, job, "Active"))
        # The camera's own receiver may feed another recording, too.
        other = (await client(TRC, "CreateRecording", RecordingConfiguration=RECORDING)).RecordingToken
        await until(job_is(client, await job_of(client, other, "receiver-1"), "Active"))
        fed = {each.device: box.box.cameras.source(SERVICE, each.camera) for each in box.box.cameras.list(SERVICE)}
        assert fed == {True: "", False: listed.name}


async def test_it_goes_on_after_a_restart(tmp_path, camera):
    async with running(tmp_path, cameras=1) as box:
        client = box.client()
        receiver, recording = await created(client, with_account(camera.uri))
        job = await job_of(client, recording, receiver)
        await until(recorded(client, recording, 1))
        before = (await client(TSE, "GetRecordingInformation", RecordingToken=recording)).RecordingInformation
    async with running(tmp_path, cameras=1) as box:
        client = box.client()
        await until(job_is(client, job, "Active"))
        await until(state_is(client, receiver, "Connected"))

        async def longer():
            now = (await client(TSE, "GetRecordingInformation", RecordingToken=recording)).RecordingInformation
            return now.LatestRecording > before.LatestRecording + timedelta(seconds=1)

        await until(longer)


async def test_the_page_switches_a_recording_and_its_jobs_show_it(box, camera):
    client = box.client()
    receiver, recording = await created(client, with_account(camera.uri))
    job = await job_of(client, recording, receiver)
    await until(job_is(client, job, "Active"))
    number = int(recording.rpartition("-")[2])
    assert box.box.cameras.source(SERVICE, number) == camera.uri
    await box.box.cameras.change(SERVICE, number, recording=False)
    assert (await client(TRC, "GetRecordingJobConfiguration", JobToken=job)).JobConfiguration.Mode == "Idle"
    await until(state_is(client, receiver, "NotConnected"))
    await box.box.cameras.change(SERVICE, number, recording=True)
    await until(job_is(client, job, "Active"))


async def test_a_retention_time_is_obeyed(box):
    client = box.client()
    retention = Retention(box.box.cameras._segments.store, box.box.config.state / "recordings",
                          RecordConfig(keep_days=0, keep_free_mib=0))  # fmt: skip
    await retention.sweep()
    found = (await client(TSE, "GetRecordingInformation", RecordingToken="recording-1")).RecordingInformation
    assert (found.RecordingStatus, found.EarliestRecording is None) == ("Stopped", False)
    short = {**RECORDING, "MaximumRetentionTime": timedelta(hours=1)}
    await client(TRC, "SetRecordingConfiguration", RecordingToken="recording-1", RecordingConfiguration=short)
    await retention.sweep()
    found = (await client(TSE, "GetRecordingInformation", RecordingToken="recording-1")).RecordingInformation
    assert (found.RecordingStatus, found.EarliestRecording) == ("Initiated", None)


class Process:
    """The real box; `port` is that of its ONVIF services."""

    def __init__(self, config):
        words = [sys.executable, "-m", "nvr_box", "--config", str(config)]
        self.process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.log = []
        for line in self.process.stderr:
            self.log.append(line)
            if found := re.search(r"ONVIF: http://127\.0\.0\.1:(\d+)/", line):
                self.base = f"http://127.0.0.1:{found[1]}"
                return
        pytest.fail("the box did not start: " + "".join(self.log[-20:]))

    def end(self, how):
        os.kill(self.process.pid, how)
        self.process.stderr.close()
        return self.process.wait(60)


@pytest.mark.e2e
@pytest.mark.long
async def test_a_kill_leaves_the_second_source_recorded(tmp_path, camera):
    state = tmp_path / "state"
    (config := tmp_path / "nvr.toml").write_text(
        f'state = "{state}"\n[web]\nport = 0\n[record]\nsegment_s = 2\nkeep_free_mib = 0\n'
    )
    box = await asyncio.to_thread(Process, config)
    client = Client(box.base, "admin", (state / "onvif/initial-password").read_text().strip(), PATHS)
    try:
        receiver, recording = await created(client, with_account(camera.uri))
        job = await job_of(client, recording, receiver)
        await until(recorded(client, recording, 3))
        killed = datetime.now(UTC)
        box.end(signal.SIGKILL)
        box = await asyncio.to_thread(Process, config)
        client.base = box.base
        await until(job_is(client, job, "Active"))

        async def longer():
            now = (await client(TSE, "GetRecordingInformation", RecordingToken=recording)).RecordingInformation
            return now.LatestRecording > killed + timedelta(seconds=2) and now.EarliestRecording < killed

        await until(longer)
    finally:
        await client.carrier.close()
        await asyncio.to_thread(box.end, signal.SIGTERM)
