"""The feature packet: who passed, as generic appearance, sealed to the box. The format is in `wire/features.md`."""
