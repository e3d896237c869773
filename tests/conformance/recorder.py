"""The recorder's part: Profile G with receivers as the source of its recordings."""

import datetime as dt

from tests.conformance import common

FAR = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


async def script(dut):
    await common.device(dut)
    await common.events(dut)
    await receivers(dut)
    await recordings(dut)
    await searches(dut)
    await replay(dut)


async def receivers(dut):
    await dut.ask("trv:GetServiceCapabilities")
    await dut.ask("trv:GetReceivers")
    setup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
    wanted = {"Mode": "NeverConnect", "MediaUri": "rtsp://192.0.2.7/main", "StreamSetup": setup}
    made = await dut.ask("trv:CreateReceiver", Configuration=wanted)
    if not made:
        return
    token = made.Receiver.Token
    await dut.ask("trv:GetReceiver", ReceiverToken=token)
    await dut.ask("trv:GetReceiverState", ReceiverToken=token)
    changed = {**wanted, "MediaUri": "rtsp://192.0.2.8/main"}
    await dut.ask("trv:ConfigureReceiver", ReceiverToken=token, Configuration=changed)
    await dut.ask("trv:SetReceiverMode", ReceiverToken=token, Mode="NeverConnect")
    await dut.ask("trv:DeleteReceiver", ReceiverToken=token)


async def recordings(dut):
    await dut.ask("trc:GetServiceCapabilities")
    listed = await dut.ask("trc:GetRecordings")
    if listed and listed.RecordingItem:
        item = listed.RecordingItem[0]
        await _one_recording(dut, item.RecordingToken, item.Tracks.Track[0].TrackToken)
        await _jobs(dut, item.RecordingToken)
    made = await dut.ask("trc:CreateRecording", RecordingConfiguration=_recording("conformance"))
    if made:
        token = made.RecordingToken
        track = {"TrackType": "Video", "Description": "conformance"}
        added = await dut.ask("trc:CreateTrack", RecordingToken=token, TrackConfiguration=track)
        if added:
            await dut.ask("trc:DeleteTrack", RecordingToken=token, TrackToken=added.TrackToken)
        await dut.ask("trc:DeleteRecording", RecordingToken=token)


async def _one_recording(dut, token, track):
    await dut.ask("trc:GetRecordingOptions", RecordingToken=token)
    await dut.ask("trc:GetRecordingConfiguration", RecordingToken=token)
    await dut.ask("trc:SetRecordingConfiguration", RecordingToken=token, RecordingConfiguration=_recording("hall"))
    found = await dut.ask("trc:GetTrackConfiguration", RecordingToken=token, TrackToken=track)
    if found:
        await dut.ask(
            "trc:SetTrackConfiguration", RecordingToken=token, TrackToken=track,
            TrackConfiguration=found.TrackConfiguration,
        )  # fmt: skip


async def _jobs(dut, recording):
    await dut.ask("trc:GetRecordingJobs")
    wanted = {"RecordingToken": recording, "Mode": "Idle", "Priority": 1}
    made = await dut.ask("trc:CreateRecordingJob", JobConfiguration=wanted)
    if not made:
        return
    job = made.JobToken
    await dut.ask("trc:GetRecordingJobState", JobToken=job)
    found = await dut.ask("trc:GetRecordingJobConfiguration", JobToken=job)
    if found:
        await dut.ask("trc:SetRecordingJobConfiguration", JobToken=job, JobConfiguration=found.JobConfiguration)
    await dut.ask("trc:SetRecordingJobMode", JobToken=job, Mode="Idle")
    await dut.ask("trc:DeleteRecordingJob", JobToken=job)


async def searches(dut):
    await dut.ask("tse:GetServiceCapabilities")
    await dut.ask("tse:GetRecordingSummary")
    listed = await dut.ask("trc:GetRecordings")
    token = listed.RecordingItem[0].RecordingToken if listed and listed.RecordingItem else "none"
    found = await dut.ask("tse:GetRecordingInformation", RecordingToken=token)
    at = found.RecordingInformation.EarliestRecording if found else FAR
    await dut.ask("tse:GetMediaAttributes", RecordingTokens=[token], Time=at or FAR)
    begun = await dut.ask("tse:FindRecordings", Scope={}, KeepAliveTime="PT30S")
    if begun:
        await dut.ask("tse:GetRecordingSearchResults", SearchToken=begun.SearchToken, WaitTime="PT2S", wait_s=2)
        await dut.ask("tse:EndSearch", SearchToken=begun.SearchToken)
    begun = await dut.ask(
        "tse:FindEvents", StartPoint=FAR, Scope={}, SearchFilter={}, IncludeStartState=True, KeepAliveTime="PT30S"
    )
    if begun:
        await dut.ask("tse:GetEventSearchResults", SearchToken=begun.SearchToken, WaitTime="PT2S", wait_s=2)
        await dut.ask("tse:EndSearch", SearchToken=begun.SearchToken)
    begun = await dut.ask(
        "tse:FindMetadata", StartPoint=FAR, Scope={}, KeepAliveTime="PT30S",
        MetadataFilter={"MetadataStreamFilter": 'boolean(//Object[Appearance/Class/Type = "Human"])'},
    )  # fmt: skip
    if begun:
        await dut.ask("tse:GetMetadataSearchResults", SearchToken=begun.SearchToken, WaitTime="PT2S", wait_s=2)
        await dut.ask("tse:EndSearch", SearchToken=begun.SearchToken)


async def replay(dut):
    await dut.ask("trp:GetServiceCapabilities")
    now = await dut.ask("trp:GetReplayConfiguration")
    if now:
        await dut.ask("trp:SetReplayConfiguration", Configuration=now.Configuration)
    listed = await dut.ask("trc:GetRecordings")
    if listed and listed.RecordingItem:
        setup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
        await dut.ask("trp:GetReplayUri", StreamSetup=setup, RecordingToken=listed.RecordingItem[0].RecordingToken)


def _recording(name):
    source = {
        "SourceId": "urn:veilcam:conformance", "Name": name, "Location": "hall", "Description": name,
        "Address": "urn:veilcam:conformance",
    }  # fmt: skip
    return {"Source": source, "Content": name, "MaximumRetentionTime": "PT0S"}
