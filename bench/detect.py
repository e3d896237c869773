"""How well people are found: `make bench-detect GT=FILE [CLIP=FILE] [PROFILE=fine PRECISION=float]`.

Our detector in its profile, with the rest of vision behind it, beside plain NanoDet (416, no merging of boxes, no
filter of what stands still) on every fourth picture and OpenCV's HOG people detector on every 32nd (`bench/hog.py`).
CPU time is the process's own, one thread, network and decoding of its outputs. The masks are those of the camera: what
is tracked, seen or predicted, what is found from 0.2 on, and what is found from 0.05 on beside somebody who is tracked.

    ap           average precision at IoU 0.5; what stands still where nothing changes does not count as an object
    recall_mask  share of true boxes that a masked box meets at IoU 0.5
    recall_detector  the same for the detector's boxes alone, from 0.2 on: no tracking, no fainter boxes
    coverage     share of true boxes of which one masked box covers at least half; a mask needs no more
    masked_area  share of the picture that those boxes fill, beside the share that the true boxes fill
    false_area   share of the picture that they fill and no true box does
"""

import dataclasses
import os
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np

from bench import hog, passes
from bench.report import report
from bench.truth import Truth, average_precision, covered, recalled, truth_name
from firmware.vision import Eyes, VisionSettings
from firmware.vision.furniture import Furniture
from models import load
from models.config import ModelsConfig
from models.detections import Detections, suppressed
from models.detector import BESIDE_TRACK_THRESHOLD, MASKING_THRESHOLD, Detector
from models.runtime import Session
from wire.features.vocabulary import ObjectClass

PLAIN_EVERY, HOG_EVERY = 4, 32
RATE = Fraction(10)
ONE_GROUP = np.zeros(6, np.uint8)
HOG_IOU = 0.4


def people(found):
    keep = found.classes == ObjectClass.PERSON
    return found.boxes[keep], found.scores[keep]


def hog_people(clip):
    """Picture → (boxes, scores) and CPU milliseconds; None where there is no OpenCV 4."""
    with tempfile.TemporaryDirectory() as scratch:
        looked = hog.run(clip, HOG_EVERY, Path(scratch) / "hog.npz")
    if looked is None:
        return None, None
    found, ms = looked
    kept = {n: suppressed(Detections(boxes, scores, np.zeros(len(scores), np.uint8)), HOG_IOU, ONE_GROUP)
            for n, (boxes, scores) in found.items()}
    return {n: (each.boxes, each.scores) for n, each in kept.items()}, ms


def timed(detect, clip, every):
    """Picture → (boxes, scores) on every n-th picture, and CPU milliseconds per picture."""
    found, spent_s = {}, 0.0
    for number, rgb in enumerate(passes.pictures(clip, "rgb24")):
        if number % every == 0:
            began_s = time.process_time()
            found[number] = detect(rgb)
            spent_s += time.process_time() - began_s
    return found, 1000 * spent_s / len(found)


def filled(boxes, shape):
    area = np.zeros(shape, bool)
    for x0, y0, x1, y1 in np.maximum(boxes, 0).astype(int):
        area[y0:y1, x0:x1] = True
    return area


def main():
    if not os.environ.get("GT"):
        sys.exit("bench-detect: name ground truth in MOT format by GT=FILE")
    profile, precision = os.environ.get("PROFILE") or "fine", os.environ.get("PRECISION") or "float"
    done = passes.run(profile, precision)
    truth = Truth(os.environ["GT"], len(done.found))
    settings = VisionSettings(faces_per_picture=0)
    eyes = Eyes(dataclasses.replace(load(ModelsConfig()), detector=passes.Replayed(done)), RATE, settings)
    furniture, objects, met, bare, half, areas = Furniture(), {}, [], [], [], []
    for number, i420 in enumerate(passes.pictures(done.clip)):
        sight = eyes.look(i420, number * 9000)
        found = done.found[number]
        luma = i420[: i420.shape[0] * 2 // 3]
        objects[number] = people(found.where(~furniture.still(luma, number / 10, found.boxes)))
        tracked = [t.box for t in sight.tracks if t.class_ is ObjectClass.PERSON]
        masked = np.concatenate([np.array(tracked, np.float32).reshape(-1, 4), people(sight.weak)[0]])
        met.append(recalled(truth.boxes[number], masked))
        bare.append(recalled(truth.boxes[number], people(found.where(found.scores >= MASKING_THRESHOLD))[0]))
        half.append(covered(truth.boxes[number], masked))
        if number % 8 == 0:
            mask, true = filled(masked, luma.shape), filled(truth.boxes[number], luma.shape)
            areas.append((mask.mean(), true.mean(), (mask & ~true).mean()))
    # Plain: the published network, whatever precision ours is in.
    plain = Detector(Session.load("nanodet", ModelsConfig()), merge=False)
    plain_found, plain_ms = timed(lambda rgb: people(plain.detect(rgb, passes.LOWEST)), done.clip, PLAIN_EVERY)
    raw = {number: people(found) for number, found in enumerate(done.found)}
    ap = average_precision(truth, objects)
    rows = [("detector", "pictures", "AP", "CPU ms"),
            (f"ours, {profile}", len(objects), ap, done.cpu_ms),
            (f"ours, {profile}, furniture counted", len(raw), average_precision(truth, raw), done.cpu_ms),
            ("plain NanoDet 416", len(plain_found), average_precision(truth, plain_found), plain_ms)]
    hog_found, hog_ms = hog_people(done.clip)
    hog_ap = None if hog_found is None else average_precision(truth, hog_found)
    if hog_found is not None:
        rows.append(("OpenCV HOG", len(hog_found), hog_ap, hog_ms))
    masked_area, true_area, false_area = np.mean(areas, axis=0)
    inputs = {"clip": done.clip.name, "truth": truth_name(), "profile": profile, "precision": precision,
              "masked_from": MASKING_THRESHOLD, "masked_beside_tracks_from": BESIDE_TRACK_THRESHOLD,
              "pictures": len(objects)}
    report("detect", inputs, {
        "ap": ap, "recall_mask": float(np.concatenate(met).mean()), "coverage": float(np.concatenate(half).mean()),
        "recall_detector": float(np.concatenate(bare).mean()),
        "ap_plain": rows[3][2], "ap_hog": hog_ap, "cpu_ms": done.cpu_ms, "cpu_ms_plain": plain_ms,
        "cpu_ms_hog": hog_ms, "masked_area": float(masked_area), "true_area": float(true_area),
        "false_area": float(false_area)}, rows)


if __name__ == "__main__":
    main()
