"""What the analytics configuration says, and what follows from it in the metadata stream and the events."""

from firmware.analytics.engine import Engine, EngineSettings, Module, Rule

__all__ = ["Engine", "EngineSettings", "Module", "Rule"]
