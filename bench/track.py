"""How well people are followed: `make bench-track GT=FILE [CLIP=FILE or FOLDER] [PROFILE=fine]`.

Our own detector, then our tracker and three of the package `trackers` on the same detections (what stands still taken
out for all of them), at the clip's own rate. A track is reported in the pictures in which the latest detector run saw
it.

    mota, idf1      percent, IoU 0.5, every picture
    *_third         only every third picture exists, as from a camera at a third of the rate; mean of the three ways to
                    choose them
    *_considered_only  true boxes that the file marks as not to be considered are left out, as the MOT evaluation does
    idf1_skip3      the detector runs on every third picture only; all pictures are scored
    *_bytetrack, *_botsort, *_cbiou  the three others
    ms_per_frame    CPU of following a picture (looks, furniture, association, prediction), without the network
"""

import dataclasses
import os
import sys
import time
from itertools import islice

import numpy as np
import supervision
from trackers import BoTSORTTracker, ByteTrackTracker, CBIoUTracker

from bench import passes
from bench.clips import clip_key
from bench.report import report
from bench.truth import Truth, tracking, truth_name
from firmware.capture.frame import CLOCK_90K
from firmware.vision import VisionSettings, VisionStage
from firmware.vision.static_objects import StaticObjects
from models import load
from models.config import ModelsConfig
from wire.features.vocabulary import ObjectClass

THIRD = 3
OTHERS = {
    "bytetrack": ("ByteTrack", ByteTrackTracker, {}),
    "botsort": ("BoT-SORT", BoTSORTTracker, {"enable_cmc": False}),
    "cbiou": ("C-BIoU", CBIoUTracker, {}),
}


def ours(done, pictures, every=1):
    """(ids, boxes) of each picture, and the CPU milliseconds of a picture."""
    models = dataclasses.replace(load(ModelsConfig()), detector=passes.Replayed(done, every))
    eyes = VisionStage(models, done.rate, VisionSettings(detect_every=every, faces_per_picture=0))
    followed, latest, spent_s = [], set(), 0.0
    for number, i420 in enumerate(pictures):
        began_s = time.process_time()
        sight = eyes.detect(i420, done.pts_90k(number))
        spent_s += time.process_time() - began_s
        people = [t for t in sight.tracks if t.class_ is ObjectClass.PERSON]
        if number % every == 0:
            latest = {t.id for t in people if t.seen}
        shown = [t for t in people if t.id in latest]
        followed.append((np.array([t.id for t in shown], int), np.array([t.box for t in shown], np.float32)))
    return followed, 1000 * spent_s / len(followed)


def theirs(key, done, pictures):
    _, make, options = OTHERS[key]
    tracker = make(frame_rate=float(done.rate), track_activation_threshold=0.5, high_conf_det_threshold=0.4, **options)
    furniture, followed, spent_s = StaticObjects(), [], 0.0
    for number, i420 in enumerate(pictures):
        found = done.found[number]
        luma = i420[: i420.shape[0] * 2 // 3]
        keep = (found.classes == ObjectClass.PERSON) & (found.scores >= 0.1)
        keep &= ~furniture.still(luma, done.pts_90k(number) / CLOCK_90K, found.boxes)
        rows = supervision.Detections(xyxy=found.boxes[keep], confidence=found.scores[keep])
        began_s = time.process_time()
        result = tracker.update(rows)
        spent_s += time.process_time() - began_s
        given = result.tracker_id >= 0
        followed.append((result.tracker_id[given], result.xyxy[given].astype(np.float32)))
    return followed, 1000 * spent_s / len(followed)


def at_a_third(follow, done, truth):
    """MOTA, IDF1 and so on when only every third picture exists."""
    scores = []
    for first in range(THIRD):
        fewer = dataclasses.replace(done, found=done.found[first::THIRD], rate=done.rate / THIRD)
        followed, _ = follow(fewer, islice(passes.pictures(done.clip), first, None, THIRD))
        scores.append(tracking(truth.every(THIRD, first), followed))
    return {key: float(np.mean([each[key] for each in scores])) for key in scores[0]}


def main():
    if not os.environ.get("GT"):
        sys.exit("bench-track: name ground truth in MOT format by GT=FILE")
    done = passes.run(os.environ.get("PROFILE") or "fine")
    truth = Truth(os.environ["GT"], len(done.found))
    considered = Truth(os.environ["GT"], len(done.found), considered=True)
    runs = {"ours": ours(done, passes.pictures(done.clip))}
    for name, every in (("ours, every 2nd", 2), ("ours, every 3rd", THIRD)):
        runs[name] = ours(done, passes.pictures(done.clip), every)
    runs |= {name: theirs(key, done, passes.pictures(done.clip)) for key, (name, *_) in OTHERS.items()}
    scores = {name: tracking(truth, followed) for name, (followed, _) in runs.items()}
    slow = {"ours": at_a_third(ours, done, truth)}
    slow |= {
        name: at_a_third(lambda *seen, key=key: theirs(key, *seen), done, truth) for key, (name, *_) in OTHERS.items()
    }
    rows = [("tracker", "MOTA", "IDF1", "switches", "recall", "precision", "ms", "MOTA a third", "IDF1 a third")]
    for name, s in scores.items():
        row = (name, s["mota"], s["idf1"], s["switches"], s["recall"], s["precision"], runs[name][1])
        rows.append((*row, slow[name]["mota"], slow[name]["idf1"]) if name in slow else row)
    mine, strict = scores["ours"], tracking(considered, runs["ours"][0])
    others = {
        f"{score}_{key}{ending}": values[name][score]
        for key, (name, *_) in OTHERS.items()
        for score in ("mota", "idf1")
        for ending, values in (("", scores), ("_third", slow))
    }
    inputs = {"clip": done.clip.name, "truth": truth_name(), "profile": done.profile, "rate": str(done.rate)}
    report(
        "track",
        inputs,
        {
            "mota": mine["mota"],
            "idf1": mine["idf1"],
            "idf1_skip3": scores["ours, every 3rd"]["idf1"],
            "mota_third": slow["ours"]["mota"],
            "idf1_third": slow["ours"]["idf1"],
            "ms_per_frame": runs["ours"][1],
            "switches": mine["switches"],
            "mota_considered_only": strict["mota"],
            "idf1_considered_only": strict["idf1"],
        }
        | others,
        rows,
        clip=clip_key(done.clip),
    )


if __name__ == "__main__":
    main()
