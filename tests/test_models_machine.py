"""What a machine can hold is measured, and the advice keeps the detector at seven runs a second where it can."""

import subprocess
import sys
import tomllib

import pytest

from base.errors import ModelError
from models.config import ModelsConfig
from models.machine import ProfileTiming, advise, measure


def timings(**ms):
    return tuple(ProfileTiming(profile, value) for profile, value in ms.items())


@pytest.mark.parametrize(
    ("found", "rate", "expected"),
    [
        (timings(standard=40, fine=50, tiles=120, low_power=25), 10, ("fine", 1)),
        (timings(standard=5, fine=7, tiles=15, low_power=3), 10, ("tiles", 1)),
        (timings(standard=45, fine=70, tiles=150, low_power=28), 10, ("standard", 1)),
        (timings(standard=30, fine=45, tiles=90, low_power=20), 30, ("fine", 3)),
        (timings(standard=90, fine=150, tiles=300, small=48, smallest=40, low_power=35), 10, ("small", 1)),
        (timings(standard=140, fine=250, tiles=500, small=100, smallest=75, low_power=60), 10, ("low_power", 2)),
        (timings(standard=140, fine=250, tiles=500, small=100, smallest=75, low_power=48), 10, ("low_power", 1)),
        (timings(standard=400, fine=600, tiles=1200, smallest=240, low_power=250), 10, ("smallest", 5)),
        (timings(standard=90, fine=200, tiles=400, low_power=60), 5, ("standard", 1)),
    ],
)
def test_advice(found, rate, expected):
    profile, every = advise(found, rate)
    assert (profile, every) == expected
    assert rate / every <= next(t.pictures_per_s for t in found if t.profile == profile) + 1e-9


def test_smaller_input_is_quicker():
    small, tiled = measure(ModelsConfig(precision="float"), ("smallest", "tiles"), rounds=3)
    assert 0 < small.detect_ms < tiled.detect_ms


def test_what_has_no_eight_bits_is_not_timed_in_them():
    assert [t.profile for t in measure(ModelsConfig(precision="int8"), ("smallest", "low_power"), rounds=1)] == [
        "smallest"
    ]
    assert [t.profile for t in measure(ModelsConfig(precision="float"), ("low_power",), rounds=1)] == ["low_power"]


def test_measuring_on_what_is_not_there():
    with pytest.raises(ModelError, match="NoSuchProvider"):
        measure(ModelsConfig(providers=("NoSuchProvider",)))


def test_the_command_prints_what_can_be_configured():
    done = subprocess.run(
        [sys.executable, "-m", "models", "bench", "--rate", "10", "--profile", "smallest", "--profile", "low_power"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    advice = tomllib.loads(done.stdout.partition("a second:\n")[2])
    ModelsConfig(**advice["models"])
    assert advice["vision"]["detect_every"] >= 1


def test_the_command_says_what_is_wrong():
    done = subprocess.run(
        [sys.executable, "-m", "models", "bench", "--provider", "NoSuchProvider"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "none of the execution providers NoSuchProvider is there" in done.stderr
