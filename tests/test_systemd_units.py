"""The units are well formed, and stay as closed as they were when they were written."""

import subprocess
from pathlib import Path

import pytest

UNITS = sorted((Path(__file__).parent.parent / "systemd").glob("*.service"))
# systemd-analyze's exposure level, 0.0 (closed) to 10.0, as measured when the units were written, rounded up.
MOST_EXPOSURE = "20"


@pytest.fixture
def unit(request, tmp_path):
    """The unit with /opt/veilcam's interpreter replaced by one that exists here, so that only the unit is judged."""
    text = request.param.read_text().replace("/opt/veilcam/.venv/bin/python", "/usr/bin/python3")
    path = tmp_path / request.param.name
    path.write_text(text.replace("/opt/veilcam", "/"))
    return path


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *map(str, arguments)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name, indirect=True)
def test_unit_is_valid(unit):
    result = analyze("verify", "--man=no", unit)
    complaints = [line for line in result.stderr.splitlines() if unit.name in line]
    assert not complaints, complaints


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name, indirect=True)
def test_unit_is_hardened(unit):
    result = analyze("security", "--offline=yes", f"--threshold={MOST_EXPOSURE}", unit)
    assert result.returncode == 0, result.stdout[-400:]
