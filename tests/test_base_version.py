"""Every place that says a version says the one of base/version.py."""

import subprocess
from pathlib import Path

from base.version import VERSION

ROOT = Path(__file__).parent.parent


def test_no_other_file_states_it():
    """Three did, and a release would have changed one of them."""
    listed = subprocess.run(["git", "ls-files", "*.py", "*.toml"], cwd=ROOT, capture_output=True, text=True, check=True)
    said = f'"{VERSION}"'
    found = [name for name in listed.stdout.split() if said in (ROOT / name).read_text(encoding="utf-8")]
    assert found == ["base/version.py"]
