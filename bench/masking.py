"""How much of a person is ever shown: `make bench-masking GT=FILE [CLIP=FILE] [EMPTY=FILE]`.

The whole way of a picture in the camera, with its own detector and tracker, as fast as the machine goes: vision, the
memory of the scene, mask plan, and the plan's macroblocks against ground truth (MOT format: frame, id, x, y, w, h, …).
A person-frame counts as exposed when less than 70 % of the head and shoulders (the upper third of the true box) is
masked. Pictures that are masked whole are counted apart and do not make the share better: they are left out.

The same is repeated with injected failures of the detector, several times with other random numbers, and the mean is
given beside the worst run: every tenth person-frame lost, and bursts in which a person is lost for five pictures (20 %
of person-frames lost in total). The people lost are drawn from the ground truth, and every detection on them is taken
away, however faint; faces are not sought in these runs, so that nothing else finds them.

`strict_*` runs with `strict = true`; `net_alone_*` has no detector at all, which leaves the memory of the scene alone
(there a person who stands still for a minute cannot be seen). EMPTY names a clip without people: what is masked there
is masked for nothing (`false_area`, `false_area_strict`). ONLY=strict,net_alone measures some runs again and keeps the
figures of the others.
"""

import json
import os
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from bench import passes
from bench.clips import clip_key, clip_path, source
from bench.report import RESULTS, report
from firmware.mask.background import Background
from firmware.mask.grid import MB
from firmware.mask.plan import Planner
from firmware.mask.settings import MaskSettings
from firmware.vision.settings import VisionSettings
from firmware.vision.stage import VisionStage
from models import load
from models.config import ModelsConfig
from models.detections import Detections

HEAD_AND_SHOULDERS = 1 / 3
COVERED = 0.70
BURST_PICTURES = 5
SEEDS = range(1, 6)


def ground_truth(path):
    """frame number from 1 -> [(id, x0, y0, x1, y1)]; rows that are marked as ignored are left out."""
    people = defaultdict(list)
    for line in Path(path).read_text().splitlines():
        values = [float(value) for value in line.split(",")]
        if len(values) > 6 and values[6] == 0:
            continue
        number, person, x, y, w, h = values[:6]
        people[int(number)].append((int(person), x, y, x + w, y + h))
    return people


class Lossy:
    """A detector that loses people.

    Args:
        detector: says what was found; called once per picture, in order.
        people: the ground truth.
        share: of person-frames that are lost.
        pictures: how long a person stays lost each time.
    """

    def __init__(self, detector, people, share=0.0, pictures=1, seed=1):
        self._detector, self._number = detector, 0
        self._lost = _losses(people, share, pictures, np.random.default_rng(seed))
        self.scales = detector.scales

    def detect(self, rgb, threshold, scale=0):
        found = self._detector.detect(rgb, threshold, scale)
        self._number += 1
        lost = np.array(self._lost[self._number]).reshape(-1, 4)
        margin = (lost[:, 2:] - lost[:, :2]) * 0.1
        centres = ((found.boxes[:, :2] + found.boxes[:, 2:]) / 2)[:, None]
        on_lost = ((centres > lost[:, :2] - margin) & (centres < lost[:, 2:] + margin)).all(axis=2).any(axis=1)
        return found.where(~on_lost)


def _losses(people, share, pictures, random):
    """picture number -> boxes of the people who are lost in it."""
    lost, left = defaultdict(list), defaultdict(int)
    # A person who is found is lost next with this probability, so that the whole comes to `share`.
    begins = share / (pictures * (1 - share) + share * (pictures == 1))
    for number in sorted(people):
        for person, *box in people[number]:
            if not left[person] and random.random() < begins:
                left[person] = pictures
            if left[person]:
                left[person] -= 1
                lost[number].append(box)
    return lost


class Blind:
    """A detector that finds nothing."""

    scales = 1

    def detect(self, _rgb, _threshold, _scale=0):
        return Detections.none()


def plans(path, models, settings, *, detect_every=1, faces=2):
    """(picture number from 1, plan) for every picture of the clip, as the camera would draw them."""
    clip = source(path)
    planner, background = Planner(clip.width, clip.height, settings), Background(clip.width, clip.height)
    eyes = VisionStage(models, clip.rate, VisionSettings(detect_every=detect_every, faces_per_picture=faces))
    waiting = []
    for number, frame in enumerate(clip.frames(), 1):
        planner.saw(eyes.detect(frame.i420, frame.pts_90k))
        waiting.append((number, frame.pts_90k, background.update(frame.i420, frame.pts_90k)))
        while waiting and planner.ready(waiting[0][1]):
            done, pts_90k, foreground = waiting.pop(0)
            yield done, planner.plan(pts_90k, foreground)


def exposure(people, drawn):
    """(exposed person-frames, person-frames, ids exposed, ids, share masked whole, mean mask area)."""
    exposed, total, whole, pictures, share = 0, 0, 0, 0, []
    shown, seen = set(), set()
    for number, plan in drawn:
        pictures += 1
        if plan.full:
            whole += 1
            continue
        share.append(plan.mask.mean())
        fine = cv2.resize(plan.mask.astype(np.uint8), None, fx=MB, fy=MB, interpolation=cv2.INTER_NEAREST)
        height, width = fine.shape
        for person, x0, y0, x1, y1 in people.get(number, ()):
            bottom = y0 + (y1 - y0) * HEAD_AND_SHOULDERS
            left, right = max(0, round(x0)), min(width, round(x1))
            top, low = max(0, round(y0)), min(height, round(bottom))
            if right - left < 2 or low - top < 2:
                continue
            total += 1
            seen.add(person)
            if fine[top:low, left:right].mean() < COVERED:
                exposed += 1
                shown.add(person)
    return exposed, total, shown, seen, whole / max(pictures, 1), float(np.mean(share))


def false_area(path, models, settings):
    """Mean share of the picture that is masked where no person is."""
    return float(np.mean([plan.mask.mean() for _, plan in plans(path, models, settings) if not plan.full]))


def main():
    truth, clip = os.environ.get("GT"), clip_path()
    if not truth:
        sys.exit("bench-masking wants GT=FILE, ground truth in MOT format for the clip")
    people = ground_truth(truth)
    models, done = load(ModelsConfig()), passes.run(ModelsConfig().profile)
    settings = MaskSettings()
    strict = replace(settings, strict=True)
    runs = {
        "": [(passes.Replayed(done), settings, 2)],
        "_10pct": [(Lossy(passes.Replayed(done), people, 0.10, 1, seed), settings, 0) for seed in SEEDS],
        "_bursts": [(Lossy(passes.Replayed(done), people, 0.20, BURST_PICTURES, seed), settings, 0) for seed in SEEDS],
        "_strict": [(passes.Replayed(done), strict, 2)],
        "_strict_bursts": [(Lossy(passes.Replayed(done), people, 0.20, BURST_PICTURES, 1), strict, 0)],
        "_net_alone": [(Blind(), strict, 0)],
    }
    rows = [("run", "person-frames", "exposed", "share", "worst run", "people exposed", "masked whole", "mask area")]
    figures = {}
    only = set(filter(None, os.environ.get("ONLY", "").split(",")))
    if only:
        known = json.loads((RESULTS / "masking.json").read_text())
        figures = known.get(clip_key(clip), known)["figures"]
    for key, variants in runs.items():
        if only and key.removeprefix("_") not in only:
            continue
        measured = [
            exposure(people, plans(clip, replace(models, detector=detector), way, faces=faces))
            for detector, way, faces in variants
        ]
        exposed, total = (sum(run[i] for run in measured) for i in (0, 1))
        worst = max(run[0] / max(run[1], 1) for run in measured)
        shown, area = max(len(run[2]) for run in measured), float(np.mean([run[5] for run in measured]))
        figures |= {
            f"exposed_share{key}": exposed / max(total, 1),
            f"people_exposed{key}": shown,
            f"mask_area{key}": area,
        }
        if len(measured) > 1:
            figures[f"exposed_share{key}_worst_run"] = worst
        whole = np.mean([run[4] for run in measured])
        rows.append((f"exposed_share{key}", total, exposed, f"{exposed / max(total, 1):.4%}", f"{worst:.4%}",
                     f"{shown}/{len(measured[0][3])}", f"{whole:.1%}", f"{area:.1%}"))  # fmt: skip
    inputs = {"clip": clip.name, "ground_truth": Path(truth).parent.name, "seeds": len(SEEDS)}
    if empty := os.environ.get("EMPTY"):
        figures |= {"false_area": false_area(Path(empty), models, settings),
                    "false_area_strict": false_area(Path(empty), models, strict)}  # fmt: skip
        inputs["empty"] = Path(empty).name
    report("masking", inputs | {"settings": str(settings)}, figures, rows, clip=clip_key(clip))


if __name__ == "__main__":
    main()
