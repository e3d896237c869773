"""The trained appearance network: 64 bytes per person, from one look at the crop and one at its mirror image.

It was trained on pictures that are licensed for research only (`cards/market64.md`), so an operator chooses it by name;
vehicles, which it has never seen, keep the code of "stripes".
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from models.appearance import Encoder, cut, quantised
from models.attributes import told
from models.config import ModelsConfig
from models.registry import Registry
from models.runtime import Floats, Session
from wire.base.errors import ModelError
from wire.features.packet import AppearanceCode
from wire.features.vocabulary import Attribute, ObjectClass

Picture = npt.NDArray[np.uint8]

NAME = "market64"
WIDTH, HEIGHT = 64, 128
EMBEDDING = 256


@dataclass(frozen=True, slots=True)
class Seen:
    """What the network says about n crops.

    Attributes:
        embedding: (n, 256), unit length; what the code is measured against, never sent.
        code: (n, 64), unit length, before it is made bytes.
        attributes: (n, a) logits in the order of the registry entry's `names`.
    """

    embedding: Floats
    code: Floats
    attributes: Floats


def fitted(crop: Picture) -> Picture:
    """(h, w, 3) → (128, 64, 3), averaging when it shrinks."""
    shrinks = crop.shape[0] > HEIGHT or crop.shape[1] > WIDTH
    return np.asarray(cv2.resize(crop, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR))


class AppearanceNet:
    """An `Encoder` for people by the trained network; everything else goes to `others`."""

    def __init__(self, session: Session, others: Encoder) -> None:
        self._session = session
        self._others = others
        self.model = f"{session.entry.name}-{session.entry.version}"

    def see(self, crops: Picture) -> Seen:
        """(n, 128, 64, 3) RGB crops → embedding, code and attributes of each; ModelError when the network fails."""
        images = self._session.normalised(crops)
        both = np.concatenate([images, images[..., ::-1]])
        outputs = self._session.run(both, ("embedding", "code", "attributes"))
        embedding, code, attributes = (first + second for first, second in (np.split(o, 2) for o in outputs))
        return Seen(_unit(embedding), _unit(code), np.asarray(attributes / 2, np.float32))

    def encode(self, rgb: Picture, box: npt.NDArray[np.float32], class_: ObjectClass) -> AppearanceCode:
        """See `models.appearance.Encoder`."""
        if class_ != ObjectClass.PERSON:
            return self._others.encode(rgb, box, class_)
        return quantised(self.model, self.see(fitted(cut(rgb, box))[None]).code[0])

    def attributes(self, rgb: Picture, box: npt.NDArray[np.float32], class_: ObjectClass) -> dict[Attribute, float]:
        """See `models.appearance.Encoder`."""
        if class_ != ObjectClass.PERSON:
            return self._others.attributes(rgb, box, class_)
        return told(self.see(fitted(cut(rgb, box))[None]).attributes[0], self._session.entry.names)

    def encode_crops(self, crops: Picture) -> list[AppearanceCode]:
        """(n, 128, 64, 3) RGB crops of people → their codes, for re-encoding what a box has stored."""
        return [quantised(self.model, code) for code in self.see(crops).code]


def load(config: ModelsConfig, registry: Registry, others: Encoder) -> AppearanceNet:
    """The network out of the registry; ModelError as `Session.load` raises it."""
    return AppearanceNet(Session.load(NAME, config, registry), others)


def _unit(x: Floats) -> Floats:
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    if not lengths.all():
        raise ModelError("an appearance vector without a direction")
    return np.asarray(x / lengths, np.float32)
