"""How one camera shows people's clothes, learnt while they pass and without a label.

Cameras differ in saturation and exposure more than crowds differ in what they wear: twice the chroma of its neighbour
and a camera calls grey coats blue. The middle chroma and lightness of all the cloth that it saw say how far it is from
the usual camera; colours are taken most of the way back before they are named.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Lab = npt.NDArray[np.float32]

# How much of the way back: chosen on the clothes of the 650 people of Market-1501's `fit_ids`, six cameras.
_CHROMA_SHARE, _LIGHTNESS_SHARE = 0.8, 0.7
# One look in so many is forgotten: light and seasons change. So many looks are believed by half.
_FORGET = 1 / 1000
_DOUBT = 20.0
_CHROMA_STEP, _LIGHTNESS_STEP, _STEPS = 0.25, 0.5, 240


@dataclass(frozen=True, slots=True)
class Rendition:
    """Middle chroma and lightness of people's clothes as a camera shows them, CIELAB (L 0..100)."""

    chroma: float
    lightness: float

    @property
    def factors(self) -> tuple[float, float, float]:
        """What L, a and b of this camera are to be multiplied by before they are named."""
        chroma = (USUAL.chroma / self.chroma) ** _CHROMA_SHARE
        return (USUAL.lightness / self.lightness) ** _LIGHTNESS_SHARE, chroma, chroma


USUAL = Rendition(chroma=5.0, lightness=38.0)


class Renditions:
    """What is known of one camera; one thread."""

    def __init__(self) -> None:
        self._chroma, self._lightness = np.zeros(_STEPS), np.zeros(_STEPS)
        self._looks = 0.0

    def learn(self, cloth: Lab) -> None:
        """A person passed in daylight or under lamps; `cloth` (..., 3) is what they wear in CIELAB."""
        pixels, keep = cloth.reshape(-1, 3), 1 - _FORGET
        self._chroma = self._chroma * keep + _counted(np.hypot(pixels[:, 1], pixels[:, 2]), _CHROMA_STEP)
        self._lightness = self._lightness * keep + _counted(pixels[:, 0], _LIGHTNESS_STEP)
        self._looks = self._looks * keep + 1

    @property
    def now(self) -> Rendition:
        """The usual one at first."""
        if not self._looks:
            return USUAL
        believed = self._looks / (self._looks + _DOUBT)
        return Rendition(
            USUAL.chroma * (_middle(self._chroma, _CHROMA_STEP) / USUAL.chroma) ** believed,
            USUAL.lightness * (_middle(self._lightness, _LIGHTNESS_STEP) / USUAL.lightness) ** believed,
        )


def _counted(values: npt.NDArray[np.float32], step: float) -> npt.NDArray[np.float64]:
    """The share of the values in each step."""
    steps = (values / step).clip(0, _STEPS - 1).astype(int)
    return np.bincount(steps, minlength=_STEPS) / len(steps)


def _middle(counted: npt.NDArray[np.float64], step: float) -> float:
    """The median of what was counted in steps."""
    below = np.cumsum(counted)
    return float((np.searchsorted(below, below[-1] / 2) + 0.5) * step)
