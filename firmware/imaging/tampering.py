"""Has a hand, a torch or a spray can been put to the camera, or has it been turned away?

ONVIF Imaging Service 26.06, 6 (events ImageTooDark, ImageTooBright, ImageTooBlurry, GlobalSceneChange). A pure state
machine over small luma pictures: media time is passed in, nothing is published here.

Each condition must last before it is reported and must be over for as long before it is taken back, and the thresholds
of coming and going differ, so that a cloud or a passing lorry says nothing.
"""

from dataclasses import dataclass, field
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware.capture.frame import CLOCK_90K

_WIDTH = 160  # of the picture that is examined; height in proportion
_PERIOD_90K = CLOCK_90K // 2
_HOLD_90K = 2 * CLOCK_90K
_DARK, _LIT = 30.0, 42.0  # mean luma, 16 is black
_BRIGHT, _EASED = 220.0, 205.0
_BLURRY, _SHARP = 0.30, 0.50  # of the usual sharpness
_MOVED, _SETTLED = 0.35, 0.60  # correlation with the usual scene
_USUAL_S = 60.0  # how slowly "usual" follows
_RELEARN_90K = 30 * CLOCK_90K
_ENOUGH = 8  # looks before "usual" means anything
_FLAT = 8.0  # standard deviation of luma below which there is nothing to be sharp about

Luma = NDArray[np.uint8]


class TamperingKind(StrEnum):
    """What may be wrong, by the topic that reports it."""

    TOO_DARK = "ImageTooDark"
    TOO_BRIGHT = "ImageTooBright"
    TOO_BLURRY = "ImageTooBlurry"
    SCENE_CHANGE = "GlobalSceneChange"


@dataclass(frozen=True, slots=True)
class Change:
    """One condition began or ended."""

    kind: TamperingKind
    state: bool


@dataclass(slots=True)
class _Held:
    """A condition with hysteresis in time."""

    state: bool = False
    since_90k: int | None = None

    def update(self, raised: bool, pts_90k: int) -> bool:  # noqa: FBT001  # the measured state itself
        """Take one measurement; whether the held state changed."""
        if raised == self.state:
            self.since_90k = None
            return False
        if self.since_90k is None:
            self.since_90k = pts_90k
        if pts_90k - self.since_90k < _HOLD_90K:
            return False
        self.state, self.since_90k = raised, None
        return True


@dataclass(slots=True)
class Tampering:
    """One camera's watch. One thread."""

    _held: dict[TamperingKind, _Held] = field(default_factory=lambda: {kind: _Held() for kind in TamperingKind})
    _next_90k: int = 0
    _usual_sharpness: float = 0.0
    _usual_scene: NDArray[np.float32] | None = None
    _looks: int = 0
    _odd_since_90k: int | None = None

    def update(self, luma: Luma, pts_90k: int) -> tuple[Change, ...]:
        """Take one picture, examine two a second, and return what changed.

        Args:
            luma: (h, w) uint8 of the picture as the sensor gives it.
            pts_90k: its media time, strictly rising.
        """
        if pts_90k < self._next_90k:
            return ()
        self._next_90k = pts_90k + _PERIOD_90K
        height = max(16, round(luma.shape[0] * _WIDTH / luma.shape[1]))
        small = np.asarray(cv2.resize(luma, (_WIDTH, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
        mean, spread = float(small.mean()), float(small.std())
        raised = {
            TamperingKind.TOO_DARK: mean < (_LIT if self.state(TamperingKind.TOO_DARK) else _DARK),
            TamperingKind.TOO_BRIGHT: mean > (_EASED if self.state(TamperingKind.TOO_BRIGHT) else _BRIGHT),
        }
        blinded = raised[TamperingKind.TOO_DARK] or raised[TamperingKind.TOO_BRIGHT]
        raised[TamperingKind.TOO_BLURRY] = self._blurry(luma, spread, blinded=blinded)
        raised[TamperingKind.SCENE_CHANGE] = self._moved(small, pts_90k, blinded=blinded)
        return tuple(
            Change(kind, raised[kind]) for kind in TamperingKind if self._held[kind].update(raised[kind], pts_90k)
        )

    def state(self, kind: TamperingKind) -> bool:
        return self._held[kind].state

    def _blurry(self, luma: Luma, spread: float, *, blinded: bool) -> bool:
        if blinded or spread < _FLAT:
            return self.state(TamperingKind.TOO_BLURRY) and not blinded
        # Fine detail relative to the picture's contrast, on the full picture: what defocus takes away first.
        detail = cv2.Laplacian(luma, cv2.CV_16S, ksize=1)
        sharpness = float(np.abs(detail).mean()) / spread
        if self._looks < _ENOUGH:
            self._usual_sharpness = max(self._usual_sharpness, sharpness)
            return False
        blurry = sharpness < self._usual_sharpness * (_SHARP if self.state(TamperingKind.TOO_BLURRY) else _BLURRY)
        if not blurry:
            self._usual_sharpness += (sharpness - self._usual_sharpness) * 0.5 / _USUAL_S
        return blurry

    def _moved(self, small: Luma, pts_90k: int, *, blinded: bool) -> bool:
        if blinded:
            return self.state(TamperingKind.SCENE_CHANGE)
        scene = np.asarray(cv2.resize(small, (32, 24), interpolation=cv2.INTER_AREA), dtype=np.float32)
        # Light changes scale and shift the whole picture; without mean and size only its layout remains.
        scene -= scene.mean()
        scene /= max(1.0, float(np.linalg.norm(scene)))
        self._looks += 1
        if self._usual_scene is None or self._looks < _ENOUGH:
            self._usual_scene = scene if self._usual_scene is None else np.float32(0.5) * (self._usual_scene + scene)
            return False
        likeness = float((scene * self._usual_scene).sum()) / max(1e-6, float(np.linalg.norm(self._usual_scene)))
        odd = likeness < (_SETTLED if self.state(TamperingKind.SCENE_CHANGE) else _MOVED)
        if not odd:
            self._odd_since_90k = None
            self._usual_scene += (scene - self._usual_scene) * np.float32(0.5 / _USUAL_S)
        elif self._odd_since_90k is None:
            self._odd_since_90k = pts_90k
        elif pts_90k - self._odd_since_90k >= _RELEARN_90K:
            # The new view has stayed: it is the usual one from now on.
            self._usual_scene, self._odd_since_90k = scene, None
            return False
        return odd
