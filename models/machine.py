"""What this machine can hold: the networks' time, measured here and now, and the profile that follows from it."""

import time
from dataclasses import dataclass, replace

import numpy as np

from models import precision
from models.config import ModelsConfig
from models.profiles import detector_for, looks_with_nanodet
from models.registry import ModelRegistry
from models.runtime import InferenceSession

# Of the time between two pictures vision may take this share; the rest is encoding, masking and air.
_SHARE = 0.5
_ROUNDS = 5
# "jetson" is "tiles" on another provider; measured there by naming the provider.
PROFILES = ("standard", "fine", "tiles", "small", "smallest", "low_power")
# What sees best comes first, as measured on the demo clip (`python -m bench.detect`).
_BEST_FIRST = ("tiles", "fine", "standard", "small", "smallest", "low_power")


@dataclass(frozen=True, slots=True)
class ProfileTiming:
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


def measure(
    config: ModelsConfig, profiles: tuple[str, ...] = PROFILES, rounds: int = _ROUNDS
) -> tuple[ProfileTiming, ...]:
    """Time each of `profiles` that there is in the precision of `config`, on its providers and threads.

    Raises:
        ModelError: a network cannot be trusted, as `models.load` says it.
    """
    registry = ModelRegistry.read()
    exact = InferenceSession.load(precision.FLOAT, config, registry)
    shared = precision.detecting(exact, registry, replace(config, profile=PROFILES[0]))
    picture = np.random.default_rng(1).integers(0, 256, (576, 768, 3), np.uint8)
    timings = []
    for profile in profiles:
        if not looks_with_nanodet(profile) and config.precision == "int8":
            continue
        own = replace(config, profile=profile)
        looking = detector_for(
            shared if looks_with_nanodet(profile) else precision.detecting(exact, registry, own), profile
        )
        looking.detect(picture)
        spent = []
        for _ in range(rounds):
            began_s = time.perf_counter()
            looking.detect(picture)
            spent.append(time.perf_counter() - began_s)
        timings.append(ProfileTiming(profile, 1000 * float(np.median(spent))))
    return tuple(timings)


def advise(timings: tuple[ProfileTiming, ...], rate: float) -> tuple[str, int]:
    """The best profile and the smallest `detect_every` that this machine holds at `rate` pictures a second.

    Finer profiles come first as long as the detector still runs seven times a second, below which identities suffer
    more than a finer picture gives; then coarser ones; then fewer runs of the quickest.
    """
    fit = {timing.profile: timing.pictures_per_s for timing in timings}
    for name in (name for name in _BEST_FIRST if name in fit):
        every = max(1, int(np.ceil(rate / fit[name])))
        if rate / every >= min(7.0, rate):
            return name, every
    quickest = max(fit, key=lambda name: fit[name])
    return quickest, max(1, int(np.ceil(rate / fit[quickest])))
