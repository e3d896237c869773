"""Every place that says a version says the one of base/version.py."""

from pathlib import Path

from base.version import VERSION

ROOT = Path(__file__).parent.parent


def test_no_other_file_states_it():
    """Three did, and a release would have changed one of them."""
    said = f'"{VERSION}"'
    folders = ("base", "wire", "models", "onvif", "firmware", "nvr_box")
    files = [ROOT / "pyproject.toml", *(path for folder in folders for path in (ROOT / folder).rglob("*.py"))]
    found = [path.relative_to(ROOT) for path in files if said in path.read_text(encoding="utf-8")]
    assert found == [Path("base/version.py")]
