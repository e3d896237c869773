"""What eight bits cost and buy: `make bench-int8 [GT=FILE CLIP=FILE DATA=FOLDER]`.

Every network of the registry as static per-channel INT8 (QDQ), calibrated on every 40th picture of the clip (crops of
it for the appearance network), against itself in float32 on other pictures, in the same run, alternating.

    cosine    of the outputs that are used, the least over outputs; mean over pictures
    map_loss  points of mAP lost. Detector: AP on every 16th picture when GT= is given. Appearance: retrieval on the
              validation ids when DATA= is given, worst of INT8 against INT8 and INT8 queries against float codes
    selftest_score_*  the detector's score of the near person of the self-test picture, which must reach 0.6: a
              network in eight bits that was calibrated on another kind of scene does not, and so would not start
    speedup   median time of float32 over that of INT8, one thread, CPU time of the process

Weights travel as float16 already and are widened at load (onnxruntime's CPU provider has no float16 convolutions).
Raspberry Pi and Jetson: not run here.
"""

import os
import time
from pathlib import Path

import cv2
import numpy as np

from bench import passes
from bench.report import report
from bench.truth import Truth, average_precision, truth_name
from models import selftest
from models.appearance_net import fitted
from models.config import ModelsConfig
from models.convert.quantise import int8
from models.detector import Detector, letterbox
from models.faces import _head_window
from models.registry import Registry
from models.runtime import Session
from models.train import market
from wire.features.vocabulary import ObjectClass

CALIBRATE_EVERY, TEST_EVERY, OFFSET = 40, 16, 7
ROUNDS = 15
USED = {"nanodet": ("scores8", "sides8", "sides16", "stage8"), "centerface": ("heat", "size"), "market64": ("code",)}


def sampled(every, offset=0):
    return {n: rgb for n, rgb in enumerate(passes.pictures(passes.clip_path(), "rgb24")) if n % every == offset}


def crops(pictures, done):
    """The strongest people of each picture, cut out."""
    for number, rgb in pictures.items():
        found = done.found[number]
        for box in found.boxes[(found.classes == ObjectClass.PERSON) & (found.scores > 0.5)][:6]:
            yield rgb, box


def varied(pictures):
    """The pictures, and windows of them under other light: one street alone leaves the scales blind to near people."""
    random, found = np.random.default_rng(1), {}
    for number, rgb in pictures.items():
        found[number] = rgb
        for zoom in (2, 4):
            height, width = rgb.shape[0] // zoom, rgb.shape[1] // zoom
            y, x = random.integers(rgb.shape[0] - height), random.integers(rgb.shape[1] - width)
            window = rgb[y:y + height, x:x + width] / 255
            found[number + zoom / 10] = (255 * window ** random.uniform(0.5, 2)).astype(np.uint8)
    return found


def inputs(name, session, pictures, done):
    """What the network eats, from `pictures`."""
    if name == "nanodet":
        return [session.normalised(letterbox(rgb, 416)[0]) for rgb in pictures.values()]
    if name == "centerface":
        windows = [(rgb, _head_window(box, rgb.shape[1], rgb.shape[0])) for rgb, box in crops(pictures, done)]
        return [session.normalised(cv2.resize(rgb[w[1]:w[3], w[0]:w[2]], (128, 128))) for rgb, w in windows if w]
    cut = [rgb[int(b[1]):int(b[3]), int(b[0]):int(b[2])] for rgb, b in crops(pictures, done)]
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
        detector, found = Detector(session), {}
        for number, rgb in pictures.items():
            seen = detector.detect(rgb, passes.LOWEST)
            people = seen.classes == ObjectClass.PERSON
            found[number] = seen.boxes[people], seen.scores[people]
        scores.append(100 * average_precision(truth, found))
    return scores[0] - scores[1]


def appearance_loss(full, small):
    """mAP points lost on the validation ids; the worse of INT8 on both sides and INT8 queries against float codes."""
    folder = Path(os.environ["DATA"])
    held = market.load(folder).of(market.split(folder)[1])
    query, codes = market.queries(held), []
    for session in (full, small):
        rows = [session.run(session.normalised(held.rgb[i:i + 64]), ("code",))[0] for i in range(0, len(held.rgb), 64)]
        found = np.concatenate(rows)
        codes.append(found / np.linalg.norm(found, axis=1, keepdims=True))
    before = market.score(codes[0][query] @ codes[0].T, held, query).map
    return before - min(market.score(codes[1][query] @ other.T, held, query).map for other in codes)


def main():
    registry, config, done = Registry.read(), ModelsConfig(), passes.run("fine")
    calibration, tests = sampled(CALIBRATE_EVERY), sampled(TEST_EVERY, OFFSET)
    rows, figures = [("network", "bytes", "INT8 bytes", "cosine", "mAP lost", "ms", "INT8 ms", "speed-up")], {}
    for name in USED:
        entry, weights = registry.entry(name), registry.weights(name)
        full = Session(entry, weights, config)
        pictures = varied(calibration) if name == "nanodet" else calibration
        blob = int8(entry, weights, inputs(name, full, pictures, done))
        small = Session(entry, blob, config)
        images = inputs(name, full, tests, done)[:120]
        alike, (before, after) = cosine(name, full, small, images), speed(name, full, small, images[0])
        loss = None
        if name == "nanodet" and os.environ.get("GT"):
            loss = detector_loss(full, small, tests)
        if name == "market64" and os.environ.get("DATA"):
            loss = appearance_loss(full, small)
        shown = "-" if loss is None else loss
        rows.append((name, len(weights), len(blob), alike, shown, before, after, before / after))
        if name == "nanodet":
            figures["selftest_score_float"], figures["selftest_score_int8"] = (
                float(Detector(session).detect(selftest.picture(), 0.05).scores[0]) for session in (full, small))
        figures |= {f"cosine_{name}": alike, f"speedup_{name}": before / after}
        if loss is not None:
            figures[f"map_loss_{name}"] = loss
    losses = [figures[key] for key in figures if key.startswith("map_loss_")]
    figures |= {"map_loss": max(losses, default=None), "cosine": min(figures[f"cosine_{name}"] for name in USED),
                "speedup": figures["speedup_nanodet"]}
    inputs_of_run = {"clip": done.clip.name, "truth": truth_name(), "calibration": sorted(calibration)}
    report("int8", inputs_of_run, figures, rows)


if __name__ == "__main__":
    main()
