"""A second, closer look around people that were tracked a moment ago and are found no more."""

import numpy as np
from numpy.typing import NDArray

from firmware.vision.frame_detections import TrackBox
from models.detections import Detections, ious, suppressed
from models.detector import GROUPS, MASKING_THRESHOLD, NMS_IOU, Detector
from wire.features.vocabulary import ObjectClass

# Overlap from which a detection is of the tracked person.
_HIS = 0.25
# The window reaches this far beyond the box, in heights of it: half a second's walk, and enough around a person for
# the network to tell what it sees.
_AROUND = 0.5


def redetect_lost(
    detector: Detector, rgb: NDArray[np.uint8], found: Detections, followed: tuple[TrackBox, ...], most: int
) -> Detections:
    """`found`, and the people found when the detector sees only a window around each of up to `most` lost people.

    Args:
        found: in the whole of `rgb`, down to any threshold.
        followed: as of the picture before.

    Raises:
        ModelError: as `Detector.region`.
    """
    people = [track for track in followed if track.class_ is ObjectClass.PERSON]
    if not people or not most:
        return found
    boxes = np.stack([track.box for track in people])
    sure = found.where((found.scores >= MASKING_THRESHOLD) & (found.classes == ObjectClass.PERSON))
    lost = np.flatnonzero(~(ious(boxes, sure.boxes) > _HIS).any(axis=1)).tolist()
    # The person seen last is likeliest to be where they were.
    lost = sorted(lost, key=lambda row: (not people[row].seen, -people[row].score))[:most]
    seen = [found]
    for row in lost:
        x0, y0, x1, y1 = boxes[row]
        reach = (y1 - y0) * _AROUND
        window = (int(x0 - reach), int(y0 - reach), int(x1 + reach), int(y1 + reach))
        closer = detector.region(rgb, window)
        seen.append(
            closer.where(
                (ious(closer.boxes, boxes[row : row + 1]) > _HIS).any(axis=1) & (closer.classes == ObjectClass.PERSON)
            )
        )
    return found if len(seen) == 1 else suppressed(Detections.joined(seen), NMS_IOU, GROUPS)
