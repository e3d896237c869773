"""What an operator may set in `camera.toml`, and what holds where they do not.

One file may describe several cameras; each runs in a process of its own (`firmware.supervisor`). Settings that an
ONVIF client may change at run time start from here and then live in the camera's state directory.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from firmware.capture.sources import SourceSettings
from firmware.encode.settings import EncoderSettings
from firmware.mask.exemption import Selection
from firmware.mask.settings import MaskSettings
from firmware.vision.settings import VisionSettings
from models.config import ModelsConfig

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraConfig:
    """One camera.

    Args:
        name: shown to people and in the discovery scope; unique in the file.
        serial: serial number; unique in the file.
        state: directory for keys, settings and the outbox; made with mode 700.
        source: the sensor; its `kind` decides which keys it has.
        address: the address to listen on; 0.0.0.0 is every IPv4 interface.
        web_port: HTTP port of the ONVIF services; 0 takes a free one.
        rtsp_port: RTSP port; 0 takes a free one.
        https: serve the ONVIF services over TLS as well, with a certificate of the camera's own.
        https_port: its port; 0 takes a free one.
        rtsps_port: port of RTSPS, which is served while HTTPS is, by file or by client; 0 takes a free one.
        scopes: further `onvif://` scopes beside those that name, hardware and profiles give.
        discovery: answer and announce by WS-Discovery.
        password_file: the first administrator's password, one line; read while the state directory has no users.
        hardware: the hardware name of the scope and of GetDeviceInformation.
        host: `recorded` leaves the machine alone and keeps what clients set of clock and network in the state; `own`
            sets and reboots it, through veilcam-host.socket; for one camera of the file at most.
        mask: what is masked and how.
        thumbnails: of the best shots sent to the box: `recoverable` (masked, the original sealed inside to those that
            may reveal), `masked` (nothing inside), or `none`.
        selection: which people are left open; from then on the camera's state directory has it.
        main: the full-size stream, with recovery data.
        sub: the half-size masked stream, without.
        models: which networks run, on what.
        vision: how often they do.
    """

    name: str
    serial: str
    state: Path
    source: SourceSettings
    address: str = "0.0.0.0"  # noqa: S104  # a camera is there to be reached; narrow it in the file
    web_port: int = 8080
    rtsp_port: int = 8554
    https: bool = False
    https_port: int = 0
    rtsps_port: int = 0
    scopes: tuple[str, ...] = ()
    discovery: bool = True
    password_file: Path | None = None
    hardware: str = "veilcam-virtual"
    host: str = "recorded"
    mask: MaskSettings = field(default_factory=MaskSettings)
    thumbnails: str = "recoverable"
    selection: Selection = field(default_factory=Selection)
    main: EncoderSettings = field(default_factory=lambda: EncoderSettings(gop_frames=20))
    sub: EncoderSettings = field(default_factory=lambda: EncoderSettings(gop_frames=20, qp=30, preset="superfast"))
    models: ModelsConfig = field(default_factory=ModelsConfig)
    vision: VisionSettings = field(default_factory=VisionSettings)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"name {self.name!r}: want letters, digits, space, dot, dash or underscore, at most 63")
        if not self.serial:
            raise ValueError("serial: must not be empty")
        for key in ("web_port", "rtsp_port", "https_port", "rtsps_port"):
            if not 0 <= getattr(self, key) <= 65535:
                raise ValueError(f"{key}: want 0 to 65535")
        if self.web_port and self.web_port == self.rtsp_port:
            raise ValueError("web_port and rtsp_port must differ")
        if self.host not in {"recorded", "own"}:
            raise ValueError("host: want recorded or own")
        if self.thumbnails not in {"recoverable", "masked", "none"}:
            raise ValueError("thumbnails: want recoverable, masked or none")
        for scope in self.scopes:
            if not scope.startswith("onvif://"):
                raise ValueError(f"scopes: {scope!r} does not start with onvif://")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole file: a list of `[[camera]]` tables.

    Args:
        camera: the cameras of this device.
        log_level: the least serious entries that are logged: DEBUG, INFO, WARNING or ERROR.
        stall_s: a camera's process is killed and started again when no picture of it was encoded for so many seconds
            although its sensor gives some; 5 to 600.
    """

    camera: tuple[CameraConfig, ...]
    log_level: str = "INFO"
    stall_s: float = 20.0

    def __post_init__(self) -> None:
        if not 5.0 <= self.stall_s <= 600.0:
            raise ValueError(f"stall_s {self.stall_s:g}: want 5 to 600")
        if not self.camera:
            raise ValueError("at least one [[camera]] table is wanted")
        for key in ("name", "serial", "state"):
            values = [getattr(camera, key) for camera in self.camera]
            if len(set(values)) != len(values):
                raise ValueError(f"two cameras share the same {key}")
        ports = [port for camera in self.camera for port in (camera.web_port, camera.rtsp_port) if port]
        if len(set(ports)) != len(ports):
            raise ValueError("two cameras share a port")
        if sum(camera.host == "own" for camera in self.camera) > 1:
            raise ValueError("two cameras cannot own the same host")
        if self.log_level not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise ValueError("log_level: want DEBUG, INFO, WARNING or ERROR")
