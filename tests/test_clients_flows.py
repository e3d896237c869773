"""Clients that are not ours, each in an environment of its own, run their whole flow against a running camera."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.camera_process import camera_process

pytestmark = pytest.mark.long

FLOWS = Path(__file__).parent / "clients"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "veilcam" / "clients"


def python_environment(name, *packages):
    """A virtual environment with exactly these packages and what they need; made once, kept in the cache."""
    home = CACHE / name
    stamp = home / "veilcam-stamp"
    if not stamp.exists() or stamp.read_text() != "\n".join(packages):
        shutil.rmtree(home, ignore_errors=True)
        subprocess.run(["/usr/bin/python3", "-m", "venv", str(home)], check=True)
        pip = [str(home / "bin/python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages]
        subprocess.run(pip, check=True, timeout=600)
        stamp.write_text("\n".join(packages))
    return home / "bin/python"


def node_environment(name, *packages):
    """A folder whose node_modules hold exactly these packages; made once, kept in the cache."""
    home = CACHE / name
    stamp = home / "veilcam-stamp"
    if not stamp.exists() or stamp.read_text() != "\n".join(packages):
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        (home / "package.json").write_text('{"name": "clients", "private": true}')
        subprocess.run(["npm", "install", "--silent", "--no-audit", *packages], cwd=home, check=True, timeout=600)
        stamp.write_text("\n".join(packages))
    return home


@pytest.fixture(scope="module")
def camera(tmp_path_factory):
    with camera_process(tmp_path_factory.mktemp("camera")) as running:
        yield running
        assert "Traceback" not in running.log.read_text(errors="replace")


def told(command, camera, *, cwd="/", env=None):
    """What a flow says about the camera."""
    arguments = [camera.host, str(camera.web), camera.user, camera.password]
    # `-P`-like hygiene: the flow runs outside our tree, or our `onvif` would shadow the client's.
    done = subprocess.run(
        [*map(str, command), *arguments], cwd=cwd, env={**os.environ, **(env or {})}, timeout=180, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def probe(uri, camera, transport, *, tries=2):
    """What ffprobe finds at an RTSP address over one transport: codec names by type."""
    with_password = uri.replace("rtsp://", f"rtsp://{camera.user}:{camera.password}@")
    command = ["ffprobe", "-v", "error", "-rtsp_transport", transport, "-show_entries",
               "stream=codec_type,codec_name,width,height", "-of", "json", with_password]  # fmt: skip
    for attempt in range(tries):
        done = subprocess.run(command, timeout=90, check=False, capture_output=True, text=True)
        if done.returncode == 0 or attempt == tries - 1:
            break
    assert done.returncode == 0, done.stderr[-2000:]
    return {stream["codec_type"]: stream for stream in json.loads(done.stdout)["streams"]}


def test_onvif_python(camera):
    python = python_environment("onvif-python", "onvif-python==0.4.7")
    found = told([python, FLOWS / "onvif_python_flow.py"], camera)
    assert found["media1"][:2] == found["media2"][:2] == ["main", "sub"]
    assert found["messages"] >= 1
    assert found["brightness"] == 50
    assert "video" in probe(found["uris"][0], camera, "tcp")


def test_onvif_zeep_async_as_home_assistant_uses_it(camera):
    python = python_environment("onvif-zeep-async", "onvif-zeep-async==4.3.0", "onvif-parsers==2.5.0")
    found = told([python, FLOWS / "zeep_async_flow.py"], camera)
    assert found["media1"][:2] == ["main", "sub"]
    assert "tns1:VideoSource/MotionAlarm" in found["topics"]
    assert "Motion Alarm" in found["entities"]
    assert found["snapshot"].startswith("http://")
    assert "video" in probe(found["uris"][0], camera, "udp")


def test_npm_onvif(camera):
    home = node_environment("npm-onvif", "onvif@0.8.3")
    found = told(["node", FLOWS / "npm_onvif_flow.js"], camera, env={"NODE_PATH": str(home / "node_modules")})
    assert found["media2"] is True
    assert found["profiles"][:2] == ["main", "sub"]
    assert found["event"].startswith("tns1:")
    assert "video" in probe(found["uris"][0], camera, "http")


@pytest.mark.parametrize("transport", ["tcp", "udp", "http"])
@pytest.mark.parametrize(("token", "size"), [("main", (384, 288)), ("sub", (192, 144))])
def test_ffprobe_opens_every_profile_over_every_transport(camera, transport, token, size):
    streams = probe(f"rtsp://{camera.host}:{camera.rtsp}/{token}", camera, transport)
    assert (streams["video"]["width"], streams["video"]["height"]) == size
    assert streams["video"]["codec_name"] == "h264"


def test_a_wrong_password_opens_nothing(camera):
    command = [
        "ffprobe",
        "-v",
        "error",
        "-rtsp_transport",
        "tcp",
        f"rtsp://admin:wrong@{camera.host}:{camera.rtsp}/main",
    ]
    done = subprocess.run(command, timeout=60, check=False, capture_output=True, text=True)
    assert done.returncode != 0
    assert "401" in done.stderr
