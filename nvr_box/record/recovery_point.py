"""Pictures from which a stream can be decoded though they are no IDR pictures: periodic intra refresh.

The recovery point SEI message (ITU-T H.264 D.2.8, H.265 D.3.8: payload type 6) says that the pictures after it become
right. libavformat knows it of H.264; of H.265 it knows IRAP pictures alone, and a camera that refreshes gradually
sends one of those at most at its start.
"""

from typing import Any

from wire import nal
from wire.nal import H264_IDR, H265_PREFIX_SEI, Codec

_RECOVERY_POINT = 6
_LOOK_BYTES = 4096
_IRAP = 16, 23


def is_recovery_point(packet: Any, codec: str) -> bool:
    """Whether decoding may begin at a packet of `codec` that is no key frame to libavformat."""
    if codec != "hevc":
        return False
    data = bytes(memoryview(packet)[:_LOOK_BYTES])
    return any(_says_so(unit) for unit in nal.split(data))


def begins_whole(packet: Any, codec: str) -> bool:
    """Whether a key frame is a whole picture: browsers begin at an IDR (H.265: IRAP) picture and nowhere else."""
    if codec == "h264":
        return any(Codec.H264.nal_type(unit) == H264_IDR for unit in nal.split(bytes(packet)))
    if codec == "hevc":
        return any(_IRAP[0] <= Codec.H265.nal_type(unit) <= _IRAP[1] for unit in nal.split(bytes(packet)))
    return True


def _says_so(unit: bytes) -> bool:
    """Whether the unit is an SEI unit whose first messages have one of a recovery point."""
    if len(unit) < 4 or Codec.H265.nal_type(unit) != H265_PREFIX_SEI:
        return False
    rbsp = nal.unescape(unit[2:])
    at = 0
    while at + 2 < len(rbsp):
        kind, at = _ff_coded(rbsp, at)
        size, at = _ff_coded(rbsp, at)
        if kind == _RECOVERY_POINT:
            return True
        at += size
    return False


def _ff_coded(rbsp: bytes, at: int) -> tuple[int, int]:
    """A number written as bytes 0xFF and a last one (H.265 7.3.5), and where what follows begins."""
    value = 0
    while at < len(rbsp) and rbsp[at] == 0xFF:
        value, at = value + 255, at + 1
    return (value + rbsp[at] if at < len(rbsp) else value), at + 1
