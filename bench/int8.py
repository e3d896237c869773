"""What eight bits cost and buy: `make bench-int8 [GT=FILE CLIP=FILE DATA=FOLDER]`.

Every network of the registry as static per-channel INT8 (QDQ), calibrated on every 40th picture of the clip, on windows
of it and on people close up (`models/convert/calibration.py`; crops for the other networks), against itself in float32
on other pictures, in the same run, alternating. The detector in eight bits is the file that is shipped.

    cosine    of the outputs that are used, the least over outputs; mean over pictures
    map_loss  points of mAP lost. Detector: AP on every 16th picture when GT= is given. Appearance: retrieval on the
              validation ids when DATA= is given, worst of INT8 against INT8 and INT8 queries against float codes
    selftest_score_*  the detector's score of the near person of the self-test picture (not among what it was
              calibrated on), which must reach 0.6 or the network does not start
    speedup   median time of float32 over that of INT8, one thread, CPU time of the process
    map_cross appearance: INT8 queries against float codes, and float against INT8

FP16: weights travel as float16 and are widened at load, bit-exact; onnxruntime's CPU provider has no float16
convolutions, so it buys size here and time only on TensorRT. The last rows say for each target what was run.
"""

import os
import time
from pathlib import Path

import cv2
import numpy as np

from bench import passes
from bench.clips import clip_path
from bench.report import report
from bench.truth import Truth, average_precision, truth_name
from models import selftest
from models.appearance_net import fitted
from models.config import ModelsConfig
from models.convert.quantise import KEPT_FIRST, int8
from models.detector import letterbox
from models.faces import _head_window
from models.nanodet import NanoDet
from models.registry import ModelRegistry
from models.runtime import InferenceSession
from models.train import market
from wire.features.vocabulary import ObjectClass

CALIBRATE_EVERY, TEST_EVERY, OFFSET = 40, 16, 7
ROUNDS = 15
USED = {
    "nanodet": ("scores8", "scores16", "scores32", "sides8", "sides16", "sides32"),
    "centerface": ("heat", "size", "offset"),
    "market64": ("code",),
}
TARGETS = (
    "Raspberry Pi 4 (Cortex-A72, no dot product)",
    "Raspberry Pi 5 (Cortex-A76, dot product)",
    "Jetson (TensorRT, FP16)",
)


def sampled(every, offset=0):
    return {n: rgb for n, rgb in enumerate(passes.pictures(clip_path(), "rgb24")) if n % every == offset}


def crops(pictures, done):
    """The strongest people of each picture, cut out."""
    for number, rgb in pictures.items():
        found = done.found[number]
        for box in found.boxes[(found.classes == ObjectClass.PERSON) & (found.scores > 0.5)][:6]:
            yield rgb, box


def inputs(name, session, pictures, done):
    """What the network eats, from `pictures`."""
    if name == "nanodet":
        return [session.normalised(letterbox(rgb, 416)[0]) for rgb in pictures.values()]
    if name == "centerface":
        windows = [(rgb, _head_window(box, rgb.shape[1], rgb.shape[0])) for rgb, box in crops(pictures, done)]
        return [session.normalised(cv2.resize(rgb[w[1] : w[3], w[0] : w[2]], (128, 128))) for rgb, w in windows if w]
    cut = [rgb[int(b[1]) : int(b[3]), int(b[0]) : int(b[2])] for rgb, b in crops(pictures, done)]
    return [session.normalised(fitted(crop)) for crop in cut if min(crop.shape[:2]) >= 8]


def cosine(name, full, small, images):
    """Per output the mean cosine over images; the least of them."""
    sums = np.zeros(len(USED[name]))
    for image in images:
        for i, (a, b) in enumerate(zip(full.run(image, USED[name]), small.run(image, USED[name]), strict=True)):
            sums[i] += float(np.vdot(a, b) / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-12))
    return float((sums / len(images)).min())


def speed(name, full, small, image):
    """Median CPU milliseconds of both, measured in turn."""
    spent = {full: [], small: []}
    for _ in range(ROUNDS):
        for session in (full, small):
            began_s = time.process_time()
            session.run(image, USED[name])
            spent[session].append(time.process_time() - began_s)
    return [1000 * float(np.median(spent[session])) for session in (full, small)]


def detector_loss(full, small, pictures):
    """AP points lost on `pictures`."""
    truth = Truth(os.environ["GT"], max(pictures) + 1)
    scores = []
    for session in (full, small):
        detector, found = NanoDet(session), {}
        for number, rgb in pictures.items():
            seen = detector.detect(rgb, passes.LOWEST)
            people = seen.classes == ObjectClass.PERSON
            found[number] = seen.boxes[people], seen.scores[people]
        scores.append(100 * average_precision(truth, found))
    return scores[0] - scores[1]


def appearance_loss(full, small):
    """mAP points lost on the validation ids: the worst of all pairings, and the worse of the two mixed ones."""
    folder = Path(os.environ["DATA"])
    held = market.load(folder).of(market.split(folder)[1])
    query, codes = market.queries(held), []
    for session in (full, small):
        rows = [
            session.run(session.normalised(held.rgb[i : i + 64]), ("code",))[0] for i in range(0, len(held.rgb), 64)
        ]
        found = np.concatenate(rows)
        codes.append(found / np.linalg.norm(found, axis=1, keepdims=True))
    score = {(a, b): market.score(codes[a][query] @ codes[b].T, held, query).map for a in (0, 1) for b in (0, 1)}
    return score[0, 0] - min(score.values()), score[0, 0] - min(score[0, 1], score[1, 0])


def main():
    registry, config, done = ModelRegistry.read(), ModelsConfig(), passes.run("fine")
    calibration, tests = sampled(CALIBRATE_EVERY), sampled(TEST_EVERY, OFFSET)
    rows, figures = [("network", "bytes", "INT8 bytes", "cosine", "mAP lost", "ms", "INT8 ms", "speed-up")], {}
    for name in USED:
        entry, weights = registry.entry(name), registry.weights(name)
        full = InferenceSession(entry, weights, config)
        if name == "nanodet":
            blob = registry.weights("nanodet-int8")
        else:
            blob = int8(entry, weights, inputs(name, full, calibration, done), keep_first=KEPT_FIRST.get(name, 0))
        small = InferenceSession(entry, blob, config)
        images = inputs(name, full, tests, done)[:120]
        alike, (before, after) = cosine(name, full, small, images), speed(name, full, small, images[0])
        loss = None
        if name == "nanodet" and os.environ.get("GT"):
            loss = detector_loss(full, small, tests)
        if name == "market64" and os.environ.get("DATA"):
            loss, figures["map_cross_market64"] = appearance_loss(full, small)
        shown = "-" if loss is None else loss
        rows.append((name, len(weights), len(blob), alike, shown, before, after, before / after))
        if name == "nanodet":
            figures["selftest_score_float"], figures["selftest_score_int8"] = (
                float(NanoDet(session).detect(selftest.picture(), 0.05).scores[0]) for session in (full, small)
            )
        figures |= {f"cosine_{name}": alike, f"speedup_{name}": before / after}
        if loss is not None:
            figures[f"map_loss_{name}"] = loss
    rows += [(target, "not run") for target in TARGETS]
    losses = [figures[key] for key in figures if key.startswith("map_loss_")]
    figures |= {
        "map_loss": max(losses, default=None),
        "cosine": min(figures[f"cosine_{name}"] for name in USED),
        "speedup": figures["speedup_nanodet"],
    }
    inputs_of_run = {"clip": done.clip.name, "truth": truth_name(), "calibration": sorted(calibration)}
    report("int8", inputs_of_run, figures, rows)


if __name__ == "__main__":
    main()
