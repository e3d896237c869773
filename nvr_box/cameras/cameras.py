"""The cameras of this box: discovery, trying, adding over ONVIF, pairing, state."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import Enum

from nvr_box.rights import Account


@dataclass(frozen=True, slots=True)
class Found:
    """A device that answered on the network."""

    address: str
    xaddrs: tuple[str, ...]
    name: str
    hardware: str
    added: bool


@dataclass(frozen=True, slots=True)
class Step:
    """One step of trying a camera, in order: reach, sign-in, profiles, stream, pairing."""

    name: str
    ok: bool
    detail: str


class State(Enum):
    """What the recorder of one camera is doing."""

    CONNECTING = "connecting"
    RECORDING = "recording"
    LOST = "lost"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera that was added. `camera_id` and `signing_key` are None for a camera of another make."""

    camera: int
    name: str
    xaddr: str
    user: str
    stream_uri: str
    profile: str
    manufacturer: str
    model: str
    serial: str
    camera_id: str | None
    signing_key: str | None
    appearance_model: str | None
    paired: bool
    recording: bool
    added_utc_us: int

    @property
    def veilcam(self) -> bool:
        """Whether it is one of ours: masks, recovers and describes."""
        return self.camera_id is not None

    @property
    def fingerprint(self) -> str:
        """What to compare with the camera's own print-out when pairing: SHA-256 of the signing key, grouped hex."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Status:
    """How one camera is doing now. `message` names what is wrong, empty when nothing is."""

    camera: int
    state: State
    since_utc_us: int
    message: str
    clock_offset_s: float | None
    codec: str
    width: int
    height: int
    rate_fps: float
    last_frame_utc_us: int | None
    recorded_bytes: int
    oldest_utc_us: int | None
    packets: int


class Cameras:
    """The list and what can be done with it. Reading needs `VIEW` (per camera), changing needs `ADMIN`."""

    def list(self, by: Account) -> tuple[Camera, ...]:
        """The added cameras that `by` may view, in order of adding."""
        raise NotImplementedError

    def get(self, by: Account, camera: int) -> Camera:
        """One camera; `Refused` when it may not be viewed, `StoreError` when there is none."""
        raise NotImplementedError

    def status(self, by: Account, camera: int) -> Status:
        """How it is doing; cheap, for polling."""
        raise NotImplementedError

    async def discover(self, by: Account, *, wait_s: float = 3.0) -> tuple[Found, ...]:
        """Probe the network and wait `wait_s` for answers."""
        raise NotImplementedError

    def test(self, by: Account, xaddr: str, user: str, password: str) -> AsyncIterator[Step]:
        """Try a camera without adding it, a step at a time; ends after the first step that fails."""
        raise NotImplementedError

    async def add(self, by: Account, xaddr: str, user: str, password: str, *, name: str = "") -> Camera:
        """Add a camera by its device service address or `host[:port]`, pair it if it is ours, start recording.

        Raises:
            PeerError: unreachable, wrong password, no usable profile; or ours but paired with another box.
            ConfigError: it is already added, or the address is no address.
        """
        raise NotImplementedError

    async def pair(self, by: Account, camera: int) -> Camera:
        """Exchange keys again (after a reset of the camera, or when recipients changed)."""
        raise NotImplementedError

    async def change(
        self, by: Account, camera: int, *, name: str | None = None, recording: bool | None = None
    ) -> Camera:
        """Rename it, or switch its recording on or off."""
        raise NotImplementedError

    async def remove(self, by: Account, camera: int, *, recordings_too: bool = False) -> None:
        """Unpair and forget it; its recordings stay playable unless `recordings_too`."""
        raise NotImplementedError
