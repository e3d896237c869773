"""What this machine can hold: the networks' time, measured here and now, and the profile that follows from it."""

import time
from dataclasses import dataclass

import numpy as np

from models import precision
from models.config import ModelsConfig
from models.profiles import detector_for
from models.registry import Registry
from models.runtime import Session

# Of the time between two pictures vision may take this share; the rest is encoding, masking and air.
_SHARE = 0.5
_ROUNDS = 5
# "jetson" is "tiles" on another provider; measured there by naming the provider.
_PROFILES = ("standard", "fine", "tiles", "low_power")


@dataclass(frozen=True, slots=True)
class Timing:
    """One profile on this machine.

    Args:
        detect_ms: median wall time of one detector run on a 768 × 576 picture.
        pictures_per_s: detector runs a second that leave half of the time to everything else.
    """

    profile: str
    detect_ms: float

    @property
    def pictures_per_s(self) -> float:
        return _SHARE * 1000 / self.detect_ms


def measure(config: ModelsConfig, profiles: tuple[str, ...] = _PROFILES, rounds: int = _ROUNDS) -> tuple[Timing, ...]:
    """Time each profile with the providers, threads and precision of `config`.

    Raises:
        ModelError: a network cannot be trusted, as `models.load` says it.
    """
    registry = Registry.read()
    session = precision.detecting(Session.load(precision.FLOAT, config, registry), registry, config)
    picture = np.random.default_rng(1).integers(0, 256, (576, 768, 3), np.uint8)
    timings = []
    for profile in profiles:
        looking = detector_for(session, profile)
        looking.detect(picture)
        spent = []
        for _ in range(rounds):
            began_s = time.perf_counter()
            looking.detect(picture)
            spent.append(time.perf_counter() - began_s)
        timings.append(Timing(profile, 1000 * float(np.median(spent))))
    return tuple(timings)


def advise(timings: tuple[Timing, ...], rate: float) -> tuple[str, int]:
    """The best profile and the smallest `detect_every` that this machine holds at `rate` pictures a second.

    Finer profiles come first as long as the detector still runs seven times a second, below which identities suffer
    more than a finer picture gives; then coarser ones; then fewer runs of the coarsest.
    """
    fit = {timing.profile: timing.pictures_per_s for timing in timings}
    order = [name for name in ("tiles", "fine", "standard", "low_power") if name in fit]
    for name in order:
        every = max(1, int(np.ceil(rate / fit[name])))
        if rate / every >= min(7.0, rate):
            return name, every
    return order[-1], max(1, int(np.ceil(rate / fit[order[-1]])))
