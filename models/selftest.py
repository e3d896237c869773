"""Known answers on a packaged picture, checked before the first real one.

A network can be intact and still be blind: a provider that rounds wrongly, a driver that returns zeros. Then no one
would be found and no one masked. The picture, a portrait out of "Great Images in NASA" (public domain), has one person
and one face.
"""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from base.errors import ModelError
from models.appearance import Encoder, similarity
from models.detections import ious
from models.detector import OBJECT_THRESHOLD, Detector
from models.faces import Faces
from wire.features.vocabulary import ObjectClass

PICTURE = Path(__file__).parent / "selftest.jpg"
# In pixels of the picture, found by the float32 networks on a CPU; other providers may move them a little.
_PERSON = np.array([[9, 9, 228, 318]], np.float32)
_FACE = np.array([[113, 42, 169, 110]], np.float32)
_MINIMUM_IOU = 0.7
_MINIMUM_SCORE = 0.6
# One person in two crops must resemble itself more than it resembles the empty corner of the picture.
_SHIFTED = np.array([14, 14, 224, 318], np.float32)
_CORNER = np.array([230, 0, 320, 120], np.float32)
_SAME, _OTHER = 0.7, 0.5


def picture() -> npt.NDArray[np.uint8]:
    """The packaged picture, (320, 320, 3) RGB; ModelError when it is not there."""
    bgr = cv2.imread(str(PICTURE), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ModelError(f"self-test: {PICTURE} cannot be read")
    return np.asarray(bgr[..., ::-1], np.uint8)


def run(detector: Detector, faces: Faces, appearance: Encoder) -> None:
    """Ask every network what it must know.

    Raises:
        ModelError: naming the network and what it answered.
    """
    check_detector(detector)
    rgb = picture()
    heads = faces.on_bodies(rgb, _PERSON)
    if len(heads) != 1 or ious(heads, _FACE)[0, 0] < _MINIMUM_IOU:
        raise ModelError(
            "self-test: the face detector must find one face in the known picture, it found "
            f"{[[round(float(v)) for v in box] for box in heads]}"
        )
    check_appearance(appearance)


def check_appearance(appearance: Encoder) -> None:
    """The encoder's part of `run`: one person resembles itself, and nothing.

    Raises:
        ModelError: what it answered.
    """
    rgb = picture()
    codes = [appearance.encode(rgb, box, ObjectClass.PERSON) for box in (_PERSON[0], _SHIFTED, _CORNER)]
    same, other = similarity(codes[0], codes[1]), similarity(codes[0], codes[2])
    if same < _SAME or other > _OTHER:
        raise ModelError(f"self-test: appearance codes of one person are {same:.2f} alike, of nothing {other:.2f}")


def check_detector(detector: Detector) -> None:
    """The detector's part of `run`, at each of its sizes: a person, once, in place; nothing in the dark or in glare.

    Raises:
        ModelError: what it answered.
    """
    rgb = picture()
    for scale in range(detector.scales):
        _check_detector(detector, rgb, scale)


def _check_detector(detector: Detector, rgb: npt.NDArray[np.uint8], scale: int) -> None:
    found = detector.detect(rgb, OBJECT_THRESHOLD, scale)
    people = found.where(found.classes == ObjectClass.PERSON)
    if len(people) != 1 or ious(people.boxes, _PERSON)[0, 0] < _MINIMUM_IOU or people.scores[0] < _MINIMUM_SCORE:
        raise ModelError(
            "self-test: the detector must find one person in the known picture, it found "
            f"{[[round(float(v)) for v in box] for box in people.boxes]}, "
            f"scores {people.scores.round(2).tolist()}"
        )
    for value, name in ((0, "black"), (255, "white")):
        if len(detector.detect(np.full_like(rgb, value), OBJECT_THRESHOLD, scale)):
            raise ModelError(f"self-test: the detector sees objects in a {name} picture")
