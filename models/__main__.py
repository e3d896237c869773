"""What frame rate this machine can hold: `python -m models bench [--rate 10] [--threads 1] [--provider NAME]…`.

Every profile is timed in float and, where its network has them, in eight bits; in eight bits only after the network has
proven that it still sees.
"""

import argparse
import sys
from dataclasses import replace

from base.errors import ModelError
from models.config import ModelsConfig
from models.machine import PROFILES, advise, measure
from models.precision import FLOAT, WORTH, eight_bits, speed_up
from models.runtime import InferenceSession


def main() -> int:
    """Measure and say which profile to configure; 1 when a network cannot be trusted."""
    parser = argparse.ArgumentParser(prog="python -m models", description=__doc__)
    parser.add_argument("what", choices=["bench"])
    parser.add_argument("--rate", type=float, default=10.0, help="pictures a second of the camera")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--provider", action="append", help="execution provider, most wanted first")
    parser.add_argument("--profile", action="append", choices=PROFILES, help="time this one; all when none is named")
    chosen = parser.parse_args()
    try:
        config = ModelsConfig(threads=chosen.threads, providers=tuple(chosen.provider or ModelsConfig().providers))
        profiles = tuple(chosen.profile or PROFILES)
        found = {name: measure(replace(config, precision=name), profiles) for name in ("float", "int8")}
        exact, small = (InferenceSession.load(name, config) for name in (FLOAT, eight_bits()))
        gain = speed_up(exact, small, config.profile)
    except (ModelError, ValueError) as error:
        print(f"models: {error}", file=sys.stderr)
        return 1
    print(f"{'profile':<12}{'precision':<12}{'ms a run':>10}{'runs a second, half the time kept free':>42}")
    for name, timings in found.items():
        for timing in timings:
            print(f"{timing.profile:<12}{name:<12}{timing.detect_ms:>10.1f}{timing.pictures_per_s:>42.1f}")
    precision = "int8" if gain >= WORTH else "float"
    candidates = {timing.profile: timing for timing in (*found["float"], *found[precision])}
    profile, every = advise(tuple(candidates.values()), chosen.rate)
    if profile not in {timing.profile for timing in found[precision]}:
        precision = "float"
    print(f"\neight bits are {gain:.1f} times as fast here")
    print(f"\nat {chosen.rate:g} pictures a second:\n")
    print(f'[models]\nprofile = "{profile}"\nprecision = "{precision}"\nthreads = {chosen.threads}\n')
    print(f"[vision]\ndetect_every = {every}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
