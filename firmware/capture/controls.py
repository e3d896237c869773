"""What a sensor can do about its own picture: brightness and the like done in the sensor or its image processor.

A file has no controls; a sensor advertises those it has. What is not advertised is done on the picture by
`firmware.imaging.adjust`, so that a client sees the same four settings whatever the sensor is.
"""

from collections.abc import Mapping
from typing import Protocol


class SensorControls(Protocol):
    """Any thread may call these while pictures are taken."""

    @property
    def advertised(self) -> frozenset[str]:
        """Names of `firmware.imaging.adjust.Adjustment` fields that this sensor sets itself."""
        ...

    def apply(self, values: Mapping[str, float]) -> None:
        """Set these, each 0..100 with 50 neutral; only advertised names are given. Acts from a following picture on.

        Raises:
            CaptureError: the sensor refuses; the message names the control.
        """
        ...
