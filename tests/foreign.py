"""Environments, flows and players of clients that are not ours."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

FLOWS = Path(__file__).parent / "clients"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "veilcam" / "clients"
PACKAGES = {
    "onvif-python": ("onvif-python==0.4.7",),
    "onvif-zeep-async": ("onvif-zeep-async==4.3.0", "onvif-parsers==2.5.0"),
    "onveef": ("onveef==0.6.0",),
    "npm-onvif": ("onvif@0.8.3",),
    "node-onvif": ("node-onvif@0.1.7",),
}
TRANSPORTS = {"udp": "udp", "tcp": "tcp", "http": "http", "https": "https", "multicast": "udp_multicast"}
"""What the tests call a transport, and FFmpeg's word for it."""


def python_environment(name):
    """The interpreter of a virtual environment with exactly these packages and what they need; kept in the cache."""
    home, packages = CACHE / name, PACKAGES[name]
    stamp = home / "veilcam-stamp"
    if not stamp.exists() or stamp.read_text() != "\n".join(packages):
        shutil.rmtree(home, ignore_errors=True)
        subprocess.run(["/usr/bin/python3", "-m", "venv", str(home)], check=True)
        pip = [str(home / "bin/python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages]
        subprocess.run(pip, check=True, timeout=600)
        stamp.write_text("\n".join(packages))
    return home / "bin/python"


def node_environment(name):
    """A folder whose node_modules hold exactly these packages; made once, kept in the cache."""
    home, packages = CACHE / name, PACKAGES[name]
    stamp = home / "veilcam-stamp"
    if not stamp.exists() or stamp.read_text() != "\n".join(packages):
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        (home / "package.json").write_text('{"name": "clients", "private": true}')
        subprocess.run(["npm", "install", "--silent", "--no-audit", *packages], cwd=home, check=True, timeout=600)
        stamp.write_text("\n".join(packages))
    return home


def command(name):
    """(command line, environment) of a client's flow."""
    script = next(FLOWS.glob(f"{name.replace('-', '_')}_flow.*"))
    if script.suffix == ".js":
        return ["node", script], {"NODE_PATH": str(node_environment(name) / "node_modules")}
    return [python_environment(name), script], {}


def told(name, *arguments, prefix=()):
    """What a client's flow says about the camera.

    Args:
        arguments: host, port, user, password and, where the flow shall try TLS, the port of HTTPS.
        prefix: a command that runs the flow elsewhere.
    """
    line, extra = command(name)
    # `requests` would check against such a bundle even where the client says not to check at all.
    mine = {key: value for key, value in os.environ.items() if not key.endswith("_CA_BUNDLE")}
    # The flow runs outside our tree, or our `onvif` would shadow the client's.
    done = subprocess.run([*prefix, *map(str, line), *map(str, arguments)], cwd="/", env={**mine, **extra},
                          timeout=240, check=False, capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def with_password(uri, user, password):
    """As FFmpeg wants it: the scheme is always RTSP's, the tunnel is told by an option."""
    return re.sub("^https?://", "rtsp://", uri).replace("://", f"://{user}:{password}@", 1)


def probe(uri, camera, transport, *, prefix=()):
    """What ffprobe finds at an RTSP address over one transport: codec names by type."""
    line = [*prefix, "ffprobe", "-v", "error", "-rtsp_transport", TRANSPORTS[transport], "-show_entries",
            "stream=codec_type,codec_name,width,height", "-of", "json",
            with_password(uri, camera.user, camera.password)]  # fmt: skip
    done = subprocess.run(line, timeout=120, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return {stream["codec_type"]: stream for stream in json.loads(done.stdout)["streams"]}


def decoded(uri, camera, transport, *, pictures=5, prefix=()):
    """Decode so many pictures with FFmpeg, or fail; their number."""
    line = [*prefix, "ffmpeg", "-v", "error", "-rtsp_transport", TRANSPORTS[transport], "-i",
            with_password(uri, camera.user, camera.password), "-map", "0:v", "-frames:v", str(pictures),
            "-f", "framecrc", "-"]  # fmt: skip
    done = subprocess.run(line, timeout=120, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return sum(not entry.startswith("#") for entry in done.stdout.splitlines())
