"""The runtime of the models tells nobody about its use: no device number, no queue of reports."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = "import models; from models.config import ModelsConfig; models.load(ModelsConfig())"


def test_loading_the_models_leaves_nothing_in_the_home_folder(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment.update(HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path))
    subprocess.run([sys.executable, "-c", SCRIPT], cwd=Path(__file__).parent.parent, env=environment, check=True)
    assert list(tmp_path.rglob("*")) == []
