"""docs/camera.toml and docs/nvr.toml: `PYTHONPATH=.:tests python tests/config_reference.py` writes both anew."""

from pathlib import Path

from base.config_reference import reference
from firmware.config import Config
from nvr_box.config import BoxConfig

DOCS = Path(__file__).parent.parent / "docs"

CAMERA_HEAD = """Every key of camera.toml.
Those that must be given have an example, the others their default as a comment.
Written from firmware/config.py by tests/config_reference.py; `veilcam-camera check-config FILE` checks a file."""
CAMERA_EXAMPLES = {
    "camera.name": "Front door",
    "camera.serial": "VC-0001",
    "camera.state": "/var/lib/veilcam-camera/front-door",
    "camera.source.clip": "/var/lib/veilcam-camera/front-door.mkv",
    "camera.mask.rules.name": "CAR",
    "camera.mask.zones.corners": (0.0, 0.0, 0.5, 0.0, 0.5, 0.5),
    "camera.selection.people.label": "red coat, black bag",
    "camera.selection.people.model": "stripes",
    "camera.selection.people.code": "00ff",
}
BOX_HEAD = """Every key of nvr.toml.
Those that must be given have an example, the others their default as a comment.
Written from nvr_box/config.py by tests/config_reference.py; `veilcam-box check-config FILE` checks a file."""
BOX_EXAMPLES = {"state": "/var/lib/veilcam-box"}

FILES = {
    DOCS / "camera.toml": (Config, CAMERA_EXAMPLES, CAMERA_HEAD),
    DOCS / "nvr.toml": (BoxConfig, BOX_EXAMPLES, BOX_HEAD),
}

if __name__ == "__main__":
    for path, (shape, examples, head) in FILES.items():
        path.write_text(reference(shape, examples, head=head), encoding="utf-8")
