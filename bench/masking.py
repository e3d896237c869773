"""How much of a person is ever shown: `make bench-masking GT=FILE [CLIP=FILE]`.

The whole way of a picture in the camera, with its own detector and tracker, as fast as the machine goes: vision, mask
plan, and the plan's macroblocks against ground truth (MOT format: frame, id, x, y, w, h, …). A person-frame counts as
exposed when less than 70 % of the head and shoulders (the upper third of the true box) is masked. Pictures that are
masked whole are counted apart and do not make the share better: they are left out.

The same is repeated with injected failures of the detector: every tenth detection lost at random, and bursts in which a
person is lost for five pictures (20 % of person-frames lost in total).
"""

import os
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from bench.report import report
from firmware.capture.clip import Clip
from firmware.mask.grid import MB
from firmware.mask.plan import Planner
from firmware.mask.settings import MaskSettings
from firmware.vision.eyes import Eyes
from firmware.vision.settings import VisionSettings
from models import load
from models.config import ModelsConfig
from models.detections import Detections

HEAD_AND_SHOULDERS = 1 / 3
COVERED = 0.70
DEMO_CLIP = Path.home() / ".cache/veilcam/vtest.avi"
BURST_PICTURES = 5


def ground_truth(path):
    """frame number from 1 -> [(id, x0, y0, x1, y1)]; rows that are marked as ignored are left out."""
    people = defaultdict(list)
    for line in Path(path).read_text().splitlines():
        values = [float(value) for value in line.split(",")]
        if len(values) > 6 and values[6] == 0:
            continue
        number, who, x, y, w, h = values[:6]
        people[int(number)].append((int(who), x, y, x + w, y + h))
    return people


class Lossy:
    """The detector with some of what it found taken away.

    Args:
        detector: the real one.
        share: of single detections lost at random.
        bursts: share of places that are blind for five pictures at a time: whoever stands there is lost.
    """

    def __init__(self, detector, share=0.0, bursts=0.0, seed=11):
        self._detector, self._share, self._bursts = detector, share, bursts
        self._random = np.random.default_rng(seed)
        self._blind = []

    def __getattr__(self, name):
        return getattr(self._detector, name)

    def detect(self, rgb, threshold):
        found = self._detector.detect(rgb, threshold)
        keep = self._random.random(len(found)) >= self._share
        centres = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
        self._blind = [(x, y, left - 1) for x, y, left in self._blind if left > 1]
        for (x, y), box in zip(centres, found.boxes, strict=True):
            reach = max(box[3] - box[1], 16) / 2
            if any(abs(x - bx) < reach and abs(y - by) < reach for bx, by, _ in self._blind):
                keep[np.flatnonzero((centres[:, 0] == x) & (centres[:, 1] == y))] = False
            elif self._bursts and self._random.random() < self._bursts / BURST_PICTURES:
                self._blind.append((x, y, BURST_PICTURES))
                keep[np.flatnonzero((centres[:, 0] == x) & (centres[:, 1] == y))] = False
        return found.where(keep) if len(found) else Detections.none()


def plans(clip_path, models, settings, detect_every=1):
    """(picture number from 1, plan) for every picture of the clip, as the camera would draw them."""
    clip = Clip(Path(clip_path), paced=False, loop=False)
    planner = Planner(clip.width, clip.height, settings)
    eyes = Eyes(models, clip.rate, VisionSettings(detect_every=detect_every))
    waiting = []
    for number, frame in enumerate(clip.frames(), 1):
        planner.saw(eyes.look(frame.i420, frame.pts_90k))
        waiting.append((number, frame.pts_90k))
        while waiting and planner.ready(waiting[0][1]):
            done, pts_90k = waiting.pop(0)
            yield done, planner.plan(pts_90k)


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
        for who, x0, y0, x1, y1 in people.get(number, ()):
            bottom = y0 + (y1 - y0) * HEAD_AND_SHOULDERS
            left, right = max(0, round(x0)), min(width, round(x1))
            top, low = max(0, round(y0)), min(height, round(bottom))
            if right - left < 2 or low - top < 2:
                continue
            total += 1
            seen.add(who)
            if fine[top:low, left:right].mean() < COVERED:
                exposed += 1
                shown.add(who)
    return exposed, total, shown, seen, whole / max(pictures, 1), float(np.mean(share))


def main():
    truth, clip = os.environ.get("GT"), os.environ.get("CLIP") or str(DEMO_CLIP)
    if not truth:
        sys.exit("bench-masking wants GT=FILE, ground truth in MOT format for the clip")
    people = ground_truth(truth)
    models = load(ModelsConfig())
    settings = MaskSettings()
    runs = {
        "exposed_share": Lossy(models.detector),
        "exposed_share_10pct": Lossy(models.detector, share=0.10),
        "exposed_share_bursts": Lossy(models.detector, bursts=0.20),
    }
    rows = [("run", "person-frames", "exposed", "share", "people exposed", "masked whole", "mask area")]
    figures = {}
    for key, detector in runs.items():
        exposed, total, shown, seen, whole, area = exposure(
            people, plans(clip, replace(models, detector=detector), settings)
        )
        figures[key] = exposed / max(total, 1)
        figures[key.replace("exposed_share", "people_exposed")] = len(shown)
        figures[key.replace("exposed_share", "mask_area")] = area
        rows.append(
            (
                key,
                total,
                exposed,
                f"{exposed / max(total, 1):.4%}",
                f"{len(shown)}/{len(seen)}",
                f"{whole:.1%}",
                f"{area:.1%}",
            )
        )
    report(
        "masking",
        {"clip": Path(clip).name, "ground_truth": Path(truth).parent.name, "settings": str(settings)},
        figures,
        rows,
    )


if __name__ == "__main__":
    main()
