"""Whether our detector knows the rendered people for people: `python -m bench.rendered_check [LOOK ...]`.

Each sprite stands before drawn backgrounds of 640×480 at four heights, and NanoDet looks at four sizes. Prints for each
look (day, infra-red, fog, rain, snow, glare, blur, dusk; "day" alone when none is named) and class the share found at
.1, .2 and .4 by the best size, at .4 by each size and at each height; which sprites no size finds; and how often the
empty background itself is taken for a person.
"""

import sys

import cv2
import numpy as np

from bench.rendered import Scene, Visit
from bench.rendered_look import Look
from bench.rendered_people import TALL_M, sprites
from models import precision
from models.config import ModelsConfig
from models.nanodet import NanoDet
from models.registry import ModelRegistry
from models.runtime import InferenceSession
from wire.features.vocabulary import ObjectClass

SIZES = (256, 320, 416, 512)
HEIGHTS = (60, 110, 200, 350)
WIDTH, HEIGHT = 640, 480
LOOKS = {
    "day": Look(),
    "infra-red": Look(infra_red=True, noise=6),
    "fog": Look(fog=0.5),
    "rain": Look(rain=0.7, noise=4),
    "snow": Look(snow=0.8),
    "glare": Look(glare=0.8),
    "blur": Look(blur_px=2.0),
    "dusk": Look(light=0.35, noise=7),
}
_OVERLAP = 0.35


def scores(detectors, look):
    """{(class, name): (heights, sizes)} of the best score of a person whose box meets theirs, and of empty scenes."""
    found, empty = {}, []
    for number, sprite in enumerate(sprites().values()):
        rows = []
        for at, height in enumerate(HEIGHTS):
            aspect = sprite.bgra.shape[1] / sprite.bgra.shape[0]
            height = min(height, 0.9 * WIDTH / aspect)  # noqa: PLW2901
            foot = min(0.55 + 0.6 * height / HEIGHT, 0.98)
            visit = Visit(
                0.0, 0.3 + 0.1 * (number % 5), foot, height / HEIGHT * TALL_M / sprite.height_m, ((sprite.name, 10.0),)
            )
            scene = Scene(WIDTH, HEIGHT, (visit,), look, seed=number * 10 + at)
            for t_s in (0.0, 20.0) if at == 0 else (0.0,):
                i420, people = scene.picture(t_s, 0)
                rgb = np.asarray(cv2.cvtColor(i420, cv2.COLOR_YUV2RGB_I420), np.uint8)
                seen = [detector.detect(rgb, 0.05) for detector in detectors]
                if people:
                    rows.append([_best(each, people[0].box) for each in seen])
                else:
                    empty.append([each.scores[each.classes == ObjectClass.PERSON].max(initial=0) for each in seen])
        found[sprite.of, sprite.name] = np.array(rows)
    return found, np.array(empty)


def _best(found, box):
    people = found.where(found.classes == ObjectClass.PERSON)
    low, high = np.maximum(people.boxes[:, :2], box[:2]), np.minimum(people.boxes[:, 2:], box[2:])
    meet = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(people.boxes[:, 2:] - people.boxes[:, :2], axis=1)
    overlap = meet / (areas + np.prod(box[2:] - box[:2]) - meet)
    return float(people.scores[overlap >= _OVERLAP].max(initial=0))


def show(name, found, empty):
    print(
        f"\n{name}: empty scenes taken for a person at .2 and .4: "
        + ", ".join(f"{100 * (empty.max(axis=1) >= t).mean():.0f} %" for t in (0.2, 0.4))
    )
    print(
        f"{'class':16}{'n':>4}  best .1  best .2  best .4 | at .4: "
        + " ".join(f"{s:>5}" for s in SIZES)
        + " | "
        + " ".join(f"{h:>4}px" for h in HEIGHTS)
    )
    for kind in (*sorted({of for of, _ in found}), "all"):
        values = np.stack([v for (of, _), v in found.items() if kind in {of, "all"}])
        best = values.max(axis=2)
        print(
            f"{kind:16}{best.size:>4}"
            + "".join(f"{100 * (best >= t).mean():>8.0f}%" for t in (0.1, 0.2, 0.4))
            + " |        "
            + " ".join(f"{100 * share:>4.0f}%" for share in (values >= 0.4).mean(axis=(0, 1)))
            + " | "
            + " ".join(f"{100 * share:>5.0f}%" for share in (best >= 0.4).mean(axis=0))
        )
    for limit in (0.1, 0.4):
        print(f"never at {limit}:", *(name for (_, name), value in found.items() if value.max() < limit))


def main():
    session = InferenceSession.load(precision.FLOAT, ModelsConfig(), ModelRegistry.read())
    detectors = [NanoDet(session, long_side=size) for size in SIZES]
    for name in sys.argv[1:] or ["day"]:
        show(name, *scores(detectors, LOOKS[name]))


if __name__ == "__main__":
    main()
