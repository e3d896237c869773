"""Ground truth in MOT format (frame, id, x, y, w, h, …; frame 1 is the clip's first), and scores against it."""

import os
from collections import defaultdict
from copy import copy
from pathlib import Path

import numpy as np
from trackers.eval.clear import compute_clear_metrics
from trackers.eval.identity import compute_identity_metrics

from models.detections import areas, intersections, ious

MATCH = 0.5


def truth_name() -> str:
    """What GT= is called in a report, without the folders it happens to lie in."""
    return Path(os.environ.get("GT") or "").name


class Truth:
    """People per picture: `ids[n]` (m,) and `boxes[n]` (m, 4) for picture n, counted from 0.

    Rows whose seventh column is 0 ("not considered") are people too, small ones far away; they count here unless
    `considered` asks to leave them out, as the MOT evaluation does.
    """

    def __init__(self, path: Path, pictures: int, *, considered: bool = False) -> None:
        rows = defaultdict(list)
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            values = [float(value) for value in line.split(",")]
            if not considered or len(values) <= 6 or values[6] != 0:
                rows[int(values[0]) - 1].append(values[:6])
        table = [np.array(rows[n]).reshape(-1, 6) for n in range(pictures)]
        self.ids = [t[:, 1].astype(int) for t in table]
        self.boxes = [np.concatenate([t[:, 2:4], t[:, 2:4] + t[:, 4:6]], axis=1).astype(np.float32) for t in table]

    def every(self, step: int, first: int = 0) -> "Truth":
        """What every `step`-th picture shows, from picture `first` on."""
        fewer = copy(self)
        fewer.ids, fewer.boxes = self.ids[first::step], self.boxes[first::step]
        return fewer


def average_precision(truth: Truth, found: dict[int, tuple[np.ndarray, np.ndarray]]) -> float:
    """AP at IoU 0.5 over all points of the curve; `found`: picture → boxes, scores."""
    scores, hits = [], []
    for number, (boxes, score) in found.items():
        order = np.argsort(-score, kind="stable")
        overlap = ious(boxes[order], truth.boxes[number])
        free = np.ones(len(truth.boxes[number]), bool)
        for row, strength in zip(overlap, score[order], strict=True):
            candidates = np.where(free, row, -1)
            hit = candidates.size > 0 and candidates.max() >= MATCH
            if hit:
                free[candidates.argmax()] = False
            scores.append(strength)
            hits.append(hit)
    order = np.argsort(-np.array(scores), kind="stable")
    true = np.cumsum(np.array(hits)[order])
    precision = np.maximum.accumulate((true / np.arange(1, len(true) + 1))[::-1])[::-1]
    recall = true / sum(len(truth.boxes[number]) for number in found)
    return float(np.sum(np.diff(np.concatenate([[0], recall])) * precision))


def recalled(truth: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(m,) which true boxes have a box of IoU 0.5; two people may share one, for a mask need not tell them apart."""
    return (ious(truth, boxes) >= MATCH).any(axis=1)


def covered(truth: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(m,) which true boxes are covered to half by a single box."""
    return (intersections(truth, boxes) >= 0.5 * areas(truth)[:, None]).any(axis=1)


def tracking(truth: Truth, followed: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    """MOTA, IDF1 in percent, identity switches; `followed`: (ids, boxes) of each picture."""
    known = {i: n for n, i in enumerate(np.unique(np.concatenate(truth.ids)))}
    given = {i: n for n, i in enumerate(np.unique(np.concatenate([ids for ids, _ in followed])))}
    true_ids = [np.array([known[i] for i in ids], int) for ids in truth.ids]
    own_ids = [np.array([given[i] for i in ids], int) for ids, _ in followed]
    overlap = [ious(true, boxes.reshape(-1, 4)) for true, (_, boxes) in zip(truth.boxes, followed, strict=True)]
    clear = compute_clear_metrics(true_ids, own_ids, overlap)
    identity = compute_identity_metrics(true_ids, own_ids, overlap)
    return {
        "mota": 100 * clear["MOTA"],
        "idf1": 100 * identity["IDF1"],
        "switches": clear["IDSW"],
        "recall": 100 * clear["CLR_Re"],
        "precision": 100 * clear["CLR_Pr"],
    }
