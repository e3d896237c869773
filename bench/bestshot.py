"""Whether the chosen shot shows the object: `make bench-bestshot GT=FILE [CLIP=FILE]`.

Own detector and tracker; every track is cut into passages of at most 100 pictures, each passage chooses one shot by
each rule, and ground truth judges. A shot is bad when a nearer person covers more than 20 % of the true box or more
than 5 % of it lie outside the picture. Then every passage is a query with the code of its shot, the other passages of
the same true person are to be found: mAP by our rule and by others, all with the same encoder.

    ours       the shot with the best verdict; "ours, mean of 3" is what the camera sends: the code averaged over the
               few best by quality
    oracle     knows the truth about each shot: of those that no other person covers and the border does not cut, the
               one whose box lies best on the true box
    luckiest   knows the answers too: of a dozen shots the one that finds most in the gallery of our shots. No rule that
               looks at pictures can reach it; it bounds what choosing can give
    map_gap_oracle, map_gap_luckiest   their mAP minus that of what the camera sends
"""

import dataclasses
import os
import sys
from collections import defaultdict

import cv2
import numpy as np

from bench import passes
from bench.clips import clip_key
from bench.report import report
from bench.truth import Truth, truth_name
from firmware.describe.shot import _sharpness, judge
from firmware.vision import VisionSettings, VisionStage
from models import load
from models.config import ModelsConfig
from models.detections import areas, intersections, ious
from wire.features.vocabulary import ObjectClass

LENGTH, MINIMUM = 100, 10
RULES = ("ours", "random", "first", "sharpest", "largest", "oracle")
KEPT, APART = 3, 3
CANDIDATES = 12


@dataclasses.dataclass
class Look:
    """One sighting of a passage, with what ground truth says: -1 for no person."""

    number: int
    box: np.ndarray
    rank: tuple[bool, float]
    sharp: float
    person: int = -1
    covered: float = 0.0
    cut: float = 0.0
    fit: float = 0.0

    @property
    def bad(self):
        return self.covered > 0.2 or self.cut > 0.05

    @property
    def height(self):
        return float(self.box[3] - self.box[1])


def judged(look, truth, size):
    """Fill in what ground truth says about one look."""
    boxes, ids = truth.boxes[look.number], truth.ids[look.number]
    if not len(boxes):
        return look
    overlap = ious(look.box[None], boxes)[0]
    best = int(overlap.argmax())
    if overlap[best] < 0.4:
        return look
    true = boxes[best : best + 1]
    nearer = boxes[boxes[:, 3] > true[0, 3]]
    look.person, look.fit = int(ids[best]), float(overlap[best])
    look.covered = float(intersections(true, nearer).sum() / areas(true)[0])
    inside = np.clip(true, 0, [size[0], size[1]] * 2)
    look.cut = float(1 - areas(inside)[0] / areas(true)[0])
    return look


def passages(done, truth):
    """Lists of looks, one list per passage; those that ground truth does not know are left out and counted."""
    models = dataclasses.replace(load(ModelsConfig()), detector=passes.Replayed(done))
    eyes = VisionStage(models, done.rate, VisionSettings(faces_per_picture=0))
    looks = defaultdict(list)
    for number, i420 in enumerate(passes.pictures(done.clip)):
        sight, height = eyes.detect(i420, done.pts_90k(number)), i420.shape[0] * 2 // 3
        luma = i420[:height]
        for track in sight.tracks:
            if track.class_ is not ObjectClass.PERSON or not track.seen:
                continue
            passage = looks[track.id, round(track.age_s * done.rate) // LENGTH]
            look = Look(number, track.box, judge(luma, track, sight).rank, _sharpness(luma, track.box))
            passage.append(judged(look, truth, (i420.shape[1], height)))
    whole = [p for p in looks.values() if len(p) >= MINIMUM]
    known = [p for p in whole if np.mean([look.person >= 0 for look in p]) > 0.5]
    return known, len(whole) - len(known)


def choose(rule, passage, random):
    match rule:
        case "ours":
            return max(passage, key=lambda look: look.rank)
        case "random":
            return passage[random.integers(len(passage))]
        case "first":
            return passage[0]
        case "sharpest":
            return max(passage, key=lambda look: look.sharp)
        case "largest":
            return max(passage, key=lambda look: look.height)
    seen = [look for look in passage if look.person >= 0]
    return min(seen, key=lambda look: (round(look.covered, 1), round(look.cut, 2), -look.fit))


def few_best(passage):
    """The best looks that lie apart in time, as the camera keeps them."""
    kept = []
    for look in sorted(passage, key=lambda look: look.rank, reverse=True):
        if len(kept) < KEPT and all(abs(look.number - other.number) >= APART for other in kept):
            kept.append(look)
    passed = [look for look in kept if look.rank[0]] or kept[:1]
    return passed, np.array([max(look.rank[1], 1e-3) for look in passed], np.float32)


def codes(chosen, clip, encoder):
    """Rule → (passages, 64) float, unit length."""
    wanted = defaultdict(list)
    for rule, looks in chosen.items():
        for index, look in enumerate(looks):
            wanted[look.number].append((rule, index, look.box))
    found = {rule: np.zeros((len(looks), 64), np.float32) for rule, looks in chosen.items()}
    for number, i420 in enumerate(passes.pictures(clip)):
        if number in wanted:
            rgb = cv2.cvtColor(i420, cv2.COLOR_YUV2RGB_I420)
            for rule, index, box in wanted[number]:
                row = np.frombuffer(encoder.encode(rgb, box, ObjectClass.PERSON).data, np.int8).astype(np.float32)
                found[rule][index] = row / np.linalg.norm(row)
    return found


def average_precision_of(vector, query, gallery, people):
    """AP of one query against the gallery's other passages; None for a person who passes once."""
    order = np.argsort(-(gallery @ vector))
    hits = np.flatnonzero(people[order[order != query]] == people[query])
    return float(np.mean((np.arange(len(hits)) + 1) / (hits + 1))) if len(hits) else None


def mean_average_precision(vectors, people):
    found = [average_precision_of(vectors[query], query, vectors, people) for query in range(len(people))]
    known = [precision for precision in found if precision is not None]
    return 100 * float(np.mean(known)), len(known)


def luckiest(candidates, gallery, people):
    """mAP when every query is made with the one of its candidates that happens to do best."""
    best = [
        max(precisions)
        for query, rows in enumerate(candidates)
        if (precisions := [average_precision_of(row, query, gallery, people) for row in rows])[0] is not None
    ]
    return 100 * float(np.mean(best))


def main():
    if not os.environ.get("GT"):
        sys.exit("bench-bestshot: name ground truth in MOT format by GT=FILE")
    done = passes.run(os.environ.get("PROFILE") or "fine")
    known, unknown = passages(done, Truth(os.environ["GT"], len(done.found)))
    random = np.random.default_rng(5)
    chosen = {rule: [choose(rule, passage, random) for passage in known] for rule in RULES}
    encoder = load(ModelsConfig(appearance=os.environ.get("APPEARANCE") or "stripes")).appearance
    few = [few_best(passage) for passage in known]
    spread = [[p[i] for i in np.linspace(0, len(p) - 1, CANDIDATES).astype(int)] for p in known]
    single = chosen | {
        "few": [look for looks, _ in few for look in looks],
        "spread": [look for looks in spread for look in looks],
    }
    vectors = codes(single, done.clip, encoder)
    rest, means = vectors.pop("few"), []
    for looks, weights in few:
        means.append(weights @ rest[: len(looks)])
        rest = rest[len(looks) :]
    vectors["ours, mean of 3"] = np.stack([mean / np.linalg.norm(mean) for mean in means])
    candidates = vectors.pop("spread").reshape(len(known), CANDIDATES, -1)
    # A passage belongs to whom it shows most of the time.
    people = np.array([np.bincount([look.person for look in p if look.person >= 0]).argmax() for p in known])
    rows, figures = [("rule", "bad", "mean covered", "median height", "mAP")], {}
    for rule, looks in chosen.items():
        precision, queries = mean_average_precision(vectors[rule], people)
        bad = float(np.mean([look.bad for look in looks]))
        rows.append(
            (
                rule,
                bad,
                float(np.mean([look.covered for look in looks])),
                float(np.median([look.height for look in looks])),
                precision,
            )
        )
        figures |= {f"bad_share_{rule}": bad, f"map_{rule}": precision}
    sent, _ = mean_average_precision(vectors["ours, mean of 3"], people)
    bound = luckiest(candidates, vectors["ours, mean of 3"], people)
    rows += [("ours, mean of 3", "", "", "", sent), ("luckiest", "", "", "", bound)]
    # How good the random choice does depends on luck: the mean of a hundred.
    figures["bad_share_random"] = float(np.mean([choose("random", p, random).bad for p in known for _ in range(100)]))
    figures |= {
        "bad_share": figures["bad_share_ours"],
        "map_sent": sent,
        "map_luckiest": bound,
        "map_gap_oracle": figures["map_oracle"] - sent,
        "map_gap_luckiest": bound - sent,
    }
    inputs = {
        "clip": done.clip.name,
        "truth": truth_name(),
        "profile": done.profile,
        "passages": len(known),
        "passages_unknown_to_truth": unknown,
        "queries": queries,
        "appearance": encoder.model,
    }
    report("bestshot", inputs, figures, rows, clip=clip_key(done.clip))


if __name__ == "__main__":
    main()
