"""Which people are found less: `make bench-fairness GT=FILE [CLIP=FILE] [PROFILE=fine]`.

Recall at the masking threshold (IoU 0.5) by facts of the picture: height, light, contrast against the surroundings,
occlusion, outline (how wide for its height: pose). Nothing about a person is read, stored or labelled; groups are
terciles of this clip unless a bound is named. Confidence intervals: 95 %, bootstrap over ground-truth people (not
frames, which are no independent cases), 1,000 rounds.

    gap_FACT            recall of the best group minus the worst
    gap_FACT_same_size  the same inside the middle tercile of height, where size does not explain it
"""

import os
import sys

import numpy as np

from bench import passes
from bench.clips import clip_key
from bench.report import report
from bench.truth import Truth, recalled, truth_name
from models.detections import areas, intersections
from models.detector import MASKING_THRESHOLD
from wire.features.vocabulary import ObjectClass

ROUNDS = 1000
OCCLUSION = (0.1, 0.4)
FACTS = ("height", "light", "contrast", "occlusion", "outline")
LEAST = 30


def facts(luma, boxes):
    """(n, facts) of the true boxes of one picture."""
    found = np.zeros((len(boxes), len(FACTS)))
    overlap = intersections(boxes, boxes)
    for i, (x0, y0, x1, y1) in enumerate(boxes):
        w, h = x1 - x0, y1 - y0
        inner = luma[max(int(y0), 0) : int(y1), max(int(x0), 0) : int(x1)]
        outer = luma[max(int(y0 - h / 4), 0) : int(y1 + h / 4), max(int(x0 - w / 2), 0) : int(x1 + w / 2)]
        nearer = boxes[:, 3] > y1
        around = (outer.sum(dtype=float) - inner.sum(dtype=float)) / max(outer.size - inner.size, 1)
        found[i] = (
            h,
            inner.mean(),
            abs(inner.mean() - around),
            min(overlap[i, nearer].sum() / areas(boxes[i : i + 1])[0], 1.0),
            w / h,
        )
    return found


def groups(values, fact):
    """Name → mask."""
    low, high = OCCLUSION if fact == "occlusion" else np.quantile(values, [1 / 3, 2 / 3])
    names = (f"< {low:.2f}", f"{low:.2f} to {high:.2f}", f">= {high:.2f}")
    return dict(zip(names, (values < low, (values >= low) & (values < high), values >= high), strict=True))


def interval(met, owners, random):
    """95 % interval of the mean of `met`, resampling people."""
    people, index = np.unique(owners, return_inverse=True)
    hits, counts = np.bincount(index, met), np.bincount(index)
    drawn = random.integers(len(people), size=(ROUNDS, len(people)))
    return np.quantile(hits[drawn].sum(axis=1) / counts[drawn].sum(axis=1), [0.025, 0.975])


def main():
    if not os.environ.get("GT"):
        sys.exit("bench-fairness: name ground truth in MOT format by GT=FILE")
    done = passes.run(os.environ.get("PROFILE") or "fine")
    truth = Truth(os.environ["GT"], len(done.found))
    table, met, owners = [], [], []
    for number, i420 in enumerate(passes.pictures(done.clip)):
        found = done.found[number]
        keep = (found.classes == ObjectClass.PERSON) & (found.scores >= MASKING_THRESHOLD)
        table.append(facts(i420[: i420.shape[0] * 2 // 3], truth.boxes[number]))
        met.append(recalled(truth.boxes[number], found.boxes[keep]))
        owners.append(truth.ids[number])
    values, hit, person = np.concatenate(table), np.concatenate(met).astype(float), np.concatenate(owners)
    random = np.random.default_rng(9)
    same_size = groups(values[:, 0], "height")
    middle = list(same_size.values())[1]
    rows = [("fact", "group", "boxes", "people", "recall", "low", "high", "recall, middle size", "boxes")]
    figures = {"recall": float(hit.mean()), "boxes": len(hit), "people": len(np.unique(person))}
    for column, fact in enumerate(FACTS):
        recalls, within = [], []
        for name, mask in groups(values[:, column], fact).items():
            low, high = interval(hit[mask], person[mask], random)
            both = mask & middle
            inside = float(hit[both].mean()) if both.sum() >= LEAST else float("nan")
            rows.append(
                (
                    fact,
                    name,
                    int(mask.sum()),
                    len(np.unique(person[mask])),
                    float(hit[mask].mean()),
                    float(low),
                    float(high),
                    inside,
                    int(both.sum()),
                )
            )
            recalls.append(float(hit[mask].mean()))
            within += [inside] if both.sum() >= LEAST else []
        figures[f"gap_{fact}"] = max(recalls) - min(recalls)
        if fact != "height" and len(within) > 1:
            figures[f"gap_{fact}_same_size"] = max(within) - min(within)
    inputs = {"clip": done.clip.name, "truth": truth_name(), "profile": done.profile, "threshold": MASKING_THRESHOLD}
    report("fairness", inputs, figures, rows, clip=clip_key(done.clip))


if __name__ == "__main__":
    main()
