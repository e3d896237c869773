"""How well people are found: `make bench-detect GT=FILE [CLIP=FILE] [PROFILE=fine]`.

Our detector in its profile, with the rest of vision behind it, beside plain NanoDet (416, no merging of boxes, no
filter of what stands still) on every fourth picture and OpenCV's HOG people detector on every 32nd (`bench/hog.py`).
CPU time is the process's own, one thread, network and decoding of its outputs. The masks are those of the camera: what
is tracked, seen or predicted, what is found from 0.2 on, and what is found from 0.05 on beside a person who is tracked.
That is what vision hands to the mask plan; what the plan adds in time, and leaves out where the scene is as it always
was, is measured by `python -m bench.masking`.

Keys without ending are of the network in float, `_int8` of the one in eight bits, which "auto" takes where it is
quicker.

    ap           average precision at IoU 0.5; what stands still where nothing changes does not count as an object
    recall_mask  share of true boxes that a masked box meets at IoU 0.5
    recall_detector  the same for the detector's boxes alone, from 0.2 on: no tracking, no fainter boxes
    coverage     share of true boxes of which one masked box covers at least half; a mask needs no more
    *_small, *_smallest, *_low_power  the profiles for slow machines, in float
    masked_area  share of the picture that those boxes fill, beside the share that the true boxes fill
    false_area   share of the picture that they fill and no true box does
"""

import dataclasses
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from bench import hog, passes
from bench.clips import clip_key
from bench.report import report
from bench.truth import Truth, average_precision, covered, recalled, truth_name
from firmware.capture.frame import CLOCK_90K
from firmware.vision import VisionSettings, VisionStage
from firmware.vision.static_objects import StaticObjects
from models import load
from models.config import ModelsConfig
from models.detections import Detections, suppressed
from models.detector import BESIDE_TRACK_THRESHOLD, MASKING_THRESHOLD
from models.nanodet import NanoDet
from models.runtime import InferenceSession
from wire.features.vocabulary import ObjectClass

OTHERS = ("small", "smallest", "low_power")
PLAIN_EVERY, HOG_EVERY = 4, 32
ONE_GROUP = np.zeros(6, np.uint8)
HOG_IOU = 0.4


def people(found):
    keep = found.classes == ObjectClass.PERSON
    return found.boxes[keep], found.scores[keep]


def hog_people(clip):
    """Picture → (boxes, scores) and CPU milliseconds; None where there is no OpenCV 4."""
    with tempfile.TemporaryDirectory() as scratch:
        detections = hog.run(clip, HOG_EVERY, Path(scratch) / "hog.npz")
    if detections is None:
        return None, None
    found, ms = detections
    kept = {
        n: suppressed(Detections(boxes, scores, np.zeros(len(scores), np.uint8)), HOG_IOU, ONE_GROUP)
        for n, (boxes, scores) in found.items()
    }
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


def judged(done, truth):
    """Key → figure of one pass of the detector, with the rest of vision behind it."""
    settings = VisionSettings(faces_per_picture=0)
    eyes = VisionStage(dataclasses.replace(load(ModelsConfig()), detector=passes.Replayed(done)), done.rate, settings)
    furniture, objects, met, bare, half, areas = StaticObjects(), {}, [], [], [], []
    for number, i420 in enumerate(passes.pictures(done.clip)):
        sight = eyes.detect(i420, done.pts_90k(number))
        found = done.found[number]
        luma = i420[: i420.shape[0] * 2 // 3]
        objects[number] = people(found.where(~furniture.still(luma, done.pts_90k(number) / CLOCK_90K, found.boxes)))
        tracked = [t.box for t in sight.tracks if t.class_ is ObjectClass.PERSON]
        masked = np.concatenate([np.array(tracked, np.float32).reshape(-1, 4), people(sight.weak)[0]])
        met.append(recalled(truth.boxes[number], masked))
        bare.append(recalled(truth.boxes[number], people(found.where(found.scores >= MASKING_THRESHOLD))[0]))
        half.append(covered(truth.boxes[number], masked))
        if number % 8 == 0:
            mask, true = filled(masked, luma.shape), filled(truth.boxes[number], luma.shape)
            areas.append((mask.mean(), true.mean(), (mask & ~true).mean()))
    masked_area, true_area, false_area = np.mean(areas, axis=0).tolist()
    return {
        "ap": average_precision(truth, objects),
        "recall_mask": float(np.concatenate(met).mean()),
        "coverage": float(np.concatenate(half).mean()),
        "recall_detector": float(np.concatenate(bare).mean()),
        "cpu_ms": done.cpu_ms,
        "masked_area": masked_area,
        "true_area": true_area,
        "false_area": false_area,
    }


def main():
    if not os.environ.get("GT"):
        sys.exit("bench-detect: name ground truth in MOT format by GT=FILE")
    profile = os.environ.get("PROFILE") or "fine"
    exact, small = (passes.run(profile, precision) for precision in ("float", "int8"))
    truth = Truth(os.environ["GT"], len(exact.found))
    ours, ours8 = judged(exact, truth), judged(small, truth)
    plain = NanoDet(InferenceSession.load("nanodet", ModelsConfig()), merge=False)
    plain_found, plain_ms = timed(lambda rgb: people(plain.detect(rgb, passes.LOWEST)), exact.clip, PLAIN_EVERY)
    plain_ap = average_precision(truth, plain_found)
    every_ap = average_precision(truth, {number: people(found) for number, found in enumerate(exact.found)})
    others = {name: judged(passes.run(name), truth) for name in OTHERS}
    pictures = len(exact.found)
    rows = [("detector", "pictures", "AP", "masks meet", "masks cover", "CPU ms")]
    rows += [
        (f"ours, {profile}, {name}", pictures, each["ap"], each["recall_mask"], each["coverage"], each["cpu_ms"])
        for name, each in (("float", ours), ("eight bits", ours8))
    ]
    rows += [
        (f"ours, {name}, float", pictures, each["ap"], each["recall_mask"], each["coverage"], each["cpu_ms"])
        for name, each in others.items()
    ]
    rows += [
        (f"ours, {profile}, float, furniture counted", pictures, every_ap, "", "", ours["cpu_ms"]),
        ("plain NanoDet 416", len(plain_found), plain_ap, "", "", plain_ms),
    ]
    hog_found, hog_ms = hog_people(exact.clip)
    hog_ap = None if hog_found is None else average_precision(truth, hog_found)
    if hog_found is not None:
        rows.append(("OpenCV HOG", len(hog_found), hog_ap, "", "", hog_ms))
    inputs = {
        "clip": exact.clip.name,
        "truth": truth_name(),
        "profile": profile,
        "precision": "float",
        "masked_from": MASKING_THRESHOLD,
        "masked_beside_tracks_from": BESIDE_TRACK_THRESHOLD,
        "pictures": pictures,
    }
    eight = {f"{key}_int8": ours8[key] for key in ("ap", "recall_mask", "coverage", "cpu_ms", "false_area")}
    coarse = {
        f"{key}_{name}": each[key]
        for name, each in others.items()
        for key in ("ap", "recall_mask", "coverage", "cpu_ms", "masked_area")
    }
    report(
        "detect",
        inputs,
        ours
        | eight
        | coarse
        | {"ap_plain": plain_ap, "ap_hog": hog_ap, "cpu_ms_plain": plain_ms, "cpu_ms_hog": hog_ms},
        rows,
        clip=clip_key(exact.clip),
    )


if __name__ == "__main__":
    main()
