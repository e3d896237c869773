"""Appearance codes: 64 signed bytes that say what an object looks like, comparable inside one model only.

An encoder is chosen by name in the configuration (`models/encoders.py`). "stripes" needs no licence but this project's;
"market64" is the trained network, whose card says on what terms. Codes carry the encoder's id, and codes of different
ids are never compared: the number would be meaningless, and a search would be silently random.
"""

import io
import zipfile
from typing import Protocol

import numpy as np
import numpy.typing as npt

from base.errors import ModelError
from models import stripes
from models.config import ModelsConfig
from models.registry import ModelRegistry
from models.rgb import Rgb
from models.runtime import Floats, InferenceSession
from wire.features.packet import AppearanceCode
from wire.features.vocabulary import Attribute, CodeKind, ObjectClass

CODE_BYTES = 64
_MINIMUM_SIDE_PX = 4
_ARRAYS = {
    f"{kind}_{part}": shape
    for kind in ("person", "vehicle")
    for part, shape in (("mean", (stripes.LENGTH,)), ("projection", (stripes.LENGTH, CODE_BYTES)))
}


class Encoder(Protocol):
    """Makes appearance codes. `model` is the id its codes of people carry."""

    model: str

    def model_of(self, class_: ObjectClass) -> str:
        """The id that codes of this class carry."""

    def encode(self, rgb: Rgb, box: npt.NDArray[np.float32], class_: ObjectClass) -> AppearanceCode:
        """The code of the object inside `box` (x0 y0 x1 y1, pixels) of `rgb` (h, w, 3).

        Raises:
            ModelError: the box has no area inside the picture, or the network failed.
        """

    def attributes(self, rgb: Rgb, box: npt.NDArray[np.float32], class_: ObjectClass) -> dict[Attribute, float]:
        """Probability of the second of each attribute's two `CHOICES`; empty for what this encoder cannot tell.

        Raises:
            ModelError: as `encode`.
        """


def cut(rgb: Rgb, box: npt.NDArray[np.float32]) -> Rgb:
    """The part of `rgb` inside `box`, a view; ModelError when that is too small to look at."""
    height, width = rgb.shape[:2]
    if not np.isfinite(box).all():
        raise ModelError("a box that is not made of finite numbers")
    x0, y0 = max(int(box[0]), 0), max(int(box[1]), 0)
    x1, y1 = min(int(np.ceil(box[2])), width), min(int(np.ceil(box[3])), height)
    if x1 - x0 < _MINIMUM_SIDE_PX or y1 - y0 < _MINIMUM_SIDE_PX:
        raise ModelError(f"box {[round(float(v)) for v in box]} has hardly any area inside {width}×{height}")
    return rgb[y0:y1, x0:x1]


def quantised(model: str, vector: Floats) -> AppearanceCode:
    """A direction as a code; only the direction counts, so the longest component becomes ±127."""
    longest = float(np.abs(vector).max())
    if not np.isfinite(longest) or longest == 0.0:
        raise ModelError("an appearance vector without a direction")
    values = np.round(vector * (127.0 / longest)).astype(np.int8)
    return AppearanceCode(model, CodeKind.INT8, len(values), values.tobytes())


class Stripes:
    """Colour histograms and backbone features of six cells, projected to 64 dimensions."""

    def __init__(self, session: InferenceSession, registry: ModelRegistry, config: ModelsConfig) -> None:
        self._session = session
        entry = registry.entry("stripes")
        self.model = f"{entry.name}-{entry.version}"
        try:
            with np.load(io.BytesIO(registry.weights("stripes", config.weights)), allow_pickle=False) as arrays:
                self._arrays = {name: arrays[name].astype(np.float32) for name in _ARRAYS}
        except (ValueError, KeyError, zipfile.BadZipFile) as error:
            raise ModelError(f"model stripes: {error}") from error
        for name, shape in _ARRAYS.items():
            if self._arrays[name].shape != shape:
                raise ModelError(f"model stripes: {name} is {self._arrays[name].shape}, want {shape}")

    def model_of(self, class_: ObjectClass) -> str:
        """See `Encoder`."""
        del class_
        return self.model

    def encode(self, rgb: Rgb, box: npt.NDArray[np.float32], class_: ObjectClass) -> AppearanceCode:
        """See `Encoder`. People on bicycles are people; everything else is a vehicle."""
        upright = class_ == ObjectClass.PERSON
        kind = "person" if upright else "vehicle"
        vector = stripes.features(self._session, cut(rgb, box), upright=upright) - self._arrays[f"{kind}_mean"]
        return quantised(self.model, vector @ self._arrays[f"{kind}_projection"])

    def attributes(self, rgb: Rgb, box: npt.NDArray[np.float32], class_: ObjectClass) -> dict[Attribute, float]:
        """Colours and backbone features know no sleeves."""
        del rgb, box, class_
        return {}


def similarity(left: AppearanceCode, right: AppearanceCode) -> float:
    """Cosine of two codes, 0 (nothing in common) to 1 (the same).

    Raises:
        ModelError: the codes are of different models, kinds or lengths.
    """
    if (left.model, left.kind, left.dims) != (right.model, right.kind, right.dims) or left.kind != CodeKind.INT8:
        raise ModelError(
            f"codes of {left.model} ({left.dims} {left.kind.name}) and {right.model} ({right.dims} "
            f"{right.kind.name}) cannot be compared"
        )
    a, b = (np.frombuffer(code.data, np.int8).astype(np.float32) for code in (left, right))
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return max(float(a @ b) / lengths, 0.0) if lengths else 0.0
