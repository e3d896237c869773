"""The box's cameras as ONVIF recordings: tokens, tracks, times and receivers, read from the parts of the box."""

from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from base.clock import utc_us
from base.settings_file import Stored
from nvr_box.box import BoxContext
from nvr_box.cameras.camera_store import CameraRow
from nvr_box.cameras.cameras import CameraStatus
from nvr_box.record.recordings import RecordedSpan
from nvr_box.rights import Account, Right
from nvr_box.services.recorder_state import RecorderState, RecordingTexts, StoredReceiver
from onvif.errors import invalid

VIDEO, METADATA = "video", "metadata"
TRACKS = ((VIDEO, "Video"), (METADATA, "Metadata"))
MOST_RECEIVERS, MOST_JOBS, MOST_RECORDINGS = 32, 32, 64
SERVICE = Account("onvif", frozenset({Right.VIEW, Right.ADMIN}))
"""On whose account the services read; what a user may ask of them their level decides (`onvif.users`)."""
ASKING: ContextVar[str] = ContextVar("asking", default="the box")
"""The ONVIF user on whose behalf something is done now."""
_BEGINNING_US = 0
_CODECS = {"h264": "H264", "hevc": "H265", "h265": "H265", "mjpeg": "JPEG"}


@dataclass(frozen=True, slots=True)
class RecordingView:
    """One camera's recording as it stands now."""

    token: str
    camera: CameraRow
    status: CameraStatus
    texts: RecordingTexts
    spans: tuple[RecordedSpan, ...]

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
    """Recordings and receivers of one box."""

    def __init__(self, box: BoxContext, folder: Path) -> None:
        self.box = box
        self.state = Stored(folder / "recorder.json", RecorderState())

    async def recordings(self) -> list[RecordingView]:
        return [await self._recording(camera) for camera in self.box.cameras.list(SERVICE)]

    async def recording(self, token: str) -> RecordingView:
        """Raises Fault ter:InvalidArgVal/ter:NoRecording."""
        return await self._recording(self.camera(token))

    def camera(self, token: str) -> CameraRow:
        """The camera behind a recording token; raises Fault ter:NoRecording."""
        for camera in self.box.cameras.list(SERVICE):
            if recording_token(camera) == token:
                return camera
        raise invalid(f"there is no recording {str(token)[:64]!r}", "NoRecording")

    def texts(self, token: str) -> RecordingTexts:
        return self.state.value.recordings.get(token, RecordingTexts())

    def save_texts(self, token: str, texts: RecordingTexts) -> None:
        self.state.change(recordings={**self.state.value.recordings, token: texts})

    def drop_texts(self, token: str) -> None:
        self.state.change(recordings={one: kept for one, kept in self.state.value.recordings.items() if one != token})

    def receivers(self) -> list[StoredReceiver]:
        """The cameras' own receivers and those that clients made."""
        stored = dict(self.state.value.receivers)
        own = []
        for camera in self.box.cameras.list(SERVICE):
            if not camera.device:
                continue
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

    def save_receiver(self, receiver: StoredReceiver) -> None:
        self.state.change(receivers={**self.state.value.receivers, receiver.token: receiver})

    def drop_receiver(self, token: str) -> None:
        """Forget a receiver that a client made; unknown ones are ignored."""
        kept = {other: one for other, one in self.state.value.receivers.items() if other != token}
        self.state.change(receivers=kept)

    def of_camera(self, receiver: str) -> CameraRow | None:
        """The camera whose own receiver this is."""
        for camera in self.box.cameras.list(SERVICE):
            if camera.device and receiver_token(camera) == receiver:
                return camera
        return None

    def number(self) -> int:
        """The next number for a token; none is given twice."""
        found = self.state.value.next_number
        self.state.change(next_number=found + 1)
        return found

    async def _recording(self, camera: CameraRow) -> RecordingView:
        token = recording_token(camera)
        spans = await self.box.recordings.spans(SERVICE, camera.camera, _BEGINNING_US, utc_us() + 60_000_000)
        return RecordingView(token, camera, self.box.cameras.status(SERVICE, camera.camera), self.texts(token), spans)


def acting() -> Account:
    """On whose account the services change something: under the name of the user that asks, so that the log has it."""
    return replace(SERVICE, name=ASKING.get())


def recording_token(camera: CameraRow) -> str:
    return f"recording-{camera.camera}"


def job_token(camera: CameraRow) -> str:
    return f"job-{camera.camera}"


def receiver_token(camera: CameraRow) -> str:
    return f"receiver-{camera.camera}"


def moment(us: int) -> datetime:
    """A time of the box as xs:dateTime values want it."""
    return datetime.fromtimestamp(us / 1_000_000, UTC)


def microseconds(value: Any) -> int:
    """The reverse, for times in requests; one without a zone is UTC."""
    at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return int(at.timestamp() * 1_000_000)


def source_values(recording: RecordingView) -> dict[str, Any]:
    """tt:RecordingSourceInformation."""
    camera, texts = recording.camera, recording.texts
    return {
        "SourceId": texts.source_id or f"urn:veilcam:camera:{camera.camera_id or camera.serial or camera.camera}",
        "Name": (texts.name or camera.name)[:64], "Location": texts.location, "Description": texts.description,
        "Address": texts.address or camera.xaddr,
    }  # fmt: skip
