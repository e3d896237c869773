"""What a person carries, from the detector's own classes: backpack, bag, umbrella.

No training: the network that finds people also knows these things, if only faintly at the size of a passer-by, so it
looks once more at the person alone, enlarged. A score says "seen"; none says nothing, for a bag may be on the far side.
"""

import cv2
import numpy as np
import numpy.typing as npt

from models.appearance import cut
from models.nanodet import NanoDet
from wire.features.vocabulary import Attribute

_HEIGHT_PX = 320
# A bag hangs beside the body, an umbrella is above it.
_MARGIN = np.array([-0.25, -0.2, 0.25, 0.05], np.float32)
_NAMES = {Attribute.BACKPACK: ("backpack",), Attribute.BAG: ("handbag", "suitcase"), Attribute.UMBRELLA: ("umbrella",)}
# Of the mean score over the shots of a passage. Chosen on Market-1501's `fit_ids` so that about 5 % of the people
# carrying nothing are said to: at 64 × 128 pixels scores hardly rise above it, so most carriers are not said to carry
# (`python -m bench.carried` on other people).
SEEN = 0.15


def carried(detector: NanoDet, rgb: npt.NDArray[np.uint8], box: npt.NDArray[np.float32]) -> dict[Attribute, float]:
    """The highest score of each thing on the person in `box` of `rgb`, 0..1.

    Raises:
        ModelError: the box has no area inside the picture, or the network failed.
    """
    width, height = box[2] - box[0], box[3] - box[1]
    crop = cut(rgb, box + _MARGIN * np.array([width, height, width, height], np.float32))
    size = max(round(crop.shape[1] * _HEIGHT_PX / crop.shape[0]), 1), _HEIGHT_PX
    enlarged = np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    scores = detector.strongest(enlarged)
    return {thing: max(scores[name] for name in names) for thing, names in _NAMES.items()}
