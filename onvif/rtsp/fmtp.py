"""The `a=fmtp` values of H.264 and H.265: what a decoder can be set up with before the first picture.

RFC 6184 §8.1 (profile-level-id, sprop-parameter-sets), RFC 7798 §7.1 (sprop-vps, sprop-sps, sprop-pps).
"""

import base64
import binascii
import re
from collections.abc import Sequence

_SETS = re.compile(r"sprop-parameter-sets=([A-Za-z0-9+/=]+)")
_H264_SPS, _H265_NAMES = 7, {32: "sprop-vps", 33: "sprop-sps", 34: "sprop-pps"}


def fmtp(codec: str, parameter_sets: Sequence[bytes]) -> str:
    """The value without its payload type; empty where there is nothing to say.

    Args:
        codec: `H264` or `H265`.
        parameter_sets: NAL units without start codes, in the order of the stream.
    """
    if codec == "H264":
        sets = ",".join(base64.b64encode(unit).decode() for unit in parameter_sets)
        text = "packetization-mode=1" + (f";sprop-parameter-sets={sets}" if sets else "")
        return with_profile_level_id(text)
    named = ((_H265_NAMES.get(unit[0] >> 1 & 0x3F), unit) for unit in parameter_sets if unit)
    return ";".join(f"{name}={base64.b64encode(unit).decode()}" for name, unit in named if name)


def with_profile_level_id(value: str) -> str:
    """An H.264 value with the profile and level that its own parameter set has; any other as it is."""
    found = _SETS.search(value)
    if found is None or "profile-level-id" in value:
        return value
    # Two sets joined by a comma: the pattern stops there, and the first is the SPS.
    try:
        sps = base64.b64decode(found[1], validate=True)
    except binascii.Error:
        return value
    if len(sps) < 4 or sps[0] & 0x1F != _H264_SPS:
        return value
    return value.replace("sprop-parameter-sets", f"profile-level-id={sps[1:4].hex()};sprop-parameter-sets", 1)
