"""The projection of the permissive appearance code: `python -m models.convert.stripes`.

No photograph is used. Figures are drawn with random clothes and seen several times each, under other light, with
other backgrounds, noise, blur and cuts; vehicles likewise. The projection keeps the directions in which different
figures differ most relative to how one figure differs from itself (linear discriminants), 64 of them.
"""

import argparse
import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from models import stripes
from models.config import ModelsConfig
from models.registry import WEIGHTS
from models.rgb import Rgb
from models.runtime import InferenceSession

DIMENSIONS = 64
_FIGURES, _VIEWS = 1500, 4
# Share of the total variance added to the within-figure scatter: how little the drawn variation is believed.
_SHRINKAGE = 0.3


def _cloth(random: np.random.Generator) -> npt.NDArray[np.float64]:
    """A colour as clothes have it: often black, white, grey or blue, seldom saturated."""
    kind = random.random()
    if kind < 0.5:
        return np.full(3, random.choice([0.1, 0.15, 0.35, 0.5, 0.75, 0.9])) + random.normal(0, 0.03, 3)
    hue, saturation = random.random() * 360, random.beta(2, 2.5)
    value = random.uniform(0.2, 0.95)
    pixel = np.array([[[hue, saturation, value]]], np.float32)
    return np.asarray(cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0], np.float64)


def _person(random: np.random.Generator) -> dict[str, Any]:
    lengths = {"shirt": random.uniform(0.45, 0.56), "trousers": random.choice([0.72, 0.92, 0.92, 0.92])}
    return {
        "hair": random.uniform(0.05, 0.5) * np.array([1, 0.85, 0.7]),
        "skin": random.uniform(0.25, 0.9) * np.array([1, 0.78, 0.65]),
        "top": _cloth(random),
        "bottom": _cloth(random),
        "shoes": _cloth(random) * 0.8,
        "bag": _cloth(random) if random.random() < 0.3 else None,
        "stripes": random.random() < 0.2,
        "second": _cloth(random),
        **lengths,
    }


def _draw_person(figure: dict[str, Any], random: np.random.Generator) -> npt.NDArray[np.float64]:
    width, height = stripes.PERSON_SIZE
    picture = np.ones((height, width, 3)) * np.clip(random.uniform(0.2, 0.8) + random.normal(0, 0.06, 3), 0, 1)
    picture += cv2.resize(random.normal(0, 0.12, (8, 4, 3)), (width, height), interpolation=cv2.INTER_CUBIC)
    middle, wide = width / 2 + random.normal(0, 2.5), random.uniform(0.8, 1.2) * width

    def band(top: float, bottom: float, share: float, colour: Any, shift: float = 0.0) -> None:
        half = share * wide / 2
        left, right = int(max(middle + shift - half, 0)), int(min(middle + shift + half, width))
        picture[int(top * height) : int(bottom * height), left:right] = colour

    band(0.03, 0.10, 0.24, figure["hair"])
    band(0.08, 0.17, 0.20, figure["skin"])
    shirt, trousers = figure["shirt"], figure["trousers"]
    band(0.17, shirt, 0.52, figure["top"])
    if figure["stripes"]:
        for line in np.arange(0.19, shirt, 0.05):
            band(line, line + 0.02, 0.52, figure["second"])
    step = random.uniform(0, 0.14) * wide
    for side in (-1, 1):
        band(shirt, trousers, 0.2, figure["bottom"], side * (0.1 * wide + step / 2))
        band(trousers, 0.93, 0.14, figure["skin"], side * (0.1 * wide + step / 2))
        band(0.93, 0.98, 0.2, figure["shoes"], side * (0.1 * wide + step / 2))
    if figure["bag"] is not None and random.random() < 0.7:
        band(0.25, 0.45, 0.3, figure["bag"], random.choice([-0.2, 0.0, 0.2]) * wide)
    return picture


def _draw_vehicle(colour: npt.NDArray[np.float64], roof: float, random: np.random.Generator) -> npt.NDArray[np.float64]:
    width, height = stripes.VEHICLE_SIZE
    picture = np.ones((height, width, 3)) * random.uniform(0.25, 0.6)
    top = int(roof * height)
    picture[top : int(0.85 * height), int(0.06 * width) : int(0.94 * width)] = colour
    picture[top + 6 : int(0.45 * height), int(0.2 * width) : int(0.8 * width)] = random.uniform(0.05, 0.35)
    for x in (0.15, 0.7):
        picture[int(0.72 * height) : int(0.94 * height), int(x * width) : int((x + 0.16) * width)] = 0.08
    return picture


def _seen(picture: npt.NDArray[np.float64], random: np.random.Generator) -> Rgb:
    """One view: light from above, its colour, exposure, blur, a cut, sensor noise."""
    height, width = picture.shape[:2]
    light = np.linspace(random.uniform(0.85, 1.2), random.uniform(0.7, 1.1), height)[:, None, None]
    picture = picture * light * random.uniform(0.6, 1.5) * (1 + random.normal(0, 0.06, 3))
    picture = np.clip(picture, 0, 1) ** random.uniform(0.75, 1.3)
    if random.random() < 0.5:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), random.uniform(0.6, 2)), np.float64)
    top, bottom, left, right = (int(v) for v in random.uniform(0, 0.08, 4) * [height, height, width, width])
    picture = picture[top : height - bottom, left : width - right]
    picture = picture + random.normal(0, random.uniform(0.005, 0.04), picture.shape)
    return np.asarray(np.clip(cv2.resize(picture, (width, height)), 0, 1) * 255, np.uint8)


def discriminants(samples: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """(figures, views, length) → mean (length,) and projection (length, DIMENSIONS)."""
    flat = samples.reshape(-1, samples.shape[-1])
    mean = flat.mean(axis=0)
    within = (samples - samples.mean(axis=1, keepdims=True)).reshape(flat.shape)
    total = np.cov((flat - mean).T)
    scatter = np.cov(within.T)
    scatter += _SHRINKAGE * np.trace(total) / len(total) * np.eye(len(total))
    values, vectors = np.linalg.eigh(scatter)
    whiten = vectors / np.sqrt(values)
    _, directions = np.linalg.eigh(whiten.T @ total @ whiten)
    return mean.astype(np.float32), (whiten @ directions[:, ::-1][:, :DIMENSIONS]).astype(np.float32)


def main() -> None:
    """Draw, project, write."""
    parser = argparse.ArgumentParser(prog="python -m models.convert.stripes", description=__doc__)
    parser.add_argument("--out", type=Path, default=WEIGHTS / "stripes.npz")
    out: Path = parser.parse_args().out
    random = np.random.default_rng(20)
    session = InferenceSession.load("nanodet", ModelsConfig())
    people, vehicles = [], []
    for _ in range(_FIGURES):
        figure = _person(random)
        people.append(
            [
                stripes.features(session, _seen(_draw_person(figure, random), random), upright=True)
                for _ in range(_VIEWS)
            ]
        )
        colour, roof = _cloth(random), random.uniform(0.05, 0.3)
        vehicles.append(
            [
                stripes.features(session, _seen(_draw_vehicle(colour, roof, random), random), upright=False)
                for _ in range(_VIEWS)
            ]
        )
    arrays = {}
    for name, samples in (("person", people), ("vehicle", vehicles)):
        arrays[f"{name}_mean"], arrays[f"{name}_projection"] = discriminants(np.asarray(samples, np.float64))
    halves: dict[str, Any] = {name: array.astype(np.float16) for name, array in arrays.items()}
    np.savez(out, **halves)
    print(f"{out} {out.stat().st_size} bytes sha256 {hashlib.sha256(out.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
