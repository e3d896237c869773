"""What every encoder of the camera gives out."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One coded picture; times are the frame's.

    Args:
        data: H264 and H265 in Annex B, parameter sets included at an IDR picture; JPEG one whole baseline picture.
        idr: whether decoding can start here; of JPEG every picture.
        encoding: ONVIF's word, `H264`, `H265` or `JPEG`.
    """

    data: bytes
    pts_90k: int
    utc_us: int
    idr: bool
    encoding: str
