"""One picture, encoded."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """Annex B, parameter sets in front of an IDR picture.

    Args:
        data: the whole access unit.
        pts_90k: media time of the picture.
        utc_us: wall clock of its exposure.
        idr: whether decoding can start here.
    """

    data: bytes
    pts_90k: int
    utc_us: int
    idr: bool
