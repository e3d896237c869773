"""Objects in the picture: detection, tracking and faces, one `FrameDetections` per picture."""

from firmware.vision.settings import VisionSettings
from firmware.vision.stage import VisionStage

__all__ = ["VisionSettings", "VisionStage"]
