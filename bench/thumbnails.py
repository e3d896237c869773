"""What recoverable best shots cost, and what codes made again from them are worth: `make bench-thumbnails GT=FILE`.

People of the ground truth, every fifth picture, each cut out of the masked and of the clear picture as the camera does
it, sealed to two recipients, opened again, and encoded from the JPEG as `python -m nvr_box reencode` does it.

    cosine_…           how alike the code from the sealed JPEG and the camera's code of the same shot are, mean
    map_direct_…       each shot asks for the others of the same person, codes from the clear picture (the camera's)
    map_reencoded_…    the same, all codes from the sealed JPEGs (the box's, after a change of model)
    map_mixed_…        the camera's codes ask among the box's: new passages against old ones
"""

import os
import sys
import time

import cv2
import numpy as np

from bench import passes
from bench.clips import clip_key, clip_path
from bench.report import report
from bench.truth import Truth, truth_name
from firmware.describe import thumbnail as cutting
from firmware.mask.grid import MB
from firmware.mask.paint import Painter
from firmware.mask.plan import MaskPlan
from firmware.mask.settings import MaskSettings
from models import ModelsConfig, load_appearance
from wire import thumbnail
from wire.features.packet import FULL_SCALE
from wire.features.vocabulary import ObjectClass
from wire.keys import Identity, SigningKey, key_id
from wire.thumbnail import Label

EVERY, LEAST_PX, APART, CELL = 5, 50, 25, 2
CAMERA, OPERATORS = SigningKey.generate(), [Identity.generate(), Identity.generate()]


def shots(clip, truth):
    """(picture number, person, camera's view of it: RGB and box, masked JPEG, clear cut-out) of everybody."""
    for number, i420 in enumerate(passes.pictures(clip)):
        if number % EVERY:
            continue
        height, width = i420.shape[0] * 2 // 3, i420.shape[1]
        edge = np.array([width, height, width, height], np.float32)
        boxes = np.clip(truth.boxes[number], 0, edge)
        cells = np.zeros((height // MB, width // MB), np.uint8)
        for x0, y0, x1, y1 in (boxes / MB).astype(int):
            cells[y0 : y1 + 1, x0 : x1 + 1] = CELL
        hidden = Painter(width, height, MaskSettings()).paint(i420, MaskPlan(cells), number * 9000)
        rgb, bgr = (cv2.cvtColor(i420, cv2.COLOR_YUV2RGB_I420), cv2.cvtColor(hidden, cv2.COLOR_YUV2BGR_I420))
        for box, person in zip(boxes, truth.ids[number], strict=True):
            if box[3] - box[1] >= LEAST_PX:
                clear = cutting.clear(rgb, box, box, width, height)
                yield number, int(person), rgb, box, cutting.masked(bgr, box), clear


def unit(code):
    row = np.frombuffer(code.data, np.int8).astype(np.float32)
    return row / np.linalg.norm(row)


def opened_again(jpeg):
    """RGB and box out of a thumbnail, as the box reads it."""
    found = thumbnail.open_sealed(jpeg, OPERATORS[:1], CAMERA.public)
    rgb = cv2.imdecode(np.frombuffer(found.clear, np.uint8), cv2.IMREAD_COLOR_RGB)
    x, y, w, h = np.array(found.label.inside) / FULL_SCALE
    height, width = rgb.shape[:2]
    return rgb, np.array([x * width, y * height, (x + w) * width, (y + h) * height], np.float32)


def mean_average_precision(queries, gallery, people, numbers):
    """Of every shot; shots of nearly the same time are left out, they are the same picture twice."""
    precisions = []
    for row, person, number in zip(queries, people, numbers, strict=True):
        among = np.flatnonzero(np.abs(numbers - number) >= APART)
        hits = np.flatnonzero((people[among] == person)[np.argsort(-(gallery[among] @ row))])
        if len(hits):
            precisions.append(np.mean((np.arange(len(hits)) + 1) / (hits + 1)))
    return 100 * float(np.mean(precisions))


def main():
    if not os.environ.get("GT"):
        sys.exit("bench-thumbnails: name ground truth in MOT format by GT=FILE")
    clip = clip_path()
    truth = Truth(os.environ["GT"], sum(1 for _ in passes.pictures(clip)))
    encoders = {name: load_appearance(ModelsConfig(appearance=name)) for name in ("stripes", "market64")}
    codes = {(name, way): [] for name in encoders for way in ("direct", "reencoded")}
    sizes, spent, people, numbers = [], {"seal": 0.0, "open": 0.0, "encode": 0.0}, [], []
    for number, person, rgb, box, masked, clear in shots(clip, truth):
        began = time.thread_time()
        label = Label(key_id(CAMERA.public), len(people), number * 100, clear.inside)
        jpeg = thumbnail.seal(masked, clear.jpeg, label, [each.recipient for each in OPERATORS], CAMERA)
        spent["seal"] += time.thread_time() - began
        began = time.thread_time()
        again, inside = opened_again(jpeg)
        spent["open"] += time.thread_time() - began
        for name, encoder in encoders.items():
            codes[name, "direct"].append(unit(encoder.encode(rgb, box, ObjectClass.PERSON)))
            began = time.thread_time()
            codes[name, "reencoded"].append(unit(encoder.encode(again, inside, ObjectClass.PERSON)))
            spent["encode"] += time.thread_time() - began
        sizes.append((len(masked), len(clear.jpeg), len(jpeg)))
        people.append(person)
        numbers.append(number)
    people, numbers, count = np.array(people), np.array(numbers), len(people)
    figures = {
        f"{name}_bytes": float(np.median(column))
        for name, column in zip(("masked", "clear", "thumbnail"), np.array(sizes).T, strict=True)
    }
    figures |= {"thumbnail_bytes_largest": float(np.array(sizes)[:, 2].max())}
    spent["encode"] /= len(encoders)
    figures |= {f"{what}_ms": 1000 * seconds / count for what, seconds in spent.items()}
    rows = [("appearance", "cosine", "mAP direct", "reencoded", "mixed")]
    for name in encoders:
        direct, again = (np.stack(codes[name, way]) for way in ("direct", "reencoded"))
        found = [
            mean_average_precision(a, b, people, numbers)
            for a, b in ((direct, direct), (again, again), (direct, again))
        ]
        cosine = float((direct * again).sum(axis=1).mean())
        rows.append((name, cosine, *found))
        figures |= {
            f"cosine_{name}": cosine,
            **{
                f"map_{way}_{name}": precision
                for way, precision in zip(("direct", "reencoded", "mixed"), found, strict=True)
            },
        }
    report(
        "thumbnails",
        {"clip": clip.name, "truth": truth_name(), "shots": count, "recipients": 2},
        figures,
        rows,
        clip=clip_key(clip),
    )


if __name__ == "__main__":
    main()
