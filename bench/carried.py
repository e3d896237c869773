"""Whether a person carries a bag, without training: `make bench-carried DATA=FOLDER`.

The detector's own classes on crops of the validation ids, up to five crops a person, against the labels of the data
set; the threshold was read off other people. Umbrellas have no label there and are not measured.

    bacc_*       balanced accuracy of "seen" as an answer
    found_*      share of the carriers that are said to carry; wrong_*: share of the others that are
"""

import os
import sys
from pathlib import Path

import numpy as np

from bench.report import report
from models import load
from models.carried import SEEN, carried
from models.config import ModelsConfig
from models.train import market
from wire.features.vocabulary import Attribute

CROPS = 5
PRESENT = 2
LABELS = {Attribute.BACKPACK: ("backpack",), Attribute.BAG: ("bag", "handbag")}


def main():
    if not os.environ.get("DATA"):
        sys.exit("bench-carried: name the folder of the data sets by DATA=FOLDER")
    folder = Path(os.environ["DATA"])
    held, labels = market.load(folder).of(market.split(folder)[1]), market.attributes(folder)
    detector, random = load(ModelsConfig()).things, np.random.default_rng(7)
    whole = np.array([0, 0, held.rgb.shape[2], held.rgb.shape[1]], np.float32)
    people = [int(person) for person in np.unique(held.person) if int(person) in labels]
    seen = {thing: [] for thing in LABELS}
    for person in people:
        rows = random.permutation(np.flatnonzero(held.person == person))[:CROPS]
        scores = [carried(detector, held.rgb[row], whole) for row in rows]
        for thing, found in seen.items():
            found.append(np.mean([score[thing] for score in scores]) >= SEEN)
    rows, figures = [("thing", "people", "carriers", "found", "wrong", "balanced accuracy")], {"people": len(people)}
    for thing, names in LABELS.items():
        truth = np.array([any(labels[person][name] == PRESENT for name in names) for person in people])
        said = np.array(seen[thing])
        found, wrong = float(said[truth].mean()), float(said[~truth].mean())
        name = thing.name.lower()
        figures |= {f"bacc_{name}": (found + 1 - wrong) / 2, f"found_{name}": found, f"wrong_{name}": wrong}
        rows.append((name, len(people), int(truth.sum()), found, wrong, (found + 1 - wrong) / 2))
    report("carried", {"people": "validation ids", "crops": CROPS, "network": detector.network}, figures, rows)


if __name__ == "__main__":
    main()
