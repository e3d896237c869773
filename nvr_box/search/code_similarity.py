"""Comparing one code with many, exactly."""

import numpy as np
import numpy.typing as npt

from nvr_box.search.gallery import Columns

# 32,768 rows × 8 bytes stay in the second-level cache while the words are added up.
_BLOCK = 32_768
# Up to here every candidate is compared by its fine code; beyond, by its coarse bits first.
FINE_ROWS = 65_536
# How many of the coarsely best are then compared finely.
RERANKED = 8_192
_SPARSE = 8


def hamming(words: npt.NDArray[np.uint64], query: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint16]:
    """(n,) differing bits between each column of `words` (w, n) and `query` (w,)."""
    count = words.shape[1]
    distance = np.zeros(count, np.uint16)
    xor = np.empty(min(_BLOCK, count), np.uint64)
    bits = np.empty(min(_BLOCK, count), np.uint8)
    for start in range(0, count, _BLOCK):
        stop = min(start + _BLOCK, count)
        block = distance[start:stop]
        x, b = xor[: stop - start], bits[: stop - start]
        for row, word in zip(words, query, strict=True):
            np.bitwise_xor(row[start:stop], word, out=x)
            np.bitwise_count(x, out=b)
            block += b
    return distance


def similarities(
    rows: Columns,
    candidates: npt.NDArray[np.intp],
    query: npt.NDArray[np.int8],
    query_words: npt.NDArray[np.uint64],
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float32]]:
    """Similarity 0..1 of the `candidates` among `rows` to `query` (64,), as `models.appearance.similarity` defines it.

    Returns:
        (indices of rows, similarities): of every candidate up to `FINE_ROWS`, else of the `RERANKED` coarsely
        nearest and those that tie with the last of them.
    """
    chosen = candidates
    if len(candidates) > FINE_ROWS:
        # Reading a whole slice in order costs less than picking much of it.
        if len(candidates) * _SPARSE < len(rows):
            distance = hamming(np.ascontiguousarray(rows.words[:, candidates]), query_words)
        else:
            distance = hamming(rows.words, query_words)
            distance = distance if len(candidates) == len(rows) else distance[candidates]
        # Every row at the distance of the last one taken comes along: no tie is broken by chance.
        furthest = int(np.searchsorted(np.cumsum(np.bincount(distance)), RERANKED))
        chosen = candidates[np.flatnonzero(distance <= furthest)]
    wanted = query.astype(np.float32)
    length = float(np.linalg.norm(wanted))
    if not length:
        return chosen, np.zeros(len(chosen), np.float32)
    cosine = (rows.fine[chosen].astype(np.float32) @ wanted) * rows.scale[chosen] / length
    return chosen, np.maximum(cosine, 0).astype(np.float32)
