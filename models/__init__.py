"""What camera and box see with, identically: `load(config)` gives the networks, proven and tested.

The arrays are RGB, (height, width, 3), 0..255, boxes are x0 y0 x1 y1 in pixels. One `Models` is used by one thread.
"""

from dataclasses import dataclass
from types import ModuleType

from models import colours, selftest
from models.appearance import Encoder, similarity
from models.config import ModelsConfig
from models.detections import Detections
from models.detector import Detector
from models.encoders import encoder
from models.faces import Faces
from models.profiles import detector_for
from models.registry import Registry
from models.runtime import Session

__all__ = ["Detections", "Models", "ModelsConfig", "load", "similarity"]


@dataclass(frozen=True, slots=True)
class Models:
    """The networks of one process; `provider` is what they really run on."""

    detector: Detector
    faces: Faces
    appearance: Encoder
    colours: ModuleType
    provider: str

    def self_test(self) -> None:
        """Ask for known answers; ModelError when one is wrong."""
        selftest.run(self.detector, self.faces, self.appearance)


def load(config: ModelsConfig | None = None, registry: Registry | None = None) -> Models:
    """The networks that `config` chooses, self-tested.

    Raises:
        ModelError: a file is missing, truncated, swapped or of another version, no wanted provider is there, or a
            network answers wrongly; the message is for the operator.
    """
    config = config or ModelsConfig()
    registry = registry or Registry.read()
    session = Session.load("nanodet", config, registry)
    models = Models(detector_for(session, config.profile), Faces(Session.load("centerface", config, registry)),
                    encoder(session, registry, config), colours, session.provider)
    models.self_test()
    return models
