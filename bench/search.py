"""How long an exact search takes, as a ratio to one core's reading of the same bytes: `python -m bench.search [N]`.

Synthetic codes (N / 50 looks with noise, 64 channels, 30 days) since what is measured is memory and arithmetic, not
recognition. Every repeat of a search is interleaved with a read of the bytes that its comparison reads, so that a
loaded machine slows both. F1 is 4 channels × 1 day, F2 16 channels × 7 days.
"""

import os
import statistics
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from bench.report import report
from models import coarse
from nvr_box.search import code_similarity
from nvr_box.search.gallery import WORDS, Columns, Gallery
from nvr_box.search.search import Filters, _compare
from wire.features.packet import AppearanceCode
from wire.features.vocabulary import CodeKind

_DAY_US = 86_400_000_000
_CHANNELS, _DAYS = 64, 30
_REPEATS = 15
_BATCH = 100_000


def columns(count):
    rng = np.random.default_rng(7)
    looks = rng.normal(size=(max(1, count // 50), 64)).astype(np.float32)
    parts = []
    times = np.sort(rng.integers(0, _DAYS * _DAY_US, count))
    for start in range(0, count, _BATCH):
        size = min(_BATCH, count - start)
        values = looks[rng.integers(0, len(looks), size)] + rng.normal(size=(size, 64)).astype(np.float32) * 0.4
        fine = np.clip(values * 40, -127, 127).astype(np.int8)
        length = np.sqrt(np.square(fine.astype(np.float32)).sum(axis=1))
        parts.append(
            Columns(
                packet=np.arange(start, start + size, dtype=np.int64) + 1,
                best_us=times[start : start + size],
                camera=rng.integers(0, _CHANNELS, size, dtype=np.int32),
                object_class=np.zeros(size, np.uint8),
                colours=np.zeros(size, np.uint64),
                attributes=np.zeros(size, np.uint64),
                words=np.ascontiguousarray(coarse.bits(fine).view(np.uint64).T),
                fine=fine,
                scale=(1 / length).astype(np.float32),
            )
        )
    return Gallery(Columns.joined(parts))


def timed(work):
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    gallery = columns(count)
    (everything,) = gallery.parts(None, None)
    flat = everything.words.reshape(-1)
    query = everything.fine[count // 3]
    words = everything.words[:, count // 3]
    code = AppearanceCode("bench", CodeKind.INT8, 64, query.tobytes())
    day = 11 * _DAY_US
    cases = {
        "all": (Filters(threshold=0.5), None),
        "f1": (Filters(threshold=0.5, start_us=day, end_us=day + _DAY_US), frozenset(range(4))),
        "f2": (Filters(threshold=0.5, start_us=day, end_us=day + 7 * _DAY_US), frozenset(range(16))),
    }

    def search(filters, cameras):
        return _compare(
            gallery.parts(filters.start_us, filters.end_us),
            [],
            filters=filters,
            cameras=cameras,
            code=code,
            leave_out=0,
            everything=count,
        )

    taken = {name: [] for name in ("read", "kernel", *cases)}
    for _ in range(_REPEATS):
        taken["read"].append(timed(lambda: np.bitwise_xor.reduce(flat)))
        taken["kernel"].append(timed(lambda: code_similarity.hamming(everything.words, words)))
        for name, (filters, cameras) in cases.items():
            taken[name].append(timed(lambda filters=filters, cameras=cameras: search(filters, cameras)))
    median = {name: statistics.median(values) for name, values in taken.items()}
    # Of the truth: every row's fine similarity, computed without the coarse stage.
    fine = everything.fine.astype(np.float32) @ query.astype(np.float32) * everything.scale
    best = set((np.argsort(-fine, kind="stable")[:100] + 1).tolist())
    found = search(Filters(threshold=0.0, limit=100), None)
    recall = len(best & {int(number) for number in found.packets}) / 100
    rows = [(name, f"{value:.2f}", f"{value / median['read']:.2f}") for name, value in median.items()]
    figures = {f"{name}_ms": value for name, value in median.items()}
    figures |= {f"{name}_over_read": median[name] / median["read"] for name in ("kernel", *cases)}
    figures |= {"recall_at_100": recall, "rows": count, "bytes_per_row": WORDS * 8}
    report(
        "search",
        {"rows": count, "channels": _CHANNELS, "days": _DAYS, "repeats": _REPEATS},
        figures,
        [("step", "median ms", "× read"), *rows],
    )


if __name__ == "__main__":
    main()
