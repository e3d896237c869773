"""What is said about clothes, against the labels of people that no recipe or head was made on.

    make bench-attributes DATA=/path/to/datasets    # market1501_train.tar, _split.json, _attributes.json

Balanced accuracy: the mean of the classes' recalls. A passage is what one camera saw of one person; its answer is the
sum of its crops' answers, as a track's best shots are summed in the product. Labels are one colour per garment; people
without exactly one are left out. Each camera knows how it shows clothes (`models.rendition`), learnt from these people
without their labels, as it would be after a day; "unadapted" is its first hour. Calibration is the expected error of
the stated probability in ten bins.

Textures and shoes have no labels: they are measured on drawn people (`*_drawn`, one look each), which says what the
recipe can tell apart, not how well it does on a street. "Said" is what is sure enough for a packet.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bench.report import report
from models import colours, texture
from models.appearance import Stripes
from models.appearance_net import NAME, AppearanceNet
from models.attributes import probabilities as attributes_told
from models.clothing import Clothes, Colours
from models.config import ModelsConfig
from models.registry import ModelRegistry
from models.rendition import USUAL, Rendition, Renditions
from models.runtime import InferenceSession
from models.train.garments import TEXTURES, draw, lab
from models.train.market import Crops, attributes, load, split
from wire.features.vocabulary import CHOICES, Attribute, BodyPart, Colour, ObjectClass

# Seeds of drawn people, far from those that the table of textures was fitted to; said is what the packet would say.
DRAWN = range(100_000, 100_500)
SAID_FROM = 0.65
BOX = np.array([0, 0, 64, 128], np.float32)
# The labels' words and ours; a colour without a label of its own counts for its nearest.
UPPER = {
    "black": Colour.BLACK,
    "white": Colour.WHITE,
    "red": Colour.RED,
    "purple": Colour.PURPLE,
    "yellow": Colour.YELLOW,
    "gray": Colour.GREY,
    "blue": Colour.BLUE,
    "green": Colour.GREEN,
}
LOWER = {
    "black": Colour.BLACK,
    "white": Colour.WHITE,
    "pink": Colour.PINK,
    "purple": Colour.PURPLE,
    "yellow": Colour.YELLOW,
    "gray": Colour.GREY,
    "blue": Colour.BLUE,
    "green": Colour.GREEN,
    "brown": Colour.BROWN,
}
NEAREST = {
    Colour.ORANGE: (Colour.YELLOW, Colour.RED),
    Colour.PINK: (Colour.RED,),
    Colour.RED: (Colour.PINK,),
    Colour.BROWN: (Colour.GREY,),
    Colour.PURPLE: (Colour.BLUE,),
}


# Which labels mean the second choice of an attribute (2 = yes), and whether they mean its first instead.
LABELS = {
    Attribute.SLEEVE: (("up",), True),
    Attribute.LOWER_LENGTH: (("down",), True),
    Attribute.HAIR_LENGTH: (("hair",), False),
    Attribute.HAT: (("hat",), False),
    Attribute.BAG: (("bag", "handbag"), False),
    Attribute.BACKPACK: (("backpack",), False),
}


def label(row: dict[str, int], prefix: str, words: dict[str, Colour]) -> int:
    """The one colour of a garment as a number of `Colour`, -1 where there is none or more than one."""
    found = [colour for word, colour in words.items() if row.get(prefix + word) == 2]
    return int(found[0]) if len(found) == 1 else -1


def renditions(crops: Crops) -> dict[int, Rendition]:
    """What each camera has learnt of itself when it has seen these people, by camera; no labels."""
    learnt = {int(camera): Renditions() for camera in np.unique(crops.camera)}
    for rgb, camera in zip(crops.rgb, crops.camera, strict=True):
        learnt[int(camera)].learn(colours.cloth(rgb, BOX))
    return {camera: one.now for camera, one in learnt.items()}


def shares(crops: Crops, known: Mapping[int, Rendition], source: Colours = colours) -> np.ndarray:
    """(n, 2 parts, colours): what `source` says, the training-free recipe by default.

    Args:
        known: of the cameras, by number; others show clothes as usual.
    """
    estimated = np.zeros((len(crops.rgb), 2, len(Colour)), np.float32)
    for index, (rgb, camera) in enumerate(zip(crops.rgb, crops.camera, strict=True)):
        rendition = known.get(int(camera), USUAL)
        for share in source.describe(rgb, BOX, ObjectClass.PERSON, rendition=rendition):
            if share.part in (BodyPart.UPPER, BodyPart.LOWER):
                estimated[index, int(share.part), int(share.colour)] += share.share
    return estimated


def answers(estimated: np.ndarray, words: dict[str, Colour]) -> np.ndarray:
    """(n, colours) shares → the label that each row would get."""
    estimated = estimated.copy()
    allowed = set(words.values())
    for colour, nearest in NEAREST.items():
        if colour not in allowed:
            estimated[:, int(next(n for n in nearest if n in allowed))] += estimated[:, int(colour)]
    closed = np.full_like(estimated, -1)
    for colour in allowed:
        closed[:, int(colour)] = estimated[:, int(colour)]
    return closed.argmax(1)


def passages(crops: Crops) -> tuple[np.ndarray, np.ndarray]:
    """The passage of each crop, and the person of each passage."""
    key, index = np.unique(crops.person.astype(np.int64) * 8 + crops.camera, return_inverse=True)
    return index, key // 8


def summed(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    total = np.zeros((index.max() + 1, *values.shape[1:]), np.float64)
    np.add.at(total, index, values)
    return total / np.bincount(index).reshape(-1, *[1] * (values.ndim - 1))


def recalls(truth: np.ndarray, answer: np.ndarray) -> dict[int, tuple[float, int]]:
    """Recall and number of cases of each class that occurs; -1 in `truth` is left out."""
    return {
        int(c): (float((answer[truth == c] == c).mean()), int((truth == c).sum())) for c in np.unique(truth) if c >= 0
    }


def balanced(found: dict[int, tuple[float, int]]) -> float:
    return 100 * float(np.mean([recall for recall, _ in found.values()]))


def calibration_error(truth: np.ndarray, probability: np.ndarray) -> float:
    """Expected calibration error of "second choice" in ten bins, both classes weighing the same."""
    weight = np.where(truth, 0.5 / max(truth.sum(), 1), 0.5 / max((~truth).sum(), 1))
    bins = np.minimum((probability * 10).astype(int), 9)
    return float(sum(abs((weight * (truth - probability))[bins == b].sum()) for b in np.unique(bins)))


def heads(crops: Crops, table: dict[int, dict[str, int]]) -> tuple[dict[str, float | None], list[tuple]]:
    """The trained network's logits: the attributes of the closed list, and colours by recipe and network together."""
    config, registry = ModelsConfig(), ModelRegistry.read()
    detector = InferenceSession.load("nanodet", config, registry)
    session = InferenceSession.load(NAME, config, registry)
    net, names = AppearanceNet(session, Stripes(detector, registry, config)), list(session.entry.names)
    logits = np.concatenate([net.read(crops.rgb[i : i + 64]).attributes for i in range(0, len(crops.rgb), 64)])
    index, people = passages(crops)
    voted = summed(logits, index)
    figures: dict[str, float | None] = {}
    rows: list[tuple] = [("attribute", "passages of each choice", "balanced accuracy", "calibration error")]
    estimated = [attributes_told(row, names) for row in voted]
    for attribute, (labels, first) in LABELS.items():
        truth = np.array([any(table[int(p)][name] == 2 for name in labels) for p in people]) ^ first
        probability = np.array([row[attribute] for row in estimated])
        key, words = attribute.name.lower(), CHOICES[attribute]
        counts = f"{(~truth).sum()} {words[0]}, {truth.sum()} {words[1]}"
        if truth.all() or not truth.any():
            figures[f"{key}_bacc"] = None
            rows.append((key, counts, "not measured", ""))
            continue
        figures[f"{key}_bacc"] = round(balanced(recalls(truth.astype(int), (probability > 0.5).astype(int))), 2)
        figures[f"{key}_ece"] = round(calibration_error(truth, probability), 3)
        rows.append((key, counts, figures[f"{key}_bacc"], figures[f"{key}_ece"]))
    dressed = shares(crops, renditions(crops), Clothes(net))
    both = []
    for part, (prefix, words) in enumerate((("up", UPPER), ("down", LOWER))):
        truth = np.array([label(table[int(p)], prefix, words) for p in people])
        both.append(balanced(recalls(truth, answers(summed(dressed[:, part], index), words))))
        figures[f"{('upper', 'lower')[part]}_bacc_with_network"] = round(both[-1], 2)
    figures["clothing_bacc_with_network"] = round(sum(both) / 2, 2)
    rows += [("clothing with the network", "upper, lower", round(both[0], 2), round(both[1], 2))]
    return figures, rows


def drawn() -> tuple[dict[str, float], list[tuple]]:
    """Textures and shoes, for which no photograph has labels here: drawn people that nothing was fitted to."""
    wearing = [draw(seed) for seed in DRAWN]
    figures: dict[str, float] = {}
    rows: list[tuple] = [("texture, drawn people", "cases", "balanced accuracy", "said", "right when said", *TEXTURES)]
    kinds = ((BodyPart.UPPER, "upper"), (BodyPart.LOWER, "lower"))
    for part, name in kinds:
        chances, truth = [], []
        for one in wearing:
            estimated = colours.describe(one.rgb, one.box, ObjectClass.PERSON)
            seen = texture.describe(one.rgb, one.box, ObjectClass.PERSON, estimated).get(texture.ATTRIBUTES[part])
            if seen is not None:
                chances.append(seen)
                truth.append(getattr(one, name))
        chance, true = np.array(chances), np.array(truth)
        answer, sure = chance.argmax(1), chance.max(1) >= SAID_FROM
        found = recalls(true, answer)
        said = balanced(recalls(true[sure], answer[sure]))
        right = balanced(found)
        figures |= {
            f"texture_{name}_bacc_drawn": round(right, 2),
            f"texture_{name}_bacc_said_drawn": round(said, 2),
            f"texture_{name}_said_drawn": round(float(sure.mean()), 3),
        }
        rows.append(
            (
                name,
                len(true),
                round(right, 2),
                round(float(sure.mean()), 3),
                round(said, 2),
                *(round(100 * found[c][0], 1) for c in range(len(TEXTURES))),
            )
        )
    answers_, truths, grounds = [], [], []
    for one in wearing:
        shoes = [s for s in colours.describe(one.rgb, one.box, ObjectClass.PERSON) if s.part is BodyPart.SHOES]
        if shoes and shoes[0].colour is not Colour.UNKNOWN:
            answers_.append(int(shoes[0].colour))
            truths.append(int(colours.name(lab(one.shoes))))
            grounds.append(int(colours.name(lab(one.ground))))
    answer, true, ground = np.array(answers_), np.array(truths), np.array(grounds)
    figures |= {
        "shoes_bacc_drawn": round(balanced(recalls(true, answer)), 2),
        "shoes_ground_drawn": round(float((answer == ground)[true != ground].mean()), 3),
    }
    rows += [
        (),
        ("shoes, drawn people", "cases", "balanced accuracy", "the ground's colour instead"),
        ("shoes", len(true), figures["shoes_bacc_drawn"], figures["shoes_ground_drawn"]),
    ]
    return figures, rows


def clothing(crops: Crops, table: dict[int, dict[str, int]]) -> tuple[dict[str, float], list[tuple]]:
    known = renditions(crops)
    estimated = shares(crops, known)
    index, people = passages(crops)
    voted = summed(estimated, index)
    unadapted = summed(shares(crops, {}), index)
    figures: dict[str, float] = {}
    rows: list[tuple] = [("camera", "crops", "chroma of cloth", "lightness of cloth")]
    rows += [
        (camera, int((crops.camera == camera).sum()), round(one.chroma, 1), round(one.lightness, 1))
        for camera, one in known.items()
    ]
    rows += [(), ("garment", "colour", "passages", "recall")]
    for part, (prefix, words) in enumerate((("up", UPPER), ("down", LOWER))):
        name = ("upper", "lower")[part]
        single = recalls(
            np.array([label(table[int(p)], prefix, words) for p in crops.person]), answers(estimated[:, part], words)
        )
        many = recalls(np.array([label(table[int(p)], prefix, words) for p in people]), answers(voted[:, part], words))
        first = recalls(
            np.array([label(table[int(p)], prefix, words) for p in people]), answers(unadapted[:, part], words)
        )
        figures[f"{name}_bacc"] = round(balanced(many), 2)
        figures[f"{name}_bacc_unadapted"] = round(balanced(first), 2)
        figures[f"{name}_bacc_single_crop"] = round(balanced(single), 2)
        rows += [(name, Colour(c).name.lower(), n, round(100 * recall, 1)) for c, (recall, n) in many.items()]
    figures["clothing_bacc"] = round((figures["upper_bacc"] + figures["lower_bacc"]) / 2, 2)
    figures["clothing_bacc_unadapted"] = round(
        (figures["upper_bacc_unadapted"] + figures["lower_bacc_unadapted"]) / 2, 2
    )
    figures["clothing_bacc_single_crop"] = round(
        (figures["upper_bacc_single_crop"] + figures["lower_bacc_single_crop"]) / 2, 2
    )
    return figures, rows


def main() -> None:
    data = Path(os.environ.get("DATA") or (sys.argv[1] if len(sys.argv) > 1 else ""))
    if not (data / "market1501_attributes.json").is_file():
        raise SystemExit("DATA=/path/to/datasets must name the folder of market1501_attributes.json")
    people = split(data)[0 if "--fit" in sys.argv else 1]
    crops, table = load(data).of(people), attributes(data)
    estimated, rows = clothing(crops, table)
    more, added = heads(crops, table)
    painted, shown = drawn()
    inputs = {
        "data": "Market-1501 training split, attribute labels",
        "people": len(np.unique(crops.person)),
        "drawn": len(DRAWN),
        "crops": len(crops.rgb),
        "passages": int(passages(crops)[0].max()) + 1,
    }
    report("attributes", inputs, {**estimated, **more, **painted}, [*rows, (), *added, (), *shown])


if __name__ == "__main__":
    main()
