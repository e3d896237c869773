"""The recording control service (ONVIF Recording Control 26.06): recordings, tracks and jobs over the recorders."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from lxml import etree

from nvr_box.services.jobs import Jobs
from nvr_box.services.recorder_state import RecordingTexts, StoredJob, StoredReceiver
from nvr_box.services.recordings_view import (
    MOST_JOBS,
    MOST_RECORDINGS,
    SERVICE,
    TRACKS,
    VIDEO,
    Catalogue,
    RecordingView,
    acting,
    receiver_token,
    recording_token,
    source_values,
)
from onvif import names
from onvif.errors import impossible, invalid
from onvif.events import Bus
from onvif.events import topics as t
from onvif.registry import load
from onvif.service import Call, Reply, Service, operation, service

PATH = "/onvif/recording"
RECEIVER_TYPE = f"{names.TT}/Receiver"


class RecordingControl:
    """The handlers."""

    def __init__(self, catalogue: Catalogue, jobs: Jobs, bus: Bus) -> None:
        self._catalogue, self._jobs = catalogue, jobs
        self._bus = bus
        self._said: dict[str, str] = {}

    @operation("GetRecordings")
    async def get_recordings(self, _call: Call) -> Reply:
        return {
            "RecordingItem": [
                {
                    "RecordingToken": recording.token,
                    "Configuration": _configuration(recording),
                    "Tracks": {
                        "Track": [
                            {"TrackToken": token, "Configuration": _track(recording, token)} for token, _ in TRACKS
                        ]
                    },
                }
                for recording in await self._catalogue.recordings()
            ]
        }

    @operation("GetRecordingConfiguration")
    async def get_recording_configuration(self, call: Call) -> Reply:
        return {"RecordingConfiguration": _configuration(await self._asked(call))}

    @operation("SetRecordingConfiguration")
    async def set_recording_configuration(self, call: Call) -> Reply:
        recording, requested = await self._asked(call), call.request.RecordingConfiguration
        texts = _texts(requested, recording.texts.tracks)
        self._catalogue.save_texts(recording.token, texts)
        if texts.retention_s != recording.texts.retention_s:
            await self._catalogue.box.cameras.keep(acting(), recording.camera.camera, texts.retention_s)
        values = {"RecordingConfiguration": _configuration(await self._asked(call))}
        self._bus.publish(
            t.RECORDING_CONFIGURATION.path,
            {"RecordingToken": recording.token},
            elements={"Configuration": _element("GetRecordingConfiguration", values)},
        )
        return None

    @operation("GetRecordingOptions")
    async def get_recording_options(self, call: Call) -> Reply:
        await self._asked(call)
        return {
            "Options": {
                "Job": {
                    "Spare": max(MOST_JOBS - len(self._jobs.all()), 0),
                    "CompatibleSources": [receiver.token for receiver in self._catalogue.receivers()],
                },
                "Track": {"SpareTotal": 0, "SpareVideo": 0, "SpareAudio": 0, "SpareMetadata": 0},
            }
        }

    @operation("GetTrackConfiguration")
    async def get_track_configuration(self, call: Call) -> Reply:
        recording, track = await self._asked_track(call)
        return {"TrackConfiguration": _track(recording, track)}

    @operation("SetTrackConfiguration")
    async def set_track_configuration(self, call: Call) -> Reply:
        recording, track = await self._asked_track(call)
        requested = call.request.TrackConfiguration
        if requested.TrackType != dict(TRACKS)[track]:
            raise invalid(f"the track {track} is of type {dict(TRACKS)[track]}", "BadConfiguration")
        tracks = {**recording.texts.tracks, track: str(requested.Description or "")}
        self._catalogue.save_texts(recording.token, replace(recording.texts, tracks=tracks))
        values = {"TrackConfiguration": _track(await self._asked(call), track)}
        self._bus.publish(
            t.TRACK_CONFIGURATION.path,
            {"RecordingToken": recording.token, "TrackToken": track},
            elements={"Configuration": _element("GetTrackConfiguration", values)},
        )
        return None

    @operation("CreateRecording")
    async def create_recording(self, call: Call) -> Reply:
        cameras = self._catalogue.box.cameras
        if len(cameras.list(SERVICE)) >= MOST_RECORDINGS:
            raise impossible(f"at most {MOST_RECORDINGS} recordings", "MaxRecordings")
        texts = _texts(call.request.RecordingConfiguration, {})
        camera = await cameras.create(acting(), texts.name)
        token = recording_token(camera)
        self._catalogue.save_texts(token, texts)
        if texts.retention_s:
            await cameras.keep(acting(), camera.camera, texts.retention_s)
        self._bus.publish(t.CREATE_RECORDING.path, {"RecordingToken": token})
        for track, _ in TRACKS:
            self._bus.publish(t.CREATE_TRACK.path, {"RecordingToken": token, "TrackToken": track})
        return {"RecordingToken": token}

    @operation("DeleteRecording")
    async def delete_recording(self, call: Call) -> Reply:
        recording = await self._asked(call)
        if recording.camera.device:
            raise impossible("a camera's recording goes with its camera: remove it from the box", "CannotDelete")
        for job in self._jobs.all():
            if job.recording == recording.token:
                await self._delete_job(job)
        await self._catalogue.box.cameras.remove(acting(), recording.camera.camera, recordings_too=True)
        self._catalogue.drop_texts(recording.token)
        for track, _ in TRACKS:
            self._bus.retire(t.TRACK_STATE.path, {"RecordingToken": recording.token, "Track": track})
            self._bus.publish(t.DELETE_TRACK.path, {"RecordingToken": recording.token, "TrackToken": track})
        self._bus.retire(t.RECORDING_STATE.path, {"RecordingToken": recording.token})
        self._bus.publish(t.DELETE_RECORDING.path, {"RecordingToken": recording.token})
        return None

    @operation("GetRecordingJobs")
    async def get_recording_jobs(self, _call: Call) -> Reply:
        return {"JobItem": [{"JobToken": job.token, "JobConfiguration": _job(job)} for job in self._jobs.all()]}

    @operation("CreateRecordingJob")
    async def create_recording_job(self, call: Call) -> Reply:
        if len(self._jobs.all()) >= MOST_JOBS:
            raise impossible(f"at most {MOST_JOBS} jobs", "MaxRecordingJobs")
        number = self._catalogue.number()
        job = self._read(call.request.JobConfiguration, f"job-new-{number}", number)
        await self._jobs.save(job)
        self._publish(job)
        return {"JobToken": job.token, "JobConfiguration": _job(job)}

    @operation("GetRecordingJobConfiguration")
    async def get_recording_job_configuration(self, call: Call) -> Reply:
        return {"JobConfiguration": _job(self._jobs.get(str(call.request.JobToken)))}

    @operation("SetRecordingJobConfiguration")
    async def set_recording_job_configuration(self, call: Call) -> Reply:
        present = self._jobs.get(str(call.request.JobToken))
        requested = call.request.JobConfiguration
        if requested.RecordingToken != present.recording:
            raise invalid("a job stays with its recording", "BadConfiguration")
        job = self._read(requested, present.token, 0)
        await self._jobs.save(job)
        self._bus.publish(
            t.RECORDING_JOB_CONFIGURATION.path,
            {"RecordingJobToken": job.token},
            elements={"Configuration": _element("GetRecordingJobConfiguration", {"JobConfiguration": _job(job)})},
        )
        self._publish(job)
        return {"JobConfiguration": _job(job)}

    @operation("SetRecordingJobMode")
    async def set_recording_job_mode(self, call: Call) -> Reply:
        job = self._jobs.get(str(call.request.JobToken))
        if call.request.Mode not in {"Idle", "Active"}:
            raise invalid(f"the mode {str(call.request.Mode)[:32]!r} is neither Idle nor Active", "BadMode")
        job = replace(job, mode=str(call.request.Mode))
        await self._jobs.save(job)
        self._publish(job)
        return None

    @operation("DeleteRecordingJob")
    async def delete_recording_job(self, call: Call) -> Reply:
        await self._delete_job(self._jobs.get(str(call.request.JobToken)))
        return None

    @operation("GetRecordingJobState")
    async def get_recording_job_state(self, call: Call) -> Reply:
        return {"State": self._state(self._jobs.get(str(call.request.JobToken)))}

    async def _delete_job(self, job: StoredJob) -> None:
        await self._jobs.drop(job)
        self._said.pop(job.token, None)
        self._bus.retire(t.JOB_STATE.path, {"RecordingJobToken": job.token})

    def publish_states(self) -> None:
        """Say how every job stands that does not stand as it was last said."""
        for job in self._jobs.all():
            self._publish(job)

    def _publish(self, job: StoredJob) -> None:
        state = self._state(job)
        if self._said.get(job.token) == state["State"]:
            return
        self._said[job.token] = state["State"]
        self._bus.publish(
            t.JOB_STATE.path,
            {"RecordingJobToken": job.token},
            {"State": state["State"]},
            elements={"Information": _element("GetRecordingJobState", {"State": state})},
        )

    def _state(self, job: StoredJob) -> dict[str, Any]:
        state = self._jobs.state(job)
        return {
            "RecordingToken": job.recording,
            "State": state,
            "Sources": [
                {
                    "SourceToken": {"Token": source, "Type": RECEIVER_TYPE},
                    "State": state,
                    "Tracks": {
                        "Track": [{"SourceTag": token, "Destination": token, "State": state} for token, _ in TRACKS]
                    },
                }
                for source in _sources(job)
            ],
        }

    def _read(self, requested: Any, token: str, number: int) -> StoredJob:
        """A job out of a request; raises ter:NoRecording, ter:BadMode, ter:BadConfiguration."""
        recording = str(requested.RecordingToken)
        camera = self._catalogue.camera(recording)
        if requested.Mode not in {"Idle", "Active"}:
            raise invalid(f"the mode {str(requested.Mode)[:32]!r} is neither Idle nor Active", "BadMode")
        sources = list(requested.Source or ())
        if len(sources) > 1:
            raise invalid("a recording of this box has one source", "BadConfiguration")
        source, automatic = receiver_token(camera) if camera.device else "", False
        if sources:
            wanted = sources[0]
            for track in wanted.Tracks or ():
                if track.Destination not in dict(TRACKS):
                    raise invalid(f"there is no track {str(track.Destination)[:64]!r}", "BadConfiguration")
            if wanted.SourceToken is not None:
                if wanted.SourceToken.Type not in {None, RECEIVER_TYPE}:
                    raise invalid("the sources of this box are receivers", "BadConfiguration")
                source = str(wanted.SourceToken.Token)
                automatic = self._catalogue.receiver(source).auto_created
            elif wanted.AutoCreateReceiver:
                source, automatic = f"receiver-new-{number}", True
                self._catalogue.save_receiver(StoredReceiver(source, auto_created=True))
        known = next((job for job in self._jobs.all() if job.token == token), None)
        activated = known.activated if known else 0
        return StoredJob(token, recording, str(requested.Mode), int(requested.Priority), source, automatic, activated)

    async def _asked(self, call: Call) -> RecordingView:
        return await self._catalogue.recording(str(call.request.RecordingToken))

    async def _asked_track(self, call: Call) -> tuple[RecordingView, str]:
        recording, track = await self._asked(call), str(call.request.TrackToken)
        if track not in dict(TRACKS):
            raise invalid(f"there is no track {track[:64]!r}", "NoTrack")
        return recording, track


def recording_service(handlers: RecordingControl) -> Service:
    return service(handlers, names.TRC, path=PATH, capabilities=_capabilities)


def _capabilities() -> Mapping[str, Any]:
    return {
        "DynamicRecordings": True, "DynamicTracks": False, "Encoding": ["H264", "H265", "JPEG"], "MaxRate": 40_000.0,
        "MaxTotalRate": 200_000.0, "MaxRecordings": float(MOST_RECORDINGS), "MaxRecordingJobs": MOST_JOBS,
        "Options": True, "MetadataRecording": True, "EventRecording": False,
    }  # fmt: skip


def _configuration(recording: RecordingView) -> dict[str, Any]:
    return {
        "Source": source_values(recording),
        "Content": recording.texts.content,
        "MaximumRetentionTime": timedelta(seconds=recording.texts.retention_s),
    }


def _track(recording: RecordingView, token: str) -> dict[str, Any]:
    return {"TrackType": "Video" if token == VIDEO else "Metadata", "Description": recording.description(token)}


def _job(job: StoredJob) -> dict[str, Any]:
    return {
        "RecordingToken": job.recording, "Mode": job.mode, "Priority": job.priority,
        "Source": [
            {
                "SourceToken": {"Token": source, "Type": RECEIVER_TYPE},
                "Tracks": [{"SourceTag": token, "Destination": token} for token, _ in TRACKS],
            }
            for source in _sources(job)
        ],
    }  # fmt: skip


def _sources(job: StoredJob) -> list[str]:
    """One receiver, or none yet."""
    return [job.source] if job.source else []


def _texts(requested: Any, tracks: dict[str, str]) -> RecordingTexts:
    """A recording's configuration out of a request; raises Fault ter:BadConfiguration."""
    retention = requested.MaximumRetentionTime
    seconds = int(retention.total_seconds()) if hasattr(retention, "total_seconds") else 0
    if seconds < 0:
        raise invalid("a retention time is not negative", "BadConfiguration")
    source = requested.Source
    return RecordingTexts(
        source_id=str(source.SourceId or ""), name=str(source.Name or ""), location=str(source.Location or ""),
        description=str(source.Description or ""), address=str(source.Address or ""),
        content=str(requested.Content or ""), retention_s=seconds, tracks=tracks,
    )  # fmt: skip


def _element(operation_name: str, values: Mapping[str, Any]) -> etree._Element:
    """A configuration as element, taken from the reply of the operation that shows it."""
    return load().operation(names.TRC, operation_name).encode_reply(values)[0]
