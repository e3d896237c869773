"""How well masked people are distinguished all the same: `make bench-attack GT=FILE [CLIP=FILE]`.

The attacker knows every person from clear video (the first half of each track) and gets the masked second half, cut out
along the true boxes, which is better than any tracker would give them. They match by normalised cross-correlation of
colour templates, from one picture, and from 25 pictures laid on each other. The second column pair is a stronger
attacker, who has seen the same people masked in the same way and compares mask with mask.

People are masked from the true boxes by the camera's own planner and painter, so this measures the pattern and not
the detector. Few people, simple matchers: the figures are a lower bound for an attacker, and chance is 1/people.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from bench.clips import clip_key, clip_path, source
from bench.masking import ground_truth
from bench.report import report
from firmware.mask.paint import Painter
from firmware.mask.plan import Planner
from firmware.mask.settings import MaskSettings, Pattern
from firmware.vision.frame_detections import FrameDetections, TrackBox
from models.detections import Detections
from wire.features.vocabulary import ObjectClass

TEMPLATE = (24, 60)
STACK, STRIDE = 25, 12
LEAST_PICTURES = 4 * STACK


def sights(people, pts_of):
    """The true boxes as vision would tell them, in order."""
    for number, pts_90k in enumerate(pts_of, 1):
        tracks = tuple(
            TrackBox(person, ObjectClass.PERSON, np.array(box, np.float32), 1.0, True, number)
            for person, *box in people.get(number, ())
        )
        yield FrameDetections(pts_90k, tracks, Detections.none(), np.zeros((0, 4), np.float32))


def crops(people, pictures):
    """id -> [(picture number, template (60, 24, 3) float32)] in order of time."""
    out = {}
    for number, i420 in pictures:
        rgb = cv2.cvtColor(i420, cv2.COLOR_YUV2RGB_I420)
        for person, *box in people.get(number, ()):
            x0, y0, x1, y1 = (max(0, round(value)) for value in box)
            part = rgb[y0:y1, x0:x1]
            if part.shape[0] >= 16 and part.shape[1] >= 8:
                shrunk = cv2.resize(part, TEMPLATE, interpolation=cv2.INTER_AREA)
                out.setdefault(person, []).append((number, shrunk.astype(np.float32)))
    return out


def clear_pictures(path):
    clip = source(path)
    return [(number, frame.i420, frame.pts_90k) for number, frame in enumerate(clip.frames(), 1)], clip


def masked_pictures(people, clear, clip, settings):
    """(number, masked picture) for every picture that the camera would show."""
    planner, painter = Planner(clip.width, clip.height, settings), Painter(clip.width, clip.height, settings)
    waiting = []
    for (number, i420, pts_90k), sight in zip(clear, sights(people, [pts for _, _, pts in clear]), strict=True):
        planner.saw(sight)
        waiting.append((number, i420, pts_90k))
        while waiting and planner.ready(waiting[0][2]):
            done, picture, at = waiting.pop(0)
            yield done, painter.paint(picture, planner.plan(at), at)


def unit(template):
    centred = template - template.mean(axis=(0, 1))
    return (centred / max(float(np.linalg.norm(centred)), 1e-6)).ravel()


def stacks(templates):
    return [np.mean(templates[at : at + STACK], axis=0) for at in range(0, len(templates) - STACK + 1, STRIDE)]


def rank1(gallery, probes):
    """Share of probes whose best gallery entry is of the same person; every person weighs the same."""
    ids = sorted(gallery)
    matrix = np.stack([unit(template) for person in ids for template in gallery[person]])
    owner = np.array([person for person in ids for _ in gallery[person]])
    shares = []
    for person in ids:
        best = [owner[int(np.argmax(matrix @ unit(probe)))] for probe in probes[person]]
        shares.append(np.mean([found == person for found in best]))
    return float(np.mean(shares))


def attack(gallery_crops, probe_crops, ids):
    """(rank-1 of single pictures, of stacks): gallery from first halves, probes from second halves."""
    gallery, single, stacked = {}, {}, {}
    for person in ids:
        first = [template for _, template in gallery_crops[person]]
        second = [template for _, template in probe_crops[person]]
        gallery[person] = stacks(first[: len(first) // 2])
        single[person] = second[len(second) // 2 :: 5]
        stacked[person] = stacks(second[len(second) // 2 :])
    return rank1(gallery, single), rank1(gallery, stacked)


def main():
    truth, path = os.environ.get("GT"), clip_path()
    if not truth:
        sys.exit("bench-attack wants GT=FILE, ground truth in MOT format for the clip")
    people = ground_truth(truth)
    clear, clip = clear_pictures(path)
    clear_crops = crops(people, [(number, i420) for number, i420, _ in clear])
    ids = sorted(person for person, found in clear_crops.items() if len(found) >= LEAST_PICTURES)
    chance = 1 / len(ids)
    base = MaskSettings(settle_s=0)
    ways = {
        "mosaic_1": replace(base, pattern=Pattern.MOSAIC, level=1),
        "mosaic_2": replace(base, pattern=Pattern.MOSAIC, level=2),
        "blocks": replace(base, pattern=Pattern.BLOCKS),
        "solid": replace(base, pattern=Pattern.SOLID),
        "dilated": replace(base, pattern=Pattern.DILATED),
    }
    single, stacked = attack(clear_crops, clear_crops, ids)
    figures = {"chance": chance, "rank1_single_clear": single, "rank1_stack_clear": stacked}
    rows = [("mask", "single", "stack of 25", "masked gallery: single", "stack of 25")]
    rows.append(("clear", f"{single:.2f}", f"{stacked:.2f}", "", ""))
    default = "mosaic_2" if base.level == 2 else "mosaic_1"
    default = default if base.pattern is Pattern.MOSAIC else base.pattern.value
    for name, settings in ways.items():
        shown = crops(people, masked_pictures(people, clear, clip, settings))
        known = [person for person in ids if len(shown.get(person, ())) >= LEAST_PICTURES]
        single, stacked = attack(clear_crops, shown, known)
        parrot_single, parrot_stacked = attack(shown, shown, known)
        rows.append((name, f"{single:.2f}", f"{stacked:.2f}", f"{parrot_single:.2f}", f"{parrot_stacked:.2f}"))
        figures |= {
            f"rank1_single_{name}": single,
            f"rank1_stack_{name}": stacked,
            f"rank1_stack_{name}_masked_gallery": parrot_stacked,
        }
    rows.append(("chance", f"{chance:.2f}", f"{chance:.2f}", f"{chance:.2f}", f"{chance:.2f}"))
    figures["rank1_stack_default_minus_chance"] = figures[f"rank1_stack_{default}"] - chance
    inputs = {
        "clip": path.name,
        "ground_truth": Path(truth).parent.name,
        "people": len(ids),
        "default": default,
    }
    report("attack", inputs, figures, rows, clip=clip_key(path))


if __name__ == "__main__":
    main()
