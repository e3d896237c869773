"""Zones on the macroblock grid: where everything is always covered, and where nothing is."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware.mask.grid import MB, BitGrid
from firmware.mask.settings import Fill, MaskSettings


@dataclass(frozen=True, slots=True)
class ZoneGrids:
    """What the zones say of each macroblock, (rows, columns).

    Args:
        always: the fill that covers it, `Fill.CLEAR` outside of all zones.
        never: True where nothing is masked.
    """

    always: NDArray[np.uint8]
    never: BitGrid

    @staticmethod
    def of(settings: MaskSettings, columns: int, rows: int) -> "ZoneGrids":
        """A macroblock that an `always` zone touches is covered; one that lies wholly in a `never` zone is not."""
        always, never = np.zeros((rows, columns), np.uint8), np.zeros((rows, columns), np.bool_)
        for zone in settings.zones:
            corners = np.array(zone.corners).reshape(-1, 2) * (columns * MB, rows * MB)
            fine = np.zeros((rows * MB, columns * MB), np.uint8)
            cv2.fillPoly(fine, [np.round(corners).astype(np.int32)], 1)
            share = fine.reshape(rows, MB, columns, MB).mean(axis=(1, 3))
            if zone.rule == "never":
                never |= share == 1
            else:
                fill = Fill.of(zone.pattern or settings.pattern, zone.level or settings.level)
                always[share > 0] = np.maximum(always[share > 0], fill)
        return ZoneGrids(always, never)
