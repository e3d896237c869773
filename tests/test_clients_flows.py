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


def test_onveef(camera, tmp_path):
    python = python_environment("onveef", "onveef==0.6.0")

    def say(*words):
        command = [python.parent / "onveef", "--json", words[0], f"{camera.host}:{camera.web}", *words[1:]]
        command += ["-u", camera.user, "-p", camera.password]
        done = subprocess.run(command, cwd=tmp_path, timeout=120, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    assert json.loads(say("info"))["SerialNumber"] == "CT0001"
    assert {"device", "media", "media2", "events", "imaging"} <= set(json.loads(say("services")))
    assert [profile["token"] for profile in json.loads(say("profiles"))][:2] == ["main", "sub"]
    assert "video" in probe(json.loads(say("stream-uri")), camera, "tcp")
    say("snapshot")
    assert (tmp_path / "snapshot.jpg").read_bytes()[:3] == b"\xff\xd8\xff"


def test_node_onvif(camera):
    home = node_environment("node-onvif", "node-onvif@0.1.7")
    found = told(["node", FLOWS / "node_onvif_flow.js"], camera, env={"NODE_PATH": str(home / "node_modules")})
    assert found["profiles"][:2] == ["main", "sub"]
    assert found["snapshot"] == "image/jpeg"
    assert "video" in probe(found["uris"][0], camera, "tcp")


@pytest.mark.parametrize("protocols", ["tcp", "udp", "tcp+http"])
def test_gstreamer_decodes(camera, protocols):
    # rtsph:// is GStreamer's own name for RTSP through an HTTP tunnel; it must be told by the address.
    scheme = "rtsph" if "http" in protocols else "rtsp"
    source = ["rtspsrc", f"location={scheme}://{camera.host}:{camera.rtsp}/main", f"user-id={camera.user}",
              f"user-pw={camera.password}", f"protocols={protocols}"]  # fmt: skip
    decode = ["rtph264depay", "!", "h264parse", "!", "avdec_h264", "!", "fakesink", "num-buffers=10"]
    done = subprocess.run(["gst-launch-1.0", "-q", *source, "!", *decode], timeout=120, check=False,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_tunnel_on_the_web_port(camera):
    assert "video" in probe(f"rtsp://{camera.host}:{camera.web}/main", camera, "http")
