"""The feature packet: one passage as generic appearance, sealed to the box. The format is in `wire/features.md`."""
