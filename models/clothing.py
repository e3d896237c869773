"""Clothing colours when the trained network is chosen: its opinion and that of the recipe, half and half.

The recipe (`models.colours`) sees the pixels' colour, the network what kind of garment it is: jeans stay blue when they
look grey. Neither is believed where there is no light to see by.
"""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from models import colours
from models.appearance import cut
from models.appearance_net import AppearanceNet, fitted
from models.rendition import USUAL, Rendition
from models.rgb import Rgb
from models.runtime import Floats
from wire.features.packet import ColourShare
from wire.features.vocabulary import BodyPart, Colour, ObjectClass

# The labels of each garment, their colour, and how many of the 650 people of the training wore it.
_WORDS: dict[BodyPart, dict[str, tuple[Colour, int]]] = {
    BodyPart.UPPER: {
        "upblack": (Colour.BLACK, 94),
        "upwhite": (Colour.WHITE, 197),
        "upgray": (Colour.GREY, 78),
        "upred": (Colour.RED, 66),
        "upyellow": (Colour.YELLOW, 32),
        "upgreen": (Colour.GREEN, 50),
        "upblue": (Colour.BLUE, 42),
        "uppurple": (Colour.PURPLE, 23),
    },
    BodyPart.LOWER: {
        "downblack": (Colour.BLACK, 249),
        "downwhite": (Colour.WHITE, 51),
        "downgray": (Colour.GREY, 105),
        "downyellow": (Colour.YELLOW, 10),
        "downgreen": (Colour.GREEN, 13),
        "downblue": (Colour.BLUE, 108),
        "downpurple": (Colour.PURPLE, 2),
        "downpink": (Colour.PINK, 26),
        "downbrown": (Colour.BROWN, 60),
    },
}
_PEOPLE = 650
# Added to each count, so that a colour that two people wore is not believed three hundred times over.
_DOUBT = 5
_LEAST_SHARE = 0.15
_MOST = 3


class Colours(Protocol):
    """Says which colours an object has; see `models.colours.describe`."""

    def describe(
        self,
        rgb: Rgb,
        box: npt.NDArray[np.float32],
        class_: ObjectClass,
        mask: npt.NDArray[np.bool_] | None = None,
        rendition: Rendition = USUAL,
    ) -> tuple[ColourShare, ...]: ...


class Clothes:
    """`Colours` for people by recipe and network together; everything else by the recipe alone."""

    def __init__(self, net: AppearanceNet) -> None:
        self._net = net

    def describe(
        self,
        rgb: Rgb,
        box: npt.NDArray[np.float32],
        class_: ObjectClass,
        mask: npt.NDArray[np.bool_] | None = None,
        rendition: Rendition = USUAL,
    ) -> tuple[ColourShare, ...]:
        """See `models.colours.describe`; raises ModelError also when the network fails."""
        measured = colours.describe(rgb, box, class_, mask, rendition)
        if class_ != ObjectClass.PERSON or all(share.colour == Colour.UNKNOWN for share in measured):
            return measured
        logits = self._net.read(fitted(cut(rgb, box))[None]).attributes[0]
        return joined(measured, opinion(logits, self._net.names))


def opinion(logits: Floats, names: tuple[str, ...]) -> dict[BodyPart, Floats]:
    """(a,) logits in the order of `names` → (colours,) probabilities for each garment; none is likelier beforehand."""
    logit = dict(zip(names, logits.astype(float), strict=True))
    found = {}
    for part, words in _WORDS.items():
        weight = np.zeros(len(Colour))
        for word, (colour, wearers) in words.items():
            share = (wearers + _DOUBT) / (_PEOPLE + _DOUBT)
            weight[colour] = np.exp(np.clip(logit[word] - np.log(share / (1 - share)), -30, 30))
        found[part] = np.asarray(weight / weight.sum(), np.float32)
    return found


def joined(measured: tuple[ColourShare, ...], thought: dict[BodyPart, Floats]) -> tuple[ColourShare, ...]:
    """The mean of both, up to three colours per part; parts unknown to the network stay as they were measured."""
    shares: list[ColourShare] = []
    for part in dict.fromkeys(share.part for share in measured):
        mine = [share for share in measured if share.part == part]
        if part not in thought or mine[0].colour == Colour.UNKNOWN:
            shares += mine
            continue
        mass = thought[part] / 2
        for share in mine:
            mass[share.colour] += share.share / 2
        ranked = [int(i) for i in np.argsort(-mass, kind="stable")[:_MOST] if mass[i] >= _LEAST_SHARE]
        shares += [ColourShare(part, Colour(i), float(mass[i])) for i in ranked]
    return tuple(shares)
