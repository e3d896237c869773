"""Text on the masked picture: what it says (`text`) and how it gets there (`overlay`)."""

from firmware.osd.overlay import Overlay
from firmware.osd.text import Osd, OsdPosition, OsdSettings, OsdTextKind

__all__ = ["Osd", "OsdPosition", "OsdSettings", "OsdTextKind", "Overlay"]
