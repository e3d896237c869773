"""The Market-1501 training split as arrays, and the protocol by which re-identification is scored on it.

NumPy and Pillow only: the benchmarks read the same crops and score by the same rule as the training run.
Terms of the data: research use only, so whatever was trained on it says so in its card.
"""

import io
import json
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

NAME = re.compile(r"(\d{4})_c(\d)s\d_\d{6}_\d{2}\.jpg$")
FORBIDDEN = ("age", "gender")


@dataclass(frozen=True)
class Crops:
    """Person crops with their labels.

    Attributes:
        rgb: (n, 128, 64, 3) uint8.
        person: (n,) int32, the data set's number of the person.
        camera: (n,) int8, 1 to 6.
    """

    rgb: NDArray[np.uint8]
    person: NDArray[np.int32]
    camera: NDArray[np.int8]

    def of(self, people: tuple[int, ...]) -> "Crops":
        """Only the crops of these people."""
        keep = np.isin(self.person, people)
        return Crops(self.rgb[keep], self.person[keep], self.camera[keep])


def load(folder: Path) -> Crops:
    """Read every crop of `market1501_train.tar`, in the order of the names."""
    found = []
    with tarfile.open(folder / "market1501_train.tar") as tar:
        for member in tar:
            match = NAME.search(member.name)
            if match is None:
                continue
            data = tar.extractfile(member)
            assert data is not None
            picture = Image.open(io.BytesIO(data.read())).convert("RGB").resize((64, 128), Image.Resampling.BILINEAR)
            found.append((member.name, np.asarray(picture), int(match[1]), int(match[2])))
    found.sort(key=lambda row: row[0])
    return Crops(
        np.stack([row[1] for row in found]),
        np.array([row[2] for row in found], np.int32),
        np.array([row[3] for row in found], np.int8),
    )


def split(folder: Path) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The people to train on and the people to validate on."""
    ids = json.loads((folder / "market1501_split.json").read_text())
    return tuple(int(name) for name in ids["fit_ids"]), tuple(int(name) for name in ids["val_ids"])


def attributes(folder: Path) -> dict[int, dict[str, int]]:
    """The clothing, bag, hat and hair labels of each person; anything about the person itself is dropped unread."""
    table = json.loads((folder / "market1501_attributes.json").read_text())
    return {
        int(name): {key: int(value) for key, value in row.items() if key not in FORBIDDEN}
        for name, row in table.items()
    }


def queries(crops: Crops) -> NDArray[np.int64]:
    """One query for each person and camera: the first crop by name."""
    _, first = np.unique(crops.person.astype(np.int64) * 8 + crops.camera, return_index=True)
    return np.sort(first)


@dataclass(frozen=True)
class Score:
    """Mean average precision and Rank-1 in percent, and the average precision of each query behind them."""

    map: float
    rank1: float
    precision: NDArray[np.float64]

    def __str__(self) -> str:
        return f"mAP {self.map:.2f} Rank-1 {self.rank1:.2f}"


def score(similarity: NDArray[np.floating], crops: Crops, query: NDArray[np.int64]) -> Score:
    """Score by the Market-1501 rule: crops of the query's person from the query's camera do not count.

    Args:
        similarity: (queries, n), larger is more alike.
        crops: the gallery; queries are part of it and drop out by the rule.
        query: indices of the queries in `crops`.
    """
    precision, first = [], []
    for row, index in zip(similarity, query, strict=True):
        same = crops.person == crops.person[index]
        counts = ~(same & (crops.camera == crops.camera[index]))
        hits = same[counts][np.argsort(-row[counts], kind="stable")]
        if not hits.any():
            continue
        ranks = np.flatnonzero(hits) + 1
        precision.append(np.mean(np.arange(1, len(ranks) + 1) / ranks))
        first.append(bool(hits[0]))
    return Score(100 * float(np.mean(precision)), 100 * float(np.mean(first)), np.asarray(precision))
