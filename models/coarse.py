"""512 bits for the coarse search, made from the 64 signed bytes of a code; nothing more travels on the wire.

Each dimension is compared with eight thresholds, so two codes differ in as many bits as their dimensions lie steps
apart: the Hamming distance is the sum of absolute differences over nine levels. Measured against bits of random
projections of the same length this loses a fraction (`python -m bench.reid`).
"""

import numpy as np
import numpy.typing as npt

DIMENSIONS = 64
BITS = 512
# In standard deviations of one dimension of a code of that length.
_THRESHOLDS = np.array([-1.4, -1.0, -0.6, -0.2, 0.2, 0.6, 1.0, 1.4], np.float32)


def bits(values: npt.NDArray[np.int8]) -> npt.NDArray[np.uint8]:
    """(n, 64) int8 codes → (n, 64) uint8, eight bits for each dimension; the length of a code does not matter."""
    levels = values.astype(np.float32)
    spread = np.linalg.norm(levels, axis=1, keepdims=True) / np.sqrt(np.float32(DIMENSIONS))
    above = levels[:, :, None] > spread[:, :, None] * _THRESHOLDS
    return np.packbits(above.reshape(len(values), BITS), axis=1)


def distance(query: npt.NDArray[np.uint8], codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Hamming distance of one (64,) row of bits to each of (n, 64)."""
    differ = np.bitwise_xor(codes, query).view(np.uint64)
    return np.asarray(np.bitwise_count(differ).sum(axis=1), np.int64)
