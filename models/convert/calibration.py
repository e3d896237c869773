"""What a network in eight bits is shown so that its scales fit: a street, parts of it in other light, people close up.

A clip of people far away alone is not enough: nothing in it stirs the coarsest stride, its scales are set too short,
and the score of a person before the camera falls from 0.7 to 0.3. People cut out of the same clip so that they fill the
picture mend that (0.7 again, on a picture that was not shown).
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from models.detector import Detector
from models.rgb import Rgb
from wire.features.vocabulary import ObjectClass

_ZOOMS = (2, 4)
_LIGHT = (0.5, 2.0)
_CLOSE_SIDE_PX = 416
_CLOSE_OF_HEIGHT = (1.05, 1.5)
_CLOSE_SCORE = 0.6
_CLOSE_PER_PICTURE = 3
_CLOSE_GAMMAS = (0.6, 1.0, 1.6)


def pictures(clip: Path, every: int, offset: int = 0) -> Iterator[Rgb]:
    """Every n-th picture of `clip`, RGB."""
    with av.open(str(clip)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number % every == offset:
                yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def scenes(whole: Iterable[Rgb], detector: Detector) -> list[Rgb]:
    """The pictures themselves, windows of them, and the people that `detector` is sure of, close up."""
    random, shown = np.random.default_rng(1), []
    for rgb in whole:
        shown.append(rgb)
        shown += [_window(rgb, zoom, random) for zoom in _ZOOMS]
        found = detector.detect(rgb, _CLOSE_SCORE)
        people = found.boxes[found.classes == ObjectClass.PERSON]
        shown += [_close(rgb, box, random) for box in people[random.permutation(len(people))[:_CLOSE_PER_PICTURE]]]
    return shown


def _window(rgb: Rgb, zoom: int, random: np.random.Generator) -> Rgb:
    height, width = rgb.shape[0] // zoom, rgb.shape[1] // zoom
    y, x = random.integers(rgb.shape[0] - height), random.integers(rgb.shape[1] - width)
    window = rgb[y : y + height, x : x + width] / 255
    return np.asarray(255 * window ** random.uniform(*_LIGHT), np.uint8)


def _close(rgb: Rgb, box: npt.NDArray[np.float32], random: np.random.Generator) -> Rgb:
    """A square around `box`, enlarged, its contrast stretched as that of something near is."""
    half = (box[3] - box[1]) * random.uniform(*_CLOSE_OF_HEIGHT) / 2
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    rows = slice(int(max(y - half, 0)), int(min(y + half, rgb.shape[0])))
    columns = slice(int(max(x - half, 0)), int(min(x + half, rgb.shape[1])))
    large = cv2.resize(rgb[rows, columns], (_CLOSE_SIDE_PX, _CLOSE_SIDE_PX), interpolation=cv2.INTER_CUBIC) / 255.0
    stretched = np.clip((large - large.min()) / max(float(large.max() - large.min()), 0.1), 0, 1)
    return np.asarray(255 * stretched ** random.choice(_CLOSE_GAMMAS), np.uint8)
