"""Text on the masked picture: what it says (`text`) and how it gets there (`overlay`)."""

from firmware.osd.overlay import Overlay
from firmware.osd.text import Kind, Osd, OsdSettings, Position

__all__ = ["Kind", "Osd", "OsdSettings", "Overlay", "Position"]
