"""Our colour words in the metadata stream: what each looks like, and where ONVIF puts it.

tt:Color wants numbers; these are the middles of the eleven basic colour terms, not measurements. Nothing is said of a
part whose colour cannot be told.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from onvif.metadata import Colour as Cluster
from onvif.metadata import Object
from wire.features.packet import ColourShare
from wire.features.vocabulary import Colour, Part

RGB: Mapping[Colour, tuple[int, int, int]] = {
    Colour.BLACK: (20, 20, 20), Colour.WHITE: (240, 240, 240), Colour.GREY: (128, 128, 128),
    Colour.RED: (200, 30, 40), Colour.ORANGE: (240, 140, 30), Colour.YELLOW: (240, 220, 50),
    Colour.GREEN: (40, 140, 60), Colour.BLUE: (40, 80, 190), Colour.PURPLE: (130, 60, 160),
    Colour.PINK: (240, 150, 180), Colour.BROWN: (120, 75, 45),
}  # fmt: skip


def coloured(seen: Object, shares: Iterable[ColourShare]) -> Object:
    """The object with what is known of its colours: clothing of a human body, paint of a vehicle."""
    told = tuple(shares)
    if not told:
        return seen
    if seen.type_ == "Human":
        return replace(seen, tops=_clusters(told, Part.UPPER), bottoms=_clusters(told, Part.LOWER))
    return replace(seen, colours=_clusters(told, Part.BODY))


def _clusters(shares: Iterable[ColourShare], part: Part) -> tuple[Cluster, ...]:
    return tuple(Cluster(RGB[one.colour], one.share) for one in shares if one.part is part and one.colour in RGB)
