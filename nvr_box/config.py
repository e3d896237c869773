"""The box's configuration: the keys of nvr.toml, their defaults and ranges."""

from dataclasses import dataclass, field
from pathlib import Path

from models.config import ModelsConfig
from nvr_box.state import KEYS


@dataclass(frozen=True, kw_only=True)
class WebConfig:
    """Where the page is served. Plain HTTP is accepted on loopback only.

    Attributes:
        host: the address to listen on.
        port: of HTTPS, or of HTTP without `tls`; 0 to 65535, 0 takes a free one.
        tls: serve HTTPS, with a certificate that is made at the first start; false on loopback only.
        advertised_host: the name or address under which cameras and people reach the box; `host` where it is empty.
    """

    host: str = "127.0.0.1"
    port: int = 8443
    tls: bool = True
    advertised_host: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port must be 0..65535, got {self.port}")
        if not self.tls and self.host not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError("tls = false is allowed on loopback only")


@dataclass(frozen=True, kw_only=True)
class OnvifConfig:
    """The box as an ONVIF device (Profile G), and its RTSP server for replay; port 0 takes a free one.

    HTTPS and RTSPS use the page's certificate: without `web.tls` there is none, and neither of them.

    Attributes:
        enabled: serve it.
        host: the address to listen on.
        port: of the services over HTTP; 0 to 65535, as every port here.
        replay_port: of RTSP.
        https: serve the services over HTTPS as well.
        https_port: of the services over HTTPS.
        rtsps_port: of RTSP over TLS.
        discovery: answer and announce by WS-Discovery.
    """

    enabled: bool = True
    host: str = "127.0.0.1"
    port: int = 0
    replay_port: int = 0
    https: bool = True
    https_port: int = 0
    rtsps_port: int = 0
    discovery: bool = False

    def __post_init__(self) -> None:
        for port in (self.port, self.replay_port, self.https_port, self.rtsps_port):
            if not 0 <= port <= 65535:
                raise ValueError(f"a port must be 0..65535, got {port}")


@dataclass(frozen=True, kw_only=True)
class RecordConfig:
    """Segments and how long they are kept; a limit of 0 is none.

    Attributes:
        segment_s: length of one file, 2 to 60 s; more where a camera's IDR pictures are rarer.
        keep_days: age at which recordings, packets and day keys are removed.
        keep_mib_per_camera: size at which a camera's oldest recordings are removed, in MiB.
        keep_free_mib: free space that the recordings leave to others on their disk.
        keep_least_hours: of recorded time per camera that is not removed for the sake of free space.
    """

    segment_s: int = 60
    keep_days: float = 30.0
    keep_mib_per_camera: int = 0
    keep_free_mib: int = 1024
    keep_least_hours: float = 24.0

    def __post_init__(self) -> None:
        if not 2 <= self.segment_s <= 60:
            raise ValueError(f"segment_s must be 2..60, got {self.segment_s}")
        if min(self.keep_days, self.keep_mib_per_camera, self.keep_free_mib, self.keep_least_hours) < 0:
            raise ValueError("keep_* must not be negative")


@dataclass(frozen=True, kw_only=True)
class RevealConfig:
    """Limits of one reveal.

    Attributes:
        minutes: how long it may last; above 0, at most 60.
        rotate: cameras seal to a key of the day, destroyed with the day's recordings.
        in_browser: pages that can, open reveals themselves: sealed keys are handed to holders of the right, and
            neither passphrases nor keys reach the box. Where it is false the box opens them, and slows down guessing.
        second_person: another account with the right to approve has to agree to every reveal first.
    """

    minutes: float = 5.0
    rotate: bool = True
    in_browser: bool = True
    second_person: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.minutes <= 60:
            raise ValueError(f"minutes must be above 0 and at most 60, got {self.minutes}")


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """Packages of evidence.

    Attributes:
        budget_mib: what those that are being made or wait to be fetched may take of the disk, in MiB; 1 or more.
    """

    budget_mib: int = 4096

    def __post_init__(self) -> None:
        if self.budget_mib < 1:
            raise ValueError(f"budget_mib must be at least 1, got {self.budget_mib}")


@dataclass(frozen=True, kw_only=True)
class BoxConfig:
    """nvr.toml.

    Attributes:
        state: folder of the database, the recordings and, unless `keys` says otherwise, the keys.
        name: of the box, for people and in its reports.
        log_level: the least serious entries that are logged: DEBUG, INFO, WARNING or ERROR.
        web: the page.
        onvif: the box as an ONVIF device.
        record: segments and how long they are kept; a limit of 0 is none.
        reveal: limits of one reveal.
        export: packages of evidence.
        models: the networks that search and make still pictures.
        detect_threshold: score from which the detector's findings in a still picture count; 0 to 1.
        secret_file: with the secret under which the box's own keys lie; without it the service's credential, or a
            file beside the state folder (`nvr_box/keys/secret.py`).
        keys: folder of all keys; `STATE/keys` when it is left out. Elsewhere, a back-up of the state holds no key.
    """

    state: Path
    secret_file: Path | None = None
    keys: Path | None = None
    name: str = "Veilcam box"
    log_level: str = "INFO"
    web: WebConfig = field(default_factory=WebConfig)
    onvif: OnvifConfig = field(default_factory=OnvifConfig)
    record: RecordConfig = field(default_factory=RecordConfig)
    reveal: RevealConfig = field(default_factory=RevealConfig)
    export: ExportConfig = field(default_factory=ExportConfig)
    models: ModelsConfig = field(default_factory=ModelsConfig)
    detect_threshold: float = 0.35

    @property
    def key_folder(self) -> Path:
        """Where the keys lie."""
        return self.keys if self.keys is not None else self.state / KEYS
