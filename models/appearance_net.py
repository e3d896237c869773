"""The trained appearance network: 64 bytes per person, from four looks at the crop: nearer, and both mirrored.

It was trained on pictures that are licensed for research only (`cards/market64.md`), so an operator chooses it by name;
vehicles, which it has never seen, keep the code of "stripes".
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from base.errors import ModelError
from models.appearance import Encoder, cut, quantised
from models.attributes import probabilities
from models.config import ModelsConfig
from models.registry import ModelRegistry
from models.rgb import Rgb
from models.runtime import Floats, InferenceSession
from wire.features.packet import AppearanceCode
from wire.features.vocabulary import Attribute, ObjectClass

NAME = "market64"
WIDTH, HEIGHT = 64, 128
EMBEDDING = 256
# How much of the crop the nearer look sees; a detector's box is never cut the same way twice.
_NEARER = 0.92
_NEARER_MAP = np.array([[_NEARER, 0, (1 - _NEARER) * (WIDTH - 1) / 2], [0, _NEARER, (1 - _NEARER) * (HEIGHT - 1) / 2]])


@dataclass(frozen=True, slots=True)
class CropReadings:
    """What the network says about n crops.

    Attributes:
        embedding: (n, 256), unit length; what the code is measured against, never sent.
        code: (n, 64), unit length, before it is made bytes.
        attributes: (n, a) logits in the order of the registry entry's `names`.
    """

    embedding: Floats
    code: Floats
    attributes: Floats


def fitted(crop: Rgb) -> Rgb:
    """(h, w, 3) → (128, 64, 3), averaging when it shrinks."""
    shrinks = crop.shape[0] > HEIGHT or crop.shape[1] > WIDTH
    return np.asarray(cv2.resize(crop, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR))


def nearer(crop: Rgb) -> Rgb:
    """The middle of a fitted crop at the crop's size."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(crop, _NEARER_MAP, (WIDTH, HEIGHT), flags=flags), np.uint8)


class AppearanceNet:
    """An `Encoder` for people by the trained network; everything else goes to `others`."""

    def __init__(self, session: InferenceSession, others: Encoder) -> None:
        self._session = session
        self._others = others
        self.model = f"{session.entry.name}-{session.entry.version}"
        self.names = session.entry.names

    def read(self, crops: Rgb) -> CropReadings:
        """(n, 128, 64, 3) RGB crops → embedding, code and attributes of each; ModelError when the network fails."""
        looks = self._session.normalised(np.concatenate([crops, np.stack([nearer(crop) for crop in crops])]))
        outputs = self._session.run(np.concatenate([looks, looks[..., ::-1]]), ("embedding", "code", "attributes"))
        embedding, code, attributes = (
            output.reshape(4, len(crops), -1).mean(axis=0, dtype=np.float32) for output in outputs
        )
        return CropReadings(_unit(embedding), _unit(code), attributes)

    def model_of(self, class_: ObjectClass) -> str:
        """See `models.appearance.Encoder`."""
        return self.model if class_ == ObjectClass.PERSON else self._others.model_of(class_)

    def encode(self, rgb: Rgb, box: npt.NDArray[np.float32], class_: ObjectClass) -> AppearanceCode:
        """See `models.appearance.Encoder`."""
        if class_ != ObjectClass.PERSON:
            return self._others.encode(rgb, box, class_)
        return quantised(self.model, self.read(fitted(cut(rgb, box))[None]).code[0])

    def attributes(self, rgb: Rgb, box: npt.NDArray[np.float32], class_: ObjectClass) -> dict[Attribute, float]:
        """See `models.appearance.Encoder`."""
        if class_ != ObjectClass.PERSON:
            return self._others.attributes(rgb, box, class_)
        return probabilities(self.read(fitted(cut(rgb, box))[None]).attributes[0], self.names)

    def encode_crops(self, crops: Rgb) -> list[AppearanceCode]:
        """(n, 128, 64, 3) RGB crops of people → their codes, for re-encoding what a box has stored."""
        return [quantised(self.model, code) for code in self.read(crops).code]


def load(config: ModelsConfig, registry: ModelRegistry, others: Encoder) -> AppearanceNet:
    """The network out of the registry; ModelError as `InferenceSession.load` raises it."""
    return AppearanceNet(InferenceSession.load(NAME, config, registry), others)


def _unit(x: Floats) -> Floats:
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    if not lengths.all():
        raise ModelError("an appearance vector without a direction")
    return np.asarray(x / lengths, np.float32)
