"""Our colour words in the metadata stream: where ONVIF puts them, as the numbers that tt:Color wants.

Nothing is said of a part whose colour cannot be told.
"""

from collections.abc import Iterable
from dataclasses import replace

from onvif.metadata import ColourCluster as Cluster
from onvif.metadata import MetadataObject
from wire.features.packet import ColourShare
from wire.features.palette import RGB
from wire.features.vocabulary import BodyPart


def coloured(seen: MetadataObject, shares: Iterable[ColourShare]) -> MetadataObject:
    """The object with what is known of its colours: clothing of a human body, paint of a vehicle."""
    told = tuple(shares)
    if not told:
        return seen
    if seen.type_ == "Human":
        return replace(seen, tops=_clusters(told, BodyPart.UPPER), bottoms=_clusters(told, BodyPart.LOWER))
    return replace(seen, colours=_clusters(told, BodyPart.BODY))


def _clusters(shares: Iterable[ColourShare], part: BodyPart) -> tuple[Cluster, ...]:
    return tuple(Cluster(RGB[one.colour], one.share) for one in shares if one.part is part and one.colour in RGB)
