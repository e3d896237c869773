"""The wheel in an empty environment, away from the tree: every command starts, and what it reads came along."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from camera_process import CLIP

ROOT = Path(__file__).parent.parent
PATIENCE_S = 600
FETCH = """
import ssl, sys, urllib.request
print(urllib.request.urlopen(sys.argv[1], context=ssl._create_unverified_context()).status)
"""
pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


def run(*command, cwd):
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=clean(), capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-3000:])
    return done.stdout


def clean():
    """This environment without what would lead back into the tree."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The `bin` of a virtual environment with the wheel and its extras; PyGObject is the system's, as on a device."""
    folder = tmp_path_factory.mktemp("install")
    source = folder / "source"
    source.mkdir()
    files = run("git", "ls-files", "-co", "--exclude-standard", cwd=ROOT).split("\n")
    for name in filter(None, files):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    run("/usr/bin/python3", "-m", "venv", "--system-site-packages", "env", cwd=folder)
    pip = [folder / "env/bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    run(*pip, "-c", ROOT / "requirements.txt", f"{source}[camera,box]", cwd=folder)
    return folder / "env" / "bin"


@pytest.fixture
def away(tmp_path):
    (tmp_path / "password").write_text("first-password\n")
    (tmp_path / "camera.toml").write_text(f"""
[[camera]]
name = "attic"
serial = "VC-9"
state = "{tmp_path}/camera"
address = "127.0.0.1"
web_port = 0
rtsp_port = 0
discovery = false
password_file = "{tmp_path}/password"
source = {{ clip = "{CLIP}", window = [0, 0, 384, 288] }}
""")
    (tmp_path / "nvr.toml").write_text(f'state = "{tmp_path}/box"\n[web]\nport = 0\n')
    return tmp_path


def test_nothing_of_the_tree_is_in_reach(installed, away):
    where = run(installed / "python", "-c", "import firmware, nvr_box; print(firmware.__file__)", cwd=away).strip()
    assert not Path(where).is_relative_to(ROOT)
    tools = "import importlib.util as u; print([n for n in ('scipy', 'trackers', 'pytest') if u.find_spec(n)])"
    assert run(installed / "python", "-I", "-c", tools, cwd=away).strip() == "[]"


def test_the_files_beside_the_programs_are_installed(installed):
    share = installed.parent / "share" / "veilcam"
    for name in ("NOTICE", "camera.toml", "nvr.toml", "systemd/veilcam-camera.service", "systemd/veilcam.sysusers"):
        assert (share / name).is_file(), name


@pytest.mark.parametrize("name", ["camera", "box"])
def test_a_configuration_is_checked(installed, away, name):
    file = away / {"camera": "camera.toml", "box": "nvr.toml"}[name]
    assert str(file) in run(installed / f"veilcam-{name}", "check-config", file, cwd=away)


def test_the_player_says_how_to_use_it(installed, away):
    assert "--identity" in run(installed / "veilcam-player", "--help", cwd=away)


@pytest.mark.parametrize(("name", "config"), [("camera", "camera.toml"), ("box", "nvr.toml")])
def test_it_serves(installed, away, name, config):
    command = [installed / f"veilcam-{name}", "--config", config]
    log = away / "log"
    with (
        log.open("w") as errors,
        subprocess.Popen(command, cwd=away, stdout=subprocess.PIPE, stderr=errors, text=True, env=clean()) as process,
    ):
        try:
            line = process.stdout.readline()
            assert line.startswith("READY"), log.read_text()
            if name == "box":
                page = re.search(r"url=(\S+)", line)[1]
                assert run(sys.executable, "-c", FETCH, page, cwd=away).strip() == "200"
        finally:
            process.terminate()
            process.wait(60)
