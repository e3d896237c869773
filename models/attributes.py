"""From the network's clothing logits to the closed list of attributes.

A hat is rare where the network was trained, a short sleeve the rule; on another site the shares differ. So the share
of the training people is taken out of each logit: what is left weighs both answers as equally likely beforehand.
Measured by `python -m bench.attributes`, balanced accuracy and calibration alike.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from models.runtime import Floats
from wire.features.vocabulary import Attribute

# Data set label → attribute, whether the label's "yes" is the attribute's second choice, and its share in training.
_LABELS: dict[str, tuple[Attribute, bool, float]] = {
    "up": (Attribute.SLEEVE, False, 616 / 650),
    "down": (Attribute.LOWER_LENGTH, False, 394 / 650),
    "hair": (Attribute.HAIR_LENGTH, True, 214 / 650),
    "hat": (Attribute.HAT, True, 20 / 650),
    "backpack": (Attribute.BACKPACK, True, 175 / 650),
}
# Two labels of one attribute: a person carries a bag when either is seen.
_BAGS = {"bag": 161 / 650, "handbag": 75 / 650}


def probabilities(logits: Floats, names: Sequence[str]) -> dict[Attribute, float]:
    """(a,) logits in the order of `names` → probability of the second of each attribute's two choices."""
    logit: Mapping[str, float] = dict(zip(names, logits.astype(float), strict=True))
    found = {}
    for label, (attribute, second, share) in _LABELS.items():
        yes = _probability(logit[label], share)
        found[attribute] = yes if second else 1 - yes
    found[Attribute.BAG] = max(_probability(logit[label], share) for label, share in _BAGS.items())
    return found


def _probability(logit: float, share: float) -> float:
    return float(1 / (1 + np.exp(-(logit - np.log(share / (1 - share))))))
