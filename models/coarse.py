"""512 bits for the coarse search, made from the 64 signed bytes of a code; nothing more travels on the wire.

Codes of any model can be compared by a thermometer: each dimension is compared with eight thresholds, so two codes
differ in as many bits as their dimensions lie steps apart. For a trained network planes are learnt instead
(`models.train.bits`), each bit says on which side of one a code lies. `python -m bench.reid` has both beside bits of
random projections of the same length.
"""

import io
import zipfile
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from base.errors import ModelError
from models.registry import ModelRegistry

DIMENSIONS = 64
BITS = 512
# In standard deviations of one dimension of a code of that length.
_THRESHOLDS = np.array([-1.4, -1.0, -0.6, -0.2, 0.2, 0.6, 1.0, 1.4], np.float32)
_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Planes:
    """Of one model's codes.

    Attributes:
        normals: (64, 512) float32, each of unit length.
        offsets: (512,) float32, for codes of length 8.
    """

    normals: npt.NDArray[np.float32]
    offsets: npt.NDArray[np.float32]


def bits(values: npt.NDArray[np.int8], model: str = "") -> npt.NDArray[np.uint8]:
    """(n, 64) int8 codes of `model` → (n, 64) uint8, 512 bits each; the length of a code does not matter.

    Raises:
        ModelError: the planes of that model cannot be trusted.
    """
    planes = planes_of(model)
    return np.concatenate(
        [_bits(values[start : start + _AT_ONCE], planes) for start in range(0, max(len(values), 1), _AT_ONCE)]
    )


def thermometer(values: npt.NDArray[np.int8]) -> npt.NDArray[np.uint8]:
    """`bits` of a model for which nothing was learnt."""
    return _bits(values, None)


def _bits(values: npt.NDArray[np.int8], planes: Planes | None) -> npt.NDArray[np.uint8]:
    levels = values.astype(np.float32)
    spread = np.linalg.norm(levels, axis=1, keepdims=True) / np.sqrt(np.float32(DIMENSIONS))
    if planes is None:
        above = levels[:, :, None] > spread[:, :, None] * _THRESHOLDS
    else:
        above = levels @ planes.normals > -spread * planes.offsets
    return np.packbits(above.reshape(len(values), BITS), axis=1)


@cache
def planes_of(model: str) -> Planes | None:
    """Of the codes that are called `model` ("market64-2"); None where none were learnt for that version."""
    name, _, version = model.rpartition("-")
    wanted = f"{name}-bits", version
    registry = ModelRegistry.read()
    entry = next((weights for weights in registry.models if (weights.name, str(weights.version)) == wanted), None)
    if entry is None:
        return None
    try:
        with np.load(io.BytesIO(registry.weights(entry.name)), allow_pickle=False) as arrays:
            planes = Planes(arrays["normals"].astype(np.float32), arrays["offsets"].astype(np.float32))
    except (ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(f"model {entry.name}: {error}") from error
    if planes.normals.shape != (DIMENSIONS, BITS) or planes.offsets.shape != (BITS,):
        raise ModelError(f"model {entry.name}: planes of shape {planes.normals.shape} and {planes.offsets.shape}")
    return planes


def distance(query: npt.NDArray[np.uint8], codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Hamming distance of one (64,) row of bits to each of (n, 64)."""
    differ = np.bitwise_xor(codes, query).view(np.uint64)
    return np.asarray(np.bitwise_count(differ).sum(axis=1), np.int64)
