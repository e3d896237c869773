"""The units under a real systemd: ready when they serve, killed when they hang, not restarted where it cannot help."""

import pytest
from camera_process import CLIP
from systemd_host import host

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]

CAMERA, BOX = "veilcam-camera.service", "veilcam-box.service"
QUICK = "[Service]\nWatchdogSec=8\n"


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    with host(tmp_path_factory.mktemp("host")) as inside:
        # Not in a home nor in /tmp, which the units hide.
        inside.copy(CLIP, "/var/lib/clip.avi")
        inside.write("/etc/veilcam/password", "Client-secret-17\n")
        yield inside


@pytest.fixture
def unit(machine):
    """Every test begins with stopped units that have never failed."""
    yield machine
    for name in (CAMERA, BOX):
        machine.run("systemctl", "stop", name, check=False)
        machine.run("systemctl", "reset-failed", name, check=False)


def cameras(*clips):
    """camera.toml with a camera for each clip."""
    tables = [
        f"""
[[camera]]
name = "camera-{number}"
serial = "SN-{number}"
state = "/var/lib/veilcam-camera/{number}"
address = "127.0.0.1"
web_port = 0
rtsp_port = 0
password_file = "/etc/veilcam/password"
source = {{ clip = "{clip}", window = [0, 0, 384, 288] }}
vision = {{ detect_every = 4 }}
"""
        for number, clip in enumerate(clips, start=1)
    ]
    return "stall_s = 10.0\n" + "".join(tables)


def test_a_clip_that_does_not_exist_fails_the_service_once(unit):
    unit.write("/etc/veilcam/camera.toml", cameras("/var/lib/nowhere.avi"))
    assert unit.run("systemctl", "start", CAMERA, check=False).returncode != 0
    shown = unit.until(CAMERA, lambda shown: shown["ActiveState"] == "failed")
    assert (shown["ExecMainStatus"], shown["NRestarts"], shown["Result"]) == ("78", "0", "exit-code")
    assert "nowhere.avi" in shown["StatusText"]


def test_it_is_not_active_while_one_of_two_cameras_cannot_serve(unit):
    unit.write("/etc/veilcam/camera.toml", cameras("/var/lib/clip.avi", "/var/lib/nowhere.avi"))
    unit.run("systemctl", "start", "--no-block", CAMERA)
    shown = unit.until(CAMERA, lambda shown: shown["StatusText"].startswith("1 of 2 cameras serve"))
    assert shown["ActiveState"] == "activating"
    assert "nowhere.avi" in shown["StatusText"]


def test_a_stopped_camera_is_killed_and_serves_again(unit):
    unit.write("/etc/veilcam/camera.toml", cameras("/var/lib/clip.avi"))
    unit.start(CAMERA)
    shown = unit.show(CAMERA)
    assert (shown["ActiveState"], shown["StatusText"]) == ("active", "1 of 1 cameras serve")
    (child,) = unit.children(CAMERA)
    unit.signal(child, "STOP")
    unit.until(CAMERA, lambda shown: "0 of 1" in shown["StatusText"])
    shown = unit.until(CAMERA, lambda shown: shown["StatusText"] == "1 of 1 cameras serve")
    assert (shown["ActiveState"], shown["NRestarts"]) == ("active", "0")
    assert unit.children(CAMERA) != [child]


def test_systemd_restarts_a_supervisor_that_hangs(unit):
    unit.write(f"/etc/systemd/system/{CAMERA}.d/quick.conf", QUICK)
    unit.run("systemctl", "daemon-reload")
    unit.write("/etc/veilcam/camera.toml", cameras("/var/lib/clip.avi"))
    unit.start(CAMERA)
    unit.signal(unit.show(CAMERA)["MainPID"], "STOP")
    shown = unit.until(CAMERA, lambda shown: shown["NRestarts"] == "1" and shown["ActiveState"] == "active")
    assert shown["StatusText"] == "1 of 1 cameras serve"


def test_systemd_restarts_a_box_that_hangs(unit):
    unit.write(f"/etc/systemd/system/{BOX}.d/quick.conf", QUICK)
    unit.run("systemctl", "daemon-reload")
    unit.write("/etc/veilcam/nvr.toml", 'state = "/var/lib/veilcam-box"\n[web]\nport = 0\n')
    unit.start(BOX)
    shown = unit.until(BOX, lambda shown: shown["StatusText"] == "0 of 0 cameras are recorded")
    assert shown["ActiveState"] == "active"
    unit.signal(shown["MainPID"], "STOP")
    unit.until(BOX, lambda shown: shown["NRestarts"] == "1" and shown["ActiveState"] == "active")


def test_a_wrong_configuration_of_the_box_fails_it_once(unit):
    unit.write("/etc/veilcam/nvr.toml", 'state = "/var/lib/veilcam-box"\ncolour = "blue"\n')
    assert unit.run("systemctl", "start", BOX, check=False).returncode != 0
    shown = unit.until(BOX, lambda shown: shown["ActiveState"] == "failed")
    assert (shown["ExecMainStatus"], shown["NRestarts"]) == ("78", "0")
    assert "colour" in shown["StatusText"]
