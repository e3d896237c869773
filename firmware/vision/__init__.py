"""Objects in the picture: detection, tracking and faces, one `Sight` per picture."""

from firmware.vision.eyes import Eyes
from firmware.vision.settings import VisionSettings

__all__ = ["Eyes", "VisionSettings"]
