"""Our colour words in the metadata stream: where ONVIF puts them, as the numbers that tt:Color wants.

Nothing is said of a part whose colour cannot be determined.
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
    known = tuple(shares)
    if not known:
        return seen
    if seen.type_ == "Human":
        return replace(seen, tops=_clusters(known, BodyPart.UPPER), bottoms=_clusters(known, BodyPart.LOWER))
    return replace(seen, colours=_clusters(known, BodyPart.BODY))


def _clusters(shares: Iterable[ColourShare], part: BodyPart) -> tuple[Cluster, ...]:
    return tuple(
        Cluster(RGB[share.colour], share.share) for share in shares if share.part is part and share.colour in RGB
    )
