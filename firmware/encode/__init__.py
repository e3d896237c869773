"""Encoders of the camera: the masked stream with its recovery payload, and the plain masked sub stream."""
