"""How well people are followed: `make bench-track GT=FILE [CLIP=FILE] [PROFILE=fine]`.

Our own detector, then our tracker and three of the package `trackers` on the same detections (what stands still taken
out for all of them). A track is reported in the pictures in which the latest detector run saw it.

    mota, idf1      percent, IoU 0.5, every picture
    *_considered_only  true boxes that the file marks as not to be considered are left out, as the MOT evaluation does
    idf1_skip3      the detector runs on every third picture only; all pictures are scored
    ms_per_frame    CPU of following a picture (looks, furniture, association, prediction), without the network
"""

import dataclasses
import os
import sys
import time
from fractions import Fraction

import numpy as np
import supervision
from trackers import BoTSORTTracker, ByteTrackTracker, CBIoUTracker

from bench import passes
from bench.report import report
from bench.truth import Truth, tracking, truth_name
from firmware.vision import Eyes, VisionSettings
from firmware.vision.furniture import Furniture
from models import load
from models.config import ModelsConfig
from wire.features.vocabulary import ObjectClass

RATE = Fraction(10)


def ours(done, every):
    """(ids, boxes) of each picture, and the CPU milliseconds of a picture."""
    models = dataclasses.replace(load(ModelsConfig()), detector=passes.Replayed(done, every))
    eyes = Eyes(models, RATE, VisionSettings(detect_every=every, faces_per_picture=0))
    followed, latest, spent_s = [], set(), 0.0
    for number, i420 in enumerate(passes.pictures(done.clip)):
        began_s = time.process_time()
        sight = eyes.look(i420, number * 9000)
        spent_s += time.process_time() - began_s
        people = [t for t in sight.tracks if t.class_ is ObjectClass.PERSON]
        if number % every == 0:
            latest = {t.id for t in people if t.seen}
        shown = [t for t in people if t.id in latest]
        followed.append((np.array([t.id for t in shown], int), np.array([t.box for t in shown], np.float32)))
    return followed, 1000 * spent_s / len(followed)


def theirs(tracker, done):
    furniture, followed, spent_s = Furniture(), [], 0.0
    for number, i420 in enumerate(passes.pictures(done.clip)):
        found = done.found[number]
        luma = i420[: i420.shape[0] * 2 // 3]
        keep = (found.classes == ObjectClass.PERSON) & (found.scores >= 0.1)
        keep &= ~furniture.still(luma, number / 10, found.boxes)
        rows = supervision.Detections(xyxy=found.boxes[keep], confidence=found.scores[keep])
        began_s = time.process_time()
        result = tracker.update(rows)
        spent_s += time.process_time() - began_s
        given = result.tracker_id >= 0
        followed.append((result.tracker_id[given], result.xyxy[given].astype(np.float32)))
    return followed, 1000 * spent_s / len(followed)


def main():
    if not os.environ.get("GT"):
        sys.exit("bench-track: name ground truth in MOT format by GT=FILE")
    done = passes.run(os.environ.get("PROFILE") or "fine")
    truth = Truth(os.environ["GT"], len(done.found))
    considered = Truth(os.environ["GT"], len(done.found), considered=True)
    common = {"frame_rate": 10.0, "track_activation_threshold": 0.5, "high_conf_det_threshold": 0.4}
    runs = {
        "ours": ours(done, 1), "ours, every 2nd": ours(done, 2), "ours, every 3rd": ours(done, 3),
        "ByteTrack": theirs(ByteTrackTracker(**common), done),
        "BoT-SORT": theirs(BoTSORTTracker(enable_cmc=False, **common), done),
        "C-BIoU": theirs(CBIoUTracker(**common), done),
    }
    scores = {name: tracking(truth, followed) for name, (followed, _) in runs.items()}
    rows = [("tracker", "MOTA", "IDF1", "switches", "recall", "precision", "ms")]
    rows += [(name, s["mota"], s["idf1"], s["switches"], s["recall"], s["precision"], runs[name][1])
             for name, s in scores.items()]
    mine, strict = scores["ours"], tracking(considered, runs["ours"][0])
    report("track", {"clip": done.clip.name, "truth": truth_name(), "profile": done.profile}, {
        "mota": mine["mota"], "idf1": mine["idf1"], "idf1_skip3": scores["ours, every 3rd"]["idf1"],
        "ms_per_frame": runs["ours"][1], "switches": mine["switches"],
        "mota_considered_only": strict["mota"], "idf1_considered_only": strict["idf1"],
        "mota_bytetrack": scores["ByteTrack"]["mota"], "idf1_bytetrack": scores["ByteTrack"]["idf1"]}, rows)


if __name__ == "__main__":
    main()
