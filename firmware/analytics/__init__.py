"""What the analytics configuration says, and what follows from it in the metadata stream and the events."""

from firmware.analytics.engine import Engine, EngineSettings
from firmware.analytics.modules import Module
from firmware.analytics.rules import Rule

__all__ = ["Engine", "EngineSettings", "Module", "Rule"]
