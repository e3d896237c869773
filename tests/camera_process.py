"""A real camera process on loopback with the demo clip, for clients that are not ours."""

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

CLIP = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "veilcam" / "vtest.avi"
PASSWORD = "Client-secret-17"
_START_S = 120


@dataclass(frozen=True)
class CameraProcess:
    web: int
    rtsp: int
    log: Path
    pid: int
    host: str = "127.0.0.1"
    user: str = "admin"
    password: str = PASSWORD


@contextlib.contextmanager
def camera_process(folder, *, address="127.0.0.1", window=(0, 0, 384, 288), extra="", prefix=()):
    """Start one camera and yield it once it serves; it is gone afterwards.

    Args:
        folder: for state, configuration and log.
        address: to listen on.
        window: of the clip.
        extra: further lines of the `[[camera]]` table.
        prefix: a command that runs the camera, such as one that enters a network namespace.
    """
    (folder / "password").write_text(PASSWORD + "\n")
    (folder / "camera.toml").write_text(f"""
[[camera]]
name = "client-test"
serial = "CT0001"
state = "{folder}/state"
web_port = 0
rtsp_port = 0
address = "{address}"
password_file = "{folder}/password"
{extra}
[camera.source]
clip = "{CLIP}"
window = {list(window)}
[camera.vision]
detect_every = 4
""")
    log = folder / "camera.log"
    command = [*prefix, sys.executable, "-m", "firmware", "--config", str(folder / "camera.toml"),
               "--only", "client-test"]  # fmt: skip
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, cwd=Path(__file__).parent.parent) as process,
    ):
        try:
            ports = _ready(process, log)
            yield CameraProcess(ports["web"], ports["rtsp"], log, process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _ready(process, log):
    """The ports of the line `READY name web=PORT rtsp=PORT`."""
    until = time.monotonic() + _START_S
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ)
        while time.monotonic() < until and process.poll() is None:
            if ready.select(timeout=1.0):
                words = process.stdout.readline().decode().split()
                if words[:1] == ["READY"]:
                    return {key: int(value) for key, _, value in (word.partition("=") for word in words[2:])}
    raise AssertionError(f"the camera did not start:\n{log.read_text(errors='replace')[-3000:]}")
