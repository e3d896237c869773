"""What every encoder of the camera gives out."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One coded picture, Annex B, parameter sets included at an IDR; times are the frame's."""

    data: bytes
    pts_90k: int
    utc_us: int
    idr: bool
