"""`python -m models bench [--rate 10] [--threads 1] [--provider NAME]…`: what frame rate this machine can hold."""

import argparse
import sys

from models.config import ModelsConfig
from models.machine import advise, measure
from wire.base.errors import ModelError


def main() -> int:
    """Measure and say which profile to configure; 1 when a network cannot be trusted."""
    parser = argparse.ArgumentParser(prog="python -m models", description=__doc__)
    parser.add_argument("what", choices=["bench"])
    parser.add_argument("--rate", type=float, default=10.0, help="pictures a second of the camera")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--provider", action="append", help="execution provider, most wanted first")
    chosen = parser.parse_args()
    try:
        config = ModelsConfig(threads=chosen.threads, providers=tuple(chosen.provider or ModelsConfig().providers))
        timings = measure(config)
    except (ModelError, ValueError) as error:
        print(f"models: {error}", file=sys.stderr)
        return 1
    print(f"{'profile':<12}{'ms a run':>10}{'runs a second, half the time kept free':>42}")
    for timing in timings:
        print(f"{timing.profile:<12}{timing.detect_ms:>10.1f}{timing.pictures_per_s:>42.1f}")
    profile, every = advise(timings, chosen.rate)
    print(f"\nat {chosen.rate:g} pictures a second:\n")
    print(f'[models]\nprofile = "{profile}"\nthreads = {chosen.threads}\n\n[vision]\ndetect_every = {every}')
    return 0


if __name__ == "__main__":
    sys.exit(main())
