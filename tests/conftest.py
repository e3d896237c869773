"""Fixtures that more than one part's tests use."""

import os
from pathlib import Path

import hypothesis
import pytest
from demo_process import start, stop

# A loaded machine is no failure: how long one example takes is not what properties are about.
hypothesis.settings.register_profile("veilcam", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("veilcam")


@pytest.fixture(scope="session")
def clip():
    """The demo clip, as `.ci/setup` cached it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "veilcam"
    path = cache / "vtest.avi"
    assert path.is_file(), "no demo clip; run `make setup`"
    return path


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """One running demo for the whole session: two cameras, the box, its page."""
    running = start(tmp_path_factory.mktemp("demo"))
    yield running
    stop(running)
