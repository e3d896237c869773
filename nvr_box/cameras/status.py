"""What the page shows of cameras: found ones, steps of trying one, how an added one is doing."""

from dataclasses import dataclass
from enum import Enum

from nvr_box.record.recorder import RecorderStatus
from nvr_box.record.source import CLOCK_TOLERANCE_S

_AHEAD_S = 0.5


@dataclass(frozen=True, slots=True)
class DiscoveredCamera:
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


class CameraRecordingState(Enum):
    """What the recorder of one camera is doing."""

    CONNECTING = "connecting"
    RECORDING = "recording"
    LOST = "lost"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """How one camera is doing now. `message` names what is wrong, empty when nothing is.

    Attributes:
        asked_utc_us: when its stream was last requested.
    """

    camera: int
    state: CameraRecordingState
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
    asked_utc_us: int | None = None


def status_of(
    camera: int,
    running: RecorderStatus | None,
    *,
    since_utc_us: int,
    strange: str,
    advice: str,
    usage: tuple[int, int | None, int],
) -> CameraStatus:
    """The status that a recorder's own account of itself means.

    Args:
        running: None for a camera that is not recorded.
        since_utc_us: when the camera was added.
        strange: what is wrong with the device that answers at its address; it is not recorded then.
        advice: what to do about a camera that is recorded all the same.
        usage: bytes, oldest picture (UTC microseconds) and passages.
    """
    now = running or RecorderStatus(since_utc_us=since_utc_us)
    size, oldest, packets = usage
    return CameraStatus(
        camera=camera,
        state=CameraRecordingState.LOST if strange else state_of(now) if running else CameraRecordingState.OFF,
        since_utc_us=now.since_utc_us,
        message=strange or now.message or advice or clock_message(now.clock_offset_s),
        clock_offset_s=now.clock_offset_s,
        codec=now.codec,
        width=now.width,
        height=now.height,
        rate_fps=now.rate_fps,
        last_frame_utc_us=now.last_frame_utc_us,
        recorded_bytes=size,
        oldest_utc_us=oldest,
        packets=packets,
        asked_utc_us=now.asked_utc_us,
    )


def state_of(now: RecorderStatus) -> CameraRecordingState:
    """The state that a recorder's own account of itself means."""
    if now.connected:
        return CameraRecordingState.RECORDING
    return CameraRecordingState.LOST if now.ever_connected or now.message else CameraRecordingState.CONNECTING


def clock_message(offset_s: float | None) -> str:
    """Pictures arrive some time after they were taken, so only a clock that is ahead, or far behind, is wrong."""
    if offset_s is None or -CLOCK_TOLERANCE_S <= offset_s <= _AHEAD_S:
        return ""
    direction = "ahead of" if offset_s > 0 else "behind"
    return f"its clock is {abs(offset_s):.1f} s {direction} the box's"
