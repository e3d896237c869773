"""What camera and box see with, identically: `load(config)` gives the networks, proven and tested.

The arrays are RGB, (height, width, 3), 0..255, boxes are x0 y0 x1 y1 in pixels. One `Models` is used by one thread.
"""

from dataclasses import dataclass

from models import colours, precision, selftest
from models.appearance import Encoder, similarity
from models.appearance_net import AppearanceNet
from models.clothing import Clothes, Colours
from models.config import ModelsConfig
from models.detections import Detections
from models.detector import Detector
from models.encoders import encoder
from models.faces import Faces
from models.nanodet import NanoDet
from models.profiles import detector_for
from models.registry import ModelRegistry
from models.runtime import InferenceSession

__all__ = ["Detections", "Encoder", "Models", "ModelsConfig", "load", "load_appearance", "similarity"]


@dataclass(frozen=True, slots=True)
class Models:
    """The networks of one process; `provider` is what they really run on.

    `things` knows what people carry, whatever network finds the people.
    """

    detector: Detector
    things: NanoDet
    faces: Faces
    appearance: Encoder
    colours: Colours
    provider: str

    def self_test(self) -> None:
        """Ask for known answers; ModelError when one is wrong."""
        selftest.run(self.detector, self.faces, self.appearance)


def load(config: ModelsConfig | None = None, registry: ModelRegistry | None = None) -> Models:
    """The networks that `config` chooses, self-tested.

    Raises:
        ModelError: a file is missing, truncated, swapped or of another version, no wanted provider is there, or a
            network answers wrongly; the message is for the operator.
    """
    config = config or ModelsConfig()
    registry = registry or ModelRegistry.read()
    # The appearance code pools the exact network's features, whatever the detector counts in: codes of one model must
    # agree between machines.
    exact = InferenceSession.load(precision.FLOAT, config, registry)
    detector = detector_for(precision.detecting(exact, registry, config), config.profile)
    things = detector if isinstance(detector, NanoDet) else NanoDet(exact)
    appearance = encoder(exact, registry, config)
    clothes = Clothes(appearance) if isinstance(appearance, AppearanceNet) else colours
    faces = Faces(InferenceSession.load("centerface", config, registry))
    models = Models(detector, things, faces, appearance, clothes, exact.provider)
    models.self_test()
    return models


def load_appearance(config: ModelsConfig | None = None, registry: ModelRegistry | None = None) -> Encoder:
    """The appearance encoder of `load` alone, self-tested: for codes of pictures in which a person was found before.

    Raises:
        ModelError: as `load`.
    """
    config = config or ModelsConfig()
    registry = registry or ModelRegistry.read()
    appearance = encoder(InferenceSession.load(precision.FLOAT, config, registry), registry, config)
    selftest.check_appearance(appearance)
    return appearance
