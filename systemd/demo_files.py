"""What the demo writes into its state folder: secrets, and the two programs' configuration files."""

import contextlib
import json
import os
import secrets
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

import av

_MACROBLOCK = 16


@dataclass(frozen=True)
class Secrets:
    """What a person types in the demo."""

    camera_password: str
    admin_password: str
    guard_password: str
    passphrase: str

    @classmethod
    def kept_in(cls, path: Path) -> "Secrets":
        """Those of an earlier start, or fresh ones, written before anything uses them."""
        if path.exists():
            return cls(**json.loads(path.read_text()))
        fresh = cls(*(f"{secrets.token_hex(3)}-{secrets.token_hex(3)}-Aa1" for _ in range(4)))
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(fresh), file)
        return fresh


def ports(state: Path, *usual: int) -> list[int]:
    """The ports of the last start in this state folder, or the usual ones; another free one for each that is taken."""
    kept = state / "ports.json"
    wanted = json.loads(kept.read_text()) if kept.exists() else list(usual)
    chosen = [_free(port) for port in wanted]
    written(kept, json.dumps(chosen))
    return chosen


def _free(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            # As the servers bind: a port in TIME_WAIT after the last start is ours to take again.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise SystemExit("demo: no free port on 127.0.0.1")


def windows(clip: Path) -> tuple[tuple[int, int, int, int], tuple[int, int, int, int]]:
    """Two overlapping halves of the picture, each 5/8 of its width, on macroblock borders."""
    try:
        with av.open(str(clip)) as file:
            video = file.streams.video[0]
            width, height = video.width, video.height
    except (OSError, av.FFmpegError, IndexError) as error:
        raise SystemExit(f"demo: {clip} is no clip that can be played: {error}") from error
    part = max(_MACROBLOCK, width * 5 // 8 // _MACROBLOCK * _MACROBLOCK)
    tall = height // _MACROBLOCK * _MACROBLOCK
    right = (width - part) // _MACROBLOCK * _MACROBLOCK
    return (0, 0, part, tall), (right, 0, part, tall)


def camera_toml(state: Path, clip: Path, web: list[int], rtsp: list[int]) -> str:
    """One file, two virtual cameras."""
    tables = []
    for index, (name, window) in enumerate(zip(("Yard west", "Yard east"), windows(clip), strict=True), start=1):
        folder = state / f"camera-{index}"
        tables.append(f"""[[camera]]
name = "{name}"
serial = "VC-DEMO-{index:04}"
state = "{folder}"
address = "127.0.0.1"
web_port = {web[index - 1]}
rtsp_port = {rtsp[index - 1]}
scopes = ["onvif://www.onvif.org/location/demo/{name.lower().replace(" ", "-")}"]
password_file = "{state / "camera-password"}"
source = {{ clip = "{clip}", window = {list(window)} }}
main = {{ qp = 24 }}
""")
    return "\n".join(tables)


def nvr_toml(state: Path, port: int) -> str:
    """The box, on loopback, with its own certificate."""
    return f"""name = "Veilcam demo"
state = "{state / "box"}"

[web]
host = "127.0.0.1"
port = {port}
"""


def written(path: Path, text: str) -> Path:
    """`text` in `path`, for this user alone."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    return path
