"""The box's cameras as ONVIF recordings: tokens, tracks, times, jobs and receivers, read from the parts of the box."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nvr_box.box import Box
from nvr_box.cameras.cameras import State, Status
from nvr_box.cameras.roster import Camera
from nvr_box.clock import utc_us
from nvr_box.record.recordings import Span
from nvr_box.rights import Account, Right
from nvr_box.services.recorder_state import RecorderState, RecordingTexts, StoredJob, StoredReceiver
from onvif.errors import invalid
from onvif.store import Stored

VIDEO, METADATA = "video", "metadata"
TRACKS = ((VIDEO, "Video"), (METADATA, "Metadata"))
MOST_RECEIVERS, MOST_JOBS = 32, 32
SERVICE = Account("onvif", frozenset({Right.VIEW, Right.ADMIN}))
"""On whose account the services read and switch; who asked is in the audit entries of the web server's access."""
_BEGINNING_US = 0
_CODECS = {"h264": "H264", "hevc": "H265", "h265": "H265", "mjpeg": "JPEG"}


@dataclass(frozen=True, slots=True)
class Recording:
    """One camera's recording as it stands now."""

    token: str
    camera: Camera
    status: Status
    texts: RecordingTexts
    spans: tuple[Span, ...]

    @property
    def earliest_us(self) -> int | None:
        return self.spans[0].start_us if self.spans else None

    @property
    def latest_us(self) -> int | None:
        return self.spans[-1].end_us if self.spans else None

    @property
    def encoding(self) -> str:
        return _CODECS.get(self.status.codec.lower(), self.status.codec.upper())

    def description(self, track: str) -> str:
        return self.texts.tracks.get(track, "Masked video" if track == VIDEO else "Objects and events")


class Catalogue:
    """Recordings, jobs and receivers of one box."""

    def __init__(self, box: Box, folder: Path) -> None:
        self.box = box
        self.state = Stored(folder / "recorder.json", RecorderState())

    async def recordings(self) -> list[Recording]:
        return [await self._recording(camera) for camera in self.box.cameras.list(SERVICE)]

    async def recording(self, token: str) -> Recording:
        """Raises Fault ter:InvalidArgVal/ter:NoRecording."""
        return await self._recording(self.camera(token))

    def camera(self, token: str) -> Camera:
        """The camera behind a recording token; raises Fault ter:NoRecording."""
        for camera in self.box.cameras.list(SERVICE):
            if recording_token(camera) == token:
                return camera
        raise invalid(f"there is no recording {str(token)[:64]!r}", "NoRecording")

    def texts(self, token: str) -> RecordingTexts:
        return self.state.value.recordings.get(token, RecordingTexts())

    def put_texts(self, token: str, texts: RecordingTexts) -> None:
        self.state.change(recordings={**self.state.value.recordings, token: texts})

    def jobs(self) -> list[StoredJob]:
        """Every job; each recording has one of its camera's receiver until a client deletes it.

        What records is the truth: a camera that was switched on or off at the page shows so in its jobs.
        """
        state = self.state.value
        listed = []
        for camera in self.box.cameras.list(SERVICE):
            recording = recording_token(camera)
            jobs = [job for job in state.jobs.values() if job.recording == recording]
            if recording not in state.without_job and not any(job.token == job_token(camera) for job in jobs):
                jobs.insert(0, StoredJob(job_token(camera), recording, "Idle", 1, receiver_token(camera)))
            feeding = [job for job in jobs if job.source == receiver_token(camera)]
            if not camera.recording:
                jobs = [replace(job, mode="Idle") if job in feeding else job for job in jobs]
            elif feeding and all(job.mode == "Idle" for job in feeding):
                jobs = [replace(job, mode="Active") if job is feeding[0] else job for job in jobs]
            listed += jobs
        return listed

    def job(self, token: str) -> StoredJob:
        """Raises Fault ter:NoRecordingJob."""
        for job in self.jobs():
            if job.token == token:
                return job
        raise invalid(f"there is no recording job {str(token)[:64]!r}", "NoRecordingJob")

    def feeds(self, job: StoredJob) -> bool:
        """Whether the job is the one that records now: active, from its camera, no other of higher priority."""
        if job.mode != "Active" or job.source != receiver_token(self.camera(job.recording)):
            return False
        rivals = [other for other in self.jobs() if other.recording == job.recording and other.mode == "Active"]
        return not any((rival.priority, rival.token) > (job.priority, job.token) for rival in rivals)

    def job_state(self, job: StoredJob) -> str:
        """tt:RecordingJobState of a job: Idle, Active, PartiallyActive or Error."""
        if not self.feeds(job):
            return "Idle"
        status = self.box.cameras.status(SERVICE, self.camera(job.recording).camera)
        return {State.RECORDING: "Active", State.CONNECTING: "PartiallyActive", State.LOST: "Error"}.get(
            status.state, "Idle"
        )

    async def put_job(self, job: StoredJob) -> None:
        """Keep a new or changed job and switch its camera's recorder to what the jobs say now."""
        await self._put_jobs(job.recording, [other for other in self.jobs() if other.token != job.token] + [job])

    async def drop_job(self, job: StoredJob) -> None:
        """Forget a job, with the receiver that was made for it."""
        state = self.state.value
        if job.token == job_token(self.camera(job.recording)):
            self.state.change(without_job=(*state.without_job, job.recording))
        if job.auto_created:
            kept = {token: receiver for token, receiver in state.receivers.items() if token != job.source}
            self.state.change(receivers=kept)
        await self._put_jobs(job.recording, [other for other in self.jobs() if other.token != job.token])

    async def _put_jobs(self, recording: str, jobs: list[StoredJob]) -> None:
        self.state.change(jobs={job.token: job for job in jobs})
        camera = self.camera(recording)
        active = any(
            job.mode == "Active" and job.recording == recording and job.source == receiver_token(camera) for job in jobs
        )
        if camera.recording != active:
            await self.box.cameras.change(SERVICE, camera.camera, recording=active)

    def receivers(self) -> list[StoredReceiver]:
        """The cameras' own receivers and those that clients made."""
        stored = dict(self.state.value.receivers)
        own = []
        for camera in self.box.cameras.list(SERVICE):
            token = receiver_token(camera)
            kept = stored.pop(token, StoredReceiver(token))
            own.append(replace(kept, uri=kept.uri or camera.stream_uri))
        tokens = {receiver.token for receiver in own}
        return own + [receiver for receiver in stored.values() if receiver.token not in tokens]

    def receiver(self, token: str) -> StoredReceiver:
        """Raises Fault ter:UnknownToken."""
        for receiver in self.receivers():
            if receiver.token == token:
                return receiver
        raise invalid(f"there is no receiver {str(token)[:64]!r}", "UnknownToken")

    def put_receiver(self, receiver: StoredReceiver) -> None:
        self.state.change(receivers={**self.state.value.receivers, receiver.token: receiver})

    def of_camera(self, receiver: str) -> Camera | None:
        """The camera whose own receiver this is."""
        for camera in self.box.cameras.list(SERVICE):
            if receiver_token(camera) == receiver:
                return camera
        return None

    def receiver_state(self, receiver: StoredReceiver) -> str:
        """tt:ReceiverState: what the recorder behind it does; a receiver without a camera is never connected."""
        camera = self.of_camera(receiver.token)
        if camera is None:
            return "NotConnected"
        status = self.box.cameras.status(SERVICE, camera.camera)
        return {State.RECORDING: "Connected", State.CONNECTING: "Connecting"}.get(status.state, "NotConnected")

    def number(self) -> int:
        """The next number for a token; none is given twice."""
        found = self.state.value.next_number
        self.state.change(next_number=found + 1)
        return found

    async def _recording(self, camera: Camera) -> Recording:
        token = recording_token(camera)
        spans = await self.box.recordings.spans(SERVICE, camera.camera, _BEGINNING_US, utc_us() + 60_000_000)
        return Recording(token, camera, self.box.cameras.status(SERVICE, camera.camera), self.texts(token), spans)


def recording_token(camera: Camera) -> str:
    return f"recording-{camera.camera}"


def job_token(camera: Camera) -> str:
    return f"job-{camera.camera}"


def receiver_token(camera: Camera) -> str:
    return f"receiver-{camera.camera}"


def moment(us: int) -> datetime:
    """A time of the box as xs:dateTime values want it."""
    return datetime.fromtimestamp(us / 1_000_000, UTC)


def microseconds(value: Any) -> int:
    """The reverse, for times in requests; one without a zone is UTC."""
    at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return int(at.timestamp() * 1_000_000)


def source_values(recording: Recording) -> dict[str, Any]:
    """tt:RecordingSourceInformation."""
    camera, texts = recording.camera, recording.texts
    return {
        "SourceId": texts.source_id or f"urn:veilcam:camera:{camera.camera_id or camera.serial or camera.camera}",
        "Name": (texts.name or camera.name)[:64], "Location": texts.location, "Description": texts.description,
        "Address": texts.address or camera.xaddr,
    }  # fmt: skip
