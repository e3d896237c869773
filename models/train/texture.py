"""The table of `models/texture.py`: `python -m models.train.texture`, a minute, no data.

Multinomial logistic regression of the seven numbers on drawn clothes; the three textures weigh the same in the fit, and
plain is made e times as likely afterwards, so that a fold more or less does not make a pattern.
"""

import numpy as np

from models.texture import measured
from models.train.garments import draw
from wire.features.vocabulary import BodyPart

PICTURES = 1500
ROUNDS, RATE, MOMENTUM, DECAY = 3000, 0.5, 0.9, 1e-3
PLAIN_BEFOREHAND = 1.0


def samples(seeds) -> tuple[np.ndarray, np.ndarray]:
    """(n, 7) numbers and (n,) textures of what the pictures of `seeds` wear."""
    rows, truth = [], []
    for seed in seeds:
        seen = draw(seed)
        for part, kind in ((BodyPart.UPPER, seen.upper), (BodyPart.LOWER, seen.lower)):
            numbers = measured(seen.rgb, seen.box, part)
            if numbers is not None:
                rows.append(numbers)
                truth.append(kind)
    return np.array(rows), np.array(truth)


def fit(numbers: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (7, 3) and start (3,) for unscaled numbers; their sum over the textures is zero."""
    mean, deviation = numbers.mean(axis=0), numbers.std(axis=0)
    scaled = np.c_[(numbers - mean) / deviation, np.ones(len(numbers))]
    wanted, share = np.eye(3)[truth], 1 / np.bincount(truth)[truth]
    share = (share / share.sum())[:, None]
    table, speed = np.zeros((scaled.shape[1], 3)), np.zeros((scaled.shape[1], 3))
    for _ in range(ROUNDS):
        odds = np.exp(scaled @ table)
        slope = scaled.T @ ((odds / odds.sum(axis=1, keepdims=True) - wanted) * share)
        slope[:-1] += DECAY * table[:-1]
        speed = MOMENTUM * speed - RATE * slope
        table += speed
    weights = table[:-1] / deviation[:, None]
    start = table[-1] - mean @ weights + PLAIN_BEFOREHAND * np.eye(3)[0]
    return weights - weights.mean(axis=1, keepdims=True), start - start.mean()


def main() -> None:
    weights, start = fit(*samples(range(PICTURES)))
    print(f"_WEIGHTS = {weights.round(2).tolist()}\n_START = {start.round(2).tolist()}")


if __name__ == "__main__":
    main()
