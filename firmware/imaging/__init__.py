"""The picture before any other use: adjusted as the imaging service is set, and watched for tampering."""

from firmware.imaging.adjust import Adjuster, Adjustment
from firmware.imaging.sensor import Sensor
from firmware.imaging.tampering import Tampering

__all__ = ["Adjuster", "Adjustment", "Sensor", "Tampering"]
