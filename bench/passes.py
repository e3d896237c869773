"""One run of the detector over a clip, kept so that every benchmark of vision looks at the same detections.

The cache lies beside the demo clip and is named after the clip, the profile, the weights and the detector's code.
"""

import hashlib
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from bench import clips
from bench.clips import pictures
from firmware.capture.frame import CLOCK_90K
from firmware.vision import size_schedule as turns_code
from firmware.vision.size_schedule import SizeSchedule
from models import detections as boxes_code
from models import detector as detector_code
from models import load, nanodet, oidv4
from models.config import ModelsConfig
from models.detections import Detections
from models.precision import eight_bits
from models.profiles import looks_with_nanodet
from models.registry import ModelRegistry

CACHE = Path.home() / ".cache/veilcam/bench"
LOWEST = 0.05


@dataclass(frozen=True)
class Pass:
    """`found[n]`: what the detector saw in picture n down to 0.05, at its sizes in turn; `cpu_ms`: mean CPU time."""

    clip: Path
    rate: Fraction
    profile: str
    found: list[Detections]
    cpu_ms: float

    def pts_90k(self, number: int) -> int:
        """When picture `number` was taken."""
        return round(number * CLOCK_90K / self.rate)


def run(profile: str, precision: str = "float") -> Pass:
    """The pass of this profile over CLIP=, from the cache when nothing changed."""
    clip = clips.clip_path()
    looks = nanodet if looks_with_nanodet(profile) else oidv4
    name = oidv4.NAME if looks is oidv4 else "nanodet" if precision == "float" else eight_bits()
    network = ModelRegistry.read().entry(name)
    digest = hashlib.sha256(clips.digest(clip))
    for source in (detector_code.__file__, looks.__file__, boxes_code.__file__, turns_code.__file__):
        digest.update(Path(source).read_bytes())
    digest.update(f"{profile} {network.sha256}".encode())
    kept = CACHE / f"{clips.clip_name(clip)}-{profile}-{precision}-{digest.hexdigest()[:16]}.npz"
    if kept.exists():
        with np.load(kept) as z:
            everything, ends = Detections(z["boxes"], z["scores"], z["classes"]), z["ends"]
            found = [everything.where(np.arange(a, b)) for a, b in zip(np.r_[0, ends[:-1]], ends, strict=True)]
            return Pass(clip, clips.rate_of(clip), profile, found, float(z["cpu_ms"]))
    detector = load(ModelsConfig(profile=profile, precision=precision)).detector
    found, spent_s, turns, rate = [], 0.0, SizeSchedule(detector.scales), clips.rate_of(clip)
    for number, rgb in enumerate(pictures(clip, "rgb24")):
        began_s = time.process_time()
        found.append(detector.detect(rgb, LOWEST, turns.next(float(number / rate))))
        turns.record(found[-1])
        spent_s += time.process_time() - began_s
    cpu_ms = 1000 * spent_s / len(found)
    everything = Detections.joined(found)
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        kept,
        boxes=everything.boxes,
        scores=everything.scores,
        classes=everything.classes,
        ends=np.cumsum([len(f) for f in found]),
        cpu_ms=cpu_ms,
    )
    return Pass(clip, clips.rate_of(clip), profile, found, cpu_ms)


class Replayed:
    """A detector that says again what a pass found; called once per picture that it is run on, in order."""

    def __init__(self, done: Pass, every: int = 1) -> None:
        self._found, self._every, self._number = done.found, every, 0

    scales = 1

    def detect(self, _rgb, threshold, _scale=0):
        found = self._found[self._number]
        self._number += self._every
        return found.where(found.scores >= threshold)
