"""Recording jobs: which receiver feeds which recording, and making the box's recorders do what they say.

Every camera comes with a job of its own receiver. Of several active jobs of a recording the one of highest priority
records, of equal ones the one that was activated last (ONVIF Recording Control 26.06, 5.17).
"""

import asyncio
from dataclasses import replace

from nvr_box.cameras.camera_store import CameraRow
from nvr_box.cameras.cameras import CameraRecordingState
from nvr_box.cameras.stream_sources import StreamSource
from nvr_box.services.recorder_state import StoredJob, StoredReceiver
from nvr_box.services.recordings_view import SERVICE, Catalogue, acting, job_token, receiver_token, recording_token
from onvif.errors import invalid

_TRANSPORTS = {"UDP": "udp", "HTTP": "http"}
_JOB_STATES = {
    CameraRecordingState.RECORDING: "Active",
    CameraRecordingState.CONNECTING: "PartiallyActive",
    CameraRecordingState.LOST: "Error",
}
_RECEIVER_STATES = {CameraRecordingState.RECORDING: "Connected", CameraRecordingState.CONNECTING: "Connecting"}


class Jobs:
    """The jobs of one box, and its receivers as far as jobs and modes connect them."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._cameras = catalogue.box.cameras
        self._turn = asyncio.Lock()

    def all(self) -> list[StoredJob]:
        """Every job, by recording; a camera that was switched on or off at the page shows so in its jobs."""
        return [job for camera in self._cameras.list(SERVICE) for job in self._of(camera)]

    def get(self, token: str) -> StoredJob:
        """Raises Fault ter:NoRecordingJob."""
        for job in self.all():
            if job.token == token:
                return job
        raise invalid(f"there is no recording job {str(token)[:64]!r}", "NoRecordingJob")

    def feeding(self, camera: CameraRow) -> StoredJob | None:
        """The job that records now, or would if its receiver let it."""
        return _top(self._of(camera))

    def state(self, job: StoredJob) -> str:
        """tt:RecordingJobState of a job: Idle, Active, PartiallyActive or Error."""
        camera = self._catalogue.camera(job.recording)
        feeding = self.feeding(camera)
        if feeding is None or feeding.token != job.token:
            return "Idle"
        return _JOB_STATES.get(self._cameras.status(SERVICE, camera.camera).state, "Idle")

    async def save(self, job: StoredJob) -> None:
        """Keep a new or changed job and let the recorders follow."""
        async with self._turn:
            before = next((known for known in self.all() if known.token == job.token), None)
            if job.mode == "Active" and (before is None or before.mode != "Active"):
                job = replace(job, activated=self._catalogue.number())
            await self._change([known for known in self.all() if known.token != job.token] + [job], job.recording)

    async def drop(self, job: StoredJob) -> None:
        """Forget a job, with the receiver that was made for it."""
        async with self._turn:
            state = self._catalogue.state.value
            if job.token == job_token(self._catalogue.camera(job.recording)):
                self._catalogue.state.change(without_job=(*state.without_job, job.recording))
            left = [known for known in self.all() if known.token != job.token]
            if job.auto_created and not any(known.source == job.source for known in left):
                self._catalogue.drop_receiver(job.source)
            await self._change(left, job.recording)

    async def reconcile(self) -> None:
        """Make every recorder and connection follow the jobs and receivers.

        At the start, when a receiver changed, and now and then: cameras come, go and are switched at the page.
        """
        async with self._turn:
            for camera in self._cameras.list(SERVICE):
                await self._apply(camera, self._of(camera))
            self._hold()

    def receiver_state(self, receiver: StoredReceiver) -> str:
        """tt:ReceiverState: Connected as soon as anything comes through it."""
        states = {
            self._cameras.status(SERVICE, camera.camera).state
            for camera in self._cameras.list(SERVICE)
            if self._received_by(camera) == receiver.token
        }
        states.add(self._cameras.held(SERVICE, receiver.token))
        for state, word in _RECEIVER_STATES.items():
            if state in states:
                return word
        return "NotConnected"

    def wanted(self, receiver: StoredReceiver) -> bool:
        """Whether it should be connected."""
        used = any(self._received_by(camera) == receiver.token for camera in self._cameras.list(SERVICE))
        return receiver.mode == "AlwaysConnect" or (receiver.mode == "AutoConnect" and used)

    def _of(self, camera: CameraRow) -> list[StoredJob]:
        state, recording = self._catalogue.state.value, recording_token(camera)
        jobs = [job for job in state.jobs.values() if job.recording == recording]
        own = job_token(camera)
        if camera.device and recording not in state.without_job and not any(job.token == own for job in jobs):
            mode = "Active" if camera.recording else "Idle"
            jobs.insert(0, StoredJob(own, recording, mode, 1, receiver_token(camera)))
        if not camera.recording:
            return [replace(job, mode="Idle") for job in jobs]
        if jobs and all(job.mode == "Idle" for job in jobs):
            return [replace(jobs[0], mode="Active"), *jobs[1:]]
        return jobs

    async def _change(self, jobs: list[StoredJob], recording: str) -> None:
        """Keep these jobs, and let one recording be recorded as they say."""
        self._catalogue.state.change(jobs={job.token: job for job in jobs})
        await self._apply(self._catalogue.camera(recording), [job for job in jobs if job.recording == recording])
        self._hold()

    async def _apply(self, camera: CameraRow, jobs: list[StoredJob]) -> None:
        top = _top(jobs)
        feed = self._feed(camera, top) if top is not None else None
        # The page switches a camera without any job, too.
        recording = top is not None if jobs else camera.recording and camera.device
        await self._cameras.receive(acting(), camera.camera, feed, recording=recording)

    def _feed(self, camera: CameraRow, job: StoredJob) -> StreamSource | None:
        """What a job's receiver brings; None for the camera's own stream as the camera tells it."""
        found = next((one for one in self._catalogue.receivers() if one.token == job.source), None)
        if found is None or found.mode == "NeverConnect":
            return StreamSource()
        transport = _TRANSPORTS.get(found.protocol, "tcp")
        source = self._catalogue.of_camera(found.token)
        if source is None:
            return StreamSource(None, found.uri, found.user, found.password, transport)
        if source.camera == camera.camera and transport == "tcp":
            return None
        return StreamSource(source.camera, transport=transport)

    def _hold(self) -> None:
        """Connect the receivers that shall always be connected and that nothing records."""
        used = {self._received_by(camera) for camera in self._cameras.list(SERVICE)}
        feeds = {}
        for receiver in self._catalogue.receivers():
            if receiver.mode != "AlwaysConnect" or receiver.token in used:
                continue
            transport = _TRANSPORTS.get(receiver.protocol, "tcp")
            source = self._catalogue.of_camera(receiver.token)
            feeds[receiver.token] = (
                StreamSource(source.camera, transport=transport)
                if source is not None
                else StreamSource(None, receiver.uri, receiver.user, receiver.password, transport)
            )
        self._cameras.hold(SERVICE, feeds)

    def _received_by(self, camera: CameraRow) -> str:
        """The receiver through which a recording gets its pictures now; empty for none."""
        feeding = self.feeding(camera)
        if feeding is not None:
            return feeding.source
        return receiver_token(camera) if camera.recording and camera.device else ""


def _top(jobs: list[StoredJob]) -> StoredJob | None:
    active = [job for job in jobs if job.mode == "Active"]
    return max(active, key=lambda job: (job.priority, job.activated), default=None)
