"""How much the detector may cost: the profiles that `ModelsConfig.profile` names."""

from models.detector import Detector
from models.runtime import Session

# Longer side of the input, columns and rows of tiles beside the whole picture.
_DETECTOR = {"standard": (416, (1, 1)), "fine": (512, (1, 1)), "tiles": (416, (2, 1)), "low_power": (320, (1, 1)),
             "jetson": (416, (2, 1))}


def detector_for(session: Session, profile: str) -> Detector:
    """The detector of that profile over NanoDet's `session`."""
    long_side, tiles = _DETECTOR[profile]
    return Detector(session, long_side=long_side, tiles=tiles)
