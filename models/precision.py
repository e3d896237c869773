"""In how many bits the detector counts: float, eight, or what this machine is better at.

Eight bits are worth it where the processor multiplies them faster (VNNI, dot-product instructions) and worth little
elsewhere, so "auto" tries both. What the network still knows in eight bits decides first, its speed second.

The eight-bit network has two forms, of the same products: with signed weights, which is the quicker one, and with
unsigned ones for x86 without VNNI, whose instruction for signed weights saturates (measured on one: two people found
where one is, at 512 pixels; with unsigned weights one, with the score that VNNI gives).
"""

import logging
import platform
import time
from pathlib import Path

import numpy as np

from base.errors import ModelError
from models import selftest
from models.config import ModelsConfig
from models.oidv4 import NAME
from models.profiles import detector_for, looks_with_nanodet
from models.registry import ModelRegistry
from models.runtime import InferenceSession

log = logging.getLogger(__name__)

FLOAT, INT8, UINT8 = "nanodet", "nanodet-int8", "nanodet-uint8"
_CPUINFO = Path("/proc/cpuinfo")
_EXACT_X86 = {"avx512_vnni", "avx_vnni"}
# Eight bits must save this much, or the exact network is better.
WORTH = 1.3
_ROUNDS = 4


def eight_bits() -> str:
    """Which form of the eight-bit network this machine's processor computes exactly."""
    if platform.machine() not in {"x86_64", "AMD64"}:
        return INT8
    try:
        lines = _CPUINFO.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return UINT8
    flags = next((set(line.split()) for line in lines if line.startswith("flags")), set())
    return INT8 if flags & _EXACT_X86 else UINT8


def detecting(exact: InferenceSession, registry: ModelRegistry, config: ModelsConfig) -> InferenceSession:
    """The session of the profile's network in the precision that `config` names; `exact` is NanoDet in float.

    Raises:
        ModelError: "int8" is demanded and cannot be trusted or is not there, or weights are not the registry's.
    """
    if not looks_with_nanodet(config.profile):
        if config.precision == "int8":
            raise ModelError(f"the profile {config.profile} has no network in eight bits; precision: float or auto")
        return InferenceSession.load(NAME, config, registry)
    if config.precision == "float" or (config.precision == "auto" and exact.provider != "CPUExecutionProvider"):
        return exact
    small = InferenceSession.load(eight_bits(), config, registry)
    if config.precision == "int8":
        return small
    try:
        selftest.check_detector(detector_for(small, config.profile))
    except ModelError as error:
        log.warning("the detector stays in float: in eight bits %s", error)
        return exact
    gain = speed_up(exact, small, config.profile)
    log.info(
        "the detector takes %s: eight bits are %.1f times as fast here",
        "eight bits" if gain >= WORTH else "float",
        gain,
    )
    return small if gain >= WORTH else exact


def speed_up(exact: InferenceSession, small: InferenceSession, profile: str) -> float:
    """How many times as fast `small` is on this machine's processor."""
    return _seconds(exact, profile) / _seconds(small, profile)


def _seconds(session: InferenceSession, profile: str) -> float:
    """CPU time of the quickest of some runs: what else the machine does must not decide."""
    picture, looking, best_s = np.full((576, 768, 3), 128, np.uint8), detector_for(session, profile), np.inf
    for _ in range(_ROUNDS):
        began_s = time.process_time()
        looking.detect(picture)
        best_s = min(best_s, time.process_time() - began_s)
    return float(best_s)
