"""What the box remembers of its recording services: one section of the settings (`base.settings_file`)."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class StoredReceiver:
    """A receiver that a client made or configured; those of cameras are here only once they were configured."""

    token: str
    mode: str = "AutoConnect"
    uri: str = ""
    user: str = ""
    password: str = ""
    stream: str = "RTP-Unicast"
    protocol: str = "RTSP"
    auto_created: bool = False


@dataclass(frozen=True, slots=True)
class StoredJob:
    """A recording job: which source feeds which recording, and whether it shall."""

    token: str
    recording: str
    mode: str
    priority: int
    source: str
    auto_created: bool = False
    activated: int = 0
    """Grows with each activation."""


@dataclass(frozen=True, slots=True)
class RecordingTexts:
    """What a client set of a recording's description; empty leaves what the camera says of itself."""

    source_id: str = ""
    name: str = ""
    location: str = ""
    description: str = ""
    address: str = ""
    content: str = ""
    retention_s: int = 0
    tracks: dict[str, str] = field(default_factory=dict)
    """Description by track token."""


@dataclass(frozen=True, slots=True)
class RecorderState:
    receivers: dict[str, StoredReceiver] = field(default_factory=dict)
    jobs: dict[str, StoredJob] = field(default_factory=dict)
    without_job: tuple[str, ...] = ()
    """Recordings whose first job was deleted; a new camera's recording has one from the start."""
    recordings: dict[str, RecordingTexts] = field(default_factory=dict)
    next_number: int = 1
    session_timeout_s: int = 60
