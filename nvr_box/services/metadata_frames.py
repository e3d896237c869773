"""What a camera saw, as the metadata track tells it: recorded sightings → `tt:Frame`."""

from datetime import UTC, datetime

from lxml import etree

from nvr_box.record.sightings import Sighting
from onvif import metadata
from onvif.names import TT, q
from wire.features.vocabulary import BodyPart, ObjectClass

_WORDS = {ObjectClass.PERSON: "Human", ObjectClass.BICYCLE: "Bicycle"}


def frame(sighting: Sighting) -> metadata.MetadataFrame:
    """The frame of one picture."""
    objects = []
    for seen in sighting.objects:
        word = _WORDS.get(seen.object_class, "Vehicle")
        vehicle = "" if word != "Vehicle" else seen.object_class.name.capitalize()
        box = metadata.MetadataBox.from_pixels(seen.box, 1, 1)
        tops, bottoms, paint = (
            tuple(colour for part, colour in seen.colours if part is wanted)
            for wanted in (BodyPart.UPPER, BodyPart.LOWER, BodyPart.BODY)
        )
        objects.append(
            metadata.MetadataObject(
                seen.track, box, word, 1.0, vehicle=vehicle, tops=tops, bottoms=bottoms, colours=paint
            )
        )
    return metadata.MetadataFrame(datetime.fromtimestamp(sighting.utc_us / 1e6, UTC), tuple(objects))


def stream(sighting: Sighting) -> etree._Element:
    """A `tt:MetadataStream` with this frame alone, for tests of its content."""
    root = etree.Element(q(TT, "MetadataStream"))
    etree.SubElement(root, q(TT, "VideoAnalytics")).append(metadata.frame_element(frame(sighting)))
    return root
