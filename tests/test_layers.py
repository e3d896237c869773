"""The arrows of docs/design.md, executable: which folder may import which, and what only one file may import."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "base": set(),
    "wire": {"base"},
    "onvif": {"base"},
    "models": {"wire", "base"},
    "firmware": {"onvif", "models", "wire", "base"},
    "nvr_box": {"onvif", "models", "wire", "base"},
}
ONLY_IN = {
    "gi": "onvif/rtsp/gst.py",
    "picamera2": "firmware/capture/picamera.py",
    "tensorrt": "models/tensorrt.py",
}
FILES = [path for folder in MAY_IMPORT for path in sorted((ROOT / folder).rglob("*.py"))]


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or "").split(".")[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_follow_the_arrows(path):
    here = path.relative_to(ROOT)
    folder = here.parts[0]
    for name in set(imported(path)):
        if name in MAY_IMPORT and name != folder:
            assert name in MAY_IMPORT[folder], f"{here} imports {name}"
        if name in ONLY_IN:
            assert str(here) == ONLY_IN[name], f"{here} imports {name}; only {ONLY_IN[name]} may"
