"""Clients that are not ours, each in an environment of its own, run their whole flow against a running camera."""

import json
import subprocess

import pytest

from tests import foreign
from tests.camera_process import camera_process
from tests.foreign import probe
from tests.rtspsrc import received

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def camera(tmp_path_factory):
    with camera_process(tmp_path_factory.mktemp("camera")) as running:
        yield running
        assert "Traceback" not in running.log.read_text(errors="replace")


def told(name, camera):
    return foreign.told(name, camera.host, camera.web, camera.user, camera.password)


def test_onvif_python(camera):
    found = told("onvif-python", camera)
    assert found["media1"][:2] == found["media2"][:2] == ["main", "sub"]
    assert found["messages"] >= 1
    assert found["brightness"] == 50
    assert "video" in probe(found["uris"][0], camera, "tcp")


def test_onvif_zeep_async_as_home_assistant_uses_it(camera):
    found = told("onvif-zeep-async", camera)
    assert found["media1"][:2] == ["main", "sub"]
    assert "tns1:VideoSource/MotionAlarm" in found["topics"]
    assert "Motion Alarm" in found["entities"]
    assert found["snapshot"].startswith("http://")
    assert "video" in probe(found["uris"][0], camera, "udp")


def test_npm_onvif(camera):
    found = told("npm-onvif", camera)
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
    python = foreign.python_environment("onveef")

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
    found = told("node-onvif", camera)
    assert found["profiles"][:2] == ["main", "sub"]
    assert found["snapshot"] == "image/jpeg"
    assert "video" in probe(found["uris"][0], camera, "tcp")


@pytest.mark.parametrize("protocols", ["tcp", "udp", "tcp+http"])
def test_gstreamer_decodes(camera, protocols):
    # rtsph:// is GStreamer's own name for RTSP through an HTTP tunnel; it must be told by the address.
    scheme = "rtsph" if "http" in protocols else "rtsp"
    received(f"{scheme}://{camera.host}:{camera.rtsp}/main", camera.user, camera.password, protocols)


def test_the_tunnel_on_the_web_port(camera):
    assert "video" in probe(f"rtsp://{camera.host}:{camera.web}/main", camera, "http")
