"""Passages in words and codes: best shot, appearance code, colours, feature packet."""

from firmware.describe.describer import Describer

__all__ = ["Describer"]
