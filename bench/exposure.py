"""People left open on untuned footage: `make bench-exposure STILL=DIR CLIP=FILE GT=FILE FRAMES=DIR`.

Each part is measured where its input is named; the keys of the others are kept from the last run.

    STILL   a folder with `photos/` and `masks/` (8-bit, n = person n). Each photograph is padded to multiples of 16 and
            played as a camera of 5 pictures a second, still, and swaying by 1 and by 3 pixels at 0.3 Hz with noise of
            σ 2. Open: less than 70 % of the head, the upper seventh of a person's pixels, is covered.
            `still_head_open_1s`, `_4s`, `_60s`: share of people open then; `sway1_…`, `sway3_…` at 1, 4 and 6 s;
            `still_area_…` the share of the picture that is masked (whole pictures included).
    CLIP    with GT (MOT): `NAME_exposed` people-pictures with less than 70 % of head and shoulders covered,
            `NAME_exposed_misses` and `_bursts` the same with every tenth person-picture lost, and with bursts of five
            pictures (a fifth lost in all): the mean of two runs, without the search for faces, as `bench.masking` does;
            `NAME_area`, `NAME_whole`, `NAME_true_area`, `NAME_ap`, `NAME_recall_mask` of what vision reports.
    FRAMES  a folder with `images/` and `labels/` (kind x y w h in shares), names beginning with the weather; each
            frame is played for 4 s. `night_NAME`: share of people who are met by a masked box (IoU 0.4), or whose
            frame is masked whole; `_whole` the share of frames that are.

Beside it, on the photographs: the detector alone at its main size (`still_open_detector`), which masks what it finds in
that very picture.
"""

import json
import os
from collections import defaultdict
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from bench.clips import clip_key, source
from bench.masking import BURST_PICTURES, Lossy, exposure, ground_truth, plans
from bench.report import RESULTS, report
from bench.truth import Truth, average_precision, recalled
from firmware.mask.background import Background
from firmware.mask.grid import MB, grow
from firmware.mask.plan import Planner
from firmware.mask.settings import MaskSettings
from firmware.vision.stage import VisionStage
from models import load
from models.config import ModelsConfig
from models.detections import ious
from models.detector import MASKING_THRESHOLD
from wire.features.vocabulary import ObjectClass

RATE = Fraction(5)
OPEN, HEAD = 0.70, 1 / 7
MET = 0.4
LOSS_SEEDS = (1, 2)


class Remembering:
    """The detector, which answers the same picture at the same size from memory: a still camera costs no more."""

    def __init__(self, detector):
        self._detector, self._known = detector, {}
        self.scales, self.network = detector.scales, detector.network

    def detect(self, rgb, threshold=MASKING_THRESHOLD, scale=0):
        key = scale, hash(rgb.tobytes())
        if key not in self._known:
            self._known[key] = self._detector.detect(rgb, 0.02, scale)
        found = self._known[key]
        return found.where(found.scores >= threshold)

    def region(self, *arguments):
        return self._detector.region(*arguments)


def padded(bgr):
    """I420 of a picture whose sides are padded to multiples of 16 by its edge."""
    height, width = bgr.shape[:2]
    return cv2.cvtColor(
        cv2.copyMakeBorder(bgr, 0, -height % MB, 0, -width % MB, cv2.BORDER_REPLICATE), cv2.COLOR_BGR2YUV_I420
    )


def swaying(i420, pixels, number, random):
    """The picture as a mast in the wind sees it."""
    if not pixels:
        return i420
    height = i420.shape[0] * 2 // 3
    bgr = cv2.cvtColor(i420, cv2.COLOR_YUV2BGR_I420)
    x = pixels * np.sin(2 * np.pi * 0.3 * number / float(RATE))
    moved = cv2.warpAffine(
        bgr, np.float32([[1, 0, x], [0, 1, 0]]), (bgr.shape[1], height), borderMode=cv2.BORDER_REPLICATE
    ).astype(np.float32)
    return cv2.cvtColor(
        np.clip(moved + random.normal(0, 2, moved.shape), 0, 255).astype(np.uint8), cv2.COLOR_BGR2YUV_I420
    )


def played(models, pictures, at):
    """{number: plan} of the wanted pictures of a camera that takes `pictures`, as the product draws them."""
    planner = background = eyes = None
    waiting, plans = [], {}
    for number, i420 in enumerate(pictures):
        if eyes is None:
            size = i420.shape[1], i420.shape[0] * 2 // 3
            planner, background, eyes = Planner(*size, MaskSettings()), Background(*size), VisionStage(models, RATE)
        pts_90k = round(number * 90_000 / RATE)
        planner.saw(eyes.detect(i420, pts_90k))
        waiting.append((number, pts_90k, background.update(i420, pts_90k)))
        while waiting and planner.ready(waiting[0][1]):
            done, pts, foreground = waiting.pop(0)
            plan = planner.plan(pts, foreground)
            if done in at:
                plans[done] = plan
    return plans


def heads(mask):
    """[(y indices, x indices)] of the upper seventh of each person's rows."""
    found = []
    for person in range(1, int(mask.max()) + 1):
        ys, xs = np.nonzero(mask == person)
        if len(ys):
            upper = ys < ys.min() + max((ys.max() + 1 - ys.min()) * HEAD, 1)
            found.append((ys[upper], xs[upper]))
    return found


def open_heads(plan, people):
    """How many of `people` are open under a plan."""
    fine = np.kron(plan.mask, np.ones((MB, MB), bool))
    return sum(float(fine[at].mean()) < OPEN for at in people)


def still(models, folder):
    """The figures of STILL."""
    opened, areas, total, alone = defaultdict(int), defaultdict(list), 0, 0
    looks = {("still", 0): (5, 20, 300), ("sway1", 1): (5, 20, 30), ("sway3", 3): (5, 20, 30)}
    wanted = os.environ.get("ONLY_STILL")
    for path in sorted((folder / "photos").glob("*")):
        mask = cv2.imread(str(folder / "masks" / f"{path.stem}_mask.png"), cv2.IMREAD_UNCHANGED)
        people, i420 = heads(mask if mask.ndim == 2 else mask[..., 0]), padded(cv2.imread(str(path)))
        total += len(people)
        seen = replace(models, detector=Remembering(models.detector))
        alone += open_heads(_Boxes(models.detector, i420), people)
        for (name, pixels), at in looks.items():
            if wanted and pixels:
                continue
            random = np.random.default_rng(7)
            pictures = (swaying(i420, pixels, n, random) for n in range(max(at) + 3))
            for number, plan in played(seen, pictures, set(at)).items():
                key = f"{name}_head_open_{number // 5}s"
                opened[key] += open_heads(plan, people)
                areas[f"{name}_area_{number // 5}s"].append(float(plan.mask.mean()))
    figures = {key: value / max(total, 1) for key, value in opened.items()}
    return (
        figures
        | {key: float(np.mean(value)) for key, value in areas.items()}
        | {"still_people": total, "still_open_detector": alone / max(total, 1)}
    )


class _Boxes:
    """What the detector alone would mask of one picture."""

    def __init__(self, detector, i420):
        rgb = cv2.cvtColor(i420, cv2.COLOR_YUV2RGB_I420)
        found = detector.detect(rgb, MASKING_THRESHOLD)
        self.mask = np.zeros((rgb.shape[0] // MB, rgb.shape[1] // MB), bool)
        for x0, y0, x1, y1 in grow(found.boxes[found.classes == ObjectClass.PERSON], MaskSettings().margin):
            self.mask[max(int(y0) // MB, 0) : int(y1) // MB + 1, max(int(x0) // MB, 0) : int(x1) // MB + 1] = True


def reported(sight):
    """(boxes, scores) of the people that vision reports, followed or not."""
    tracks = [t for t in sight.tracks if t.class_ is ObjectClass.PERSON]
    weak = sight.weak.where(sight.weak.classes == ObjectClass.PERSON)
    boxes = np.array([t.box for t in tracks], np.float32).reshape(-1, 4)
    return (
        np.concatenate([boxes, weak.boxes]),
        np.concatenate([np.array([t.score for t in tracks], np.float32), weak.scores]),
    )


def clip_figures(models, path, truth_path):
    """The figures of CLIP and GT."""
    clip = source(path)
    planner, background = Planner(clip.width, clip.height, MaskSettings()), Background(clip.width, clip.height)
    eyes, waiting, drawn, seen = VisionStage(models, clip.rate), [], [], {}
    for number, frame in enumerate(clip.frames()):
        sight = eyes.detect(frame.i420, frame.pts_90k)
        seen[number] = reported(sight)
        planner.saw(sight)
        waiting.append((number + 1, frame.pts_90k, background.update(frame.i420, frame.pts_90k)))
        while waiting and planner.ready(waiting[0][1]):
            done, pts_90k, foreground = waiting.pop(0)
            drawn.append((done, planner.plan(pts_90k, foreground)))
    truth = Truth(truth_path, len(seen))
    people = ground_truth(truth_path)
    exposed, frames, shown, _, whole, area = exposure(people, drawn)
    losses = {"misses": (0.1, 1), "bursts": (0.2, BURST_PICTURES)}
    lost = {
        key: [
            exposure(people, plans(path, replace(models, detector=detector), MaskSettings(), faces=0))[0]
            for detector in (Lossy(models.detector, people, share, pictures, seed) for seed in LOSS_SEEDS)
        ]
        for key, (share, pictures) in losses.items()
    }
    filled = []
    for boxes in truth.boxes:
        grid = np.zeros((clip.height, clip.width), bool)
        for x0, y0, x1, y1 in np.maximum(boxes, 0).astype(int):
            grid[y0:y1, x0:x1] = True
        filled.append(grid.mean())
    name = clip_key(path) or "demo"
    return {
        f"{name}_exposed": exposed,
        **{f"{name}_exposed_{key}": float(np.mean(runs)) for key, runs in lost.items()},
        f"{name}_person_frames": frames,
        f"{name}_people_exposed": len(shown),
        f"{name}_area": area,
        f"{name}_whole": whole,
        f"{name}_true_area": float(np.mean(filled)),
        f"{name}_ap": average_precision(truth, seen),
        f"{name}_recall_mask": float(
            np.concatenate([recalled(boxes, seen[n][0]) for n, boxes in enumerate(truth.boxes)]).mean()
        ),
    }


def frames_figures(models, folder):
    """The figures of FRAMES."""
    met, whole = defaultdict(list), defaultdict(list)
    for path in sorted((folder / "images").glob("*.jpg")):
        i420, weather = padded(cv2.imread(str(path))), path.stem.split("_")[0]
        height, width = i420.shape[0] * 2 // 3, i420.shape[1]
        eyes = VisionStage(replace(models, detector=Remembering(models.detector)), RATE)
        planner, background = Planner(width, height, MaskSettings()), Background(width, height)
        boxes = []
        for number in range(20):
            sight = eyes.detect(i420, round(number * 90_000 / RATE))
            planner.saw(sight)
            foreground = background.update(i420, sight.pts_90k)
            boxes += list(reported(sight)[0]) if number >= 12 else []
        plan = planner.plan(round(18 * 90_000 / RATE), foreground)
        whole[weather].append(plan.full)
        for line in (folder / "labels" / f"{path.stem}.txt").read_text().splitlines():
            kind, *numbers = line.split()
            if kind == "other":
                continue
            x, y, w, h = (float(n) for n in numbers)
            shown = cv2.imread(str(path)).shape
            box = np.array(
                [[(x - w / 2) * shown[1], (y - h / 2) * shown[0], (x + w / 2) * shown[1], (y + h / 2) * shown[0]]],
                np.float32,
            )
            found = np.array(boxes, np.float32).reshape(-1, 4)
            hit = bool(plan.full or (ious(box, found) >= MET).any())
            met["lying" if kind == "lying" else weather].append(hit)
    return {f"night_{key}": float(np.mean(value)) for key, value in met.items()} | {
        f"night_{key}_whole": float(np.mean(value)) for key, value in whole.items()
    }


def main():
    models = load(ModelsConfig())
    kept = RESULTS / "exposure.json"
    figures = json.loads(kept.read_text())["figures"] if kept.exists() else {}
    inputs = {"precision": models.detector.network, "settings": str(MaskSettings())}
    if where := os.environ.get("STILL"):
        figures |= still(models, Path(where))
    if (where := os.environ.get("CLIP")) and (truth := os.environ.get("GT")):
        figures |= clip_figures(models, Path(where), Path(truth))
    if where := os.environ.get("FRAMES"):
        figures |= frames_figures(models, Path(where))
    report("exposure", inputs, figures, [("key", "figure"), *sorted(figures.items())])


if __name__ == "__main__":
    main()
