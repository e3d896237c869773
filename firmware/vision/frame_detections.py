"""What vision says about one picture."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.detections import Detections
from wire.features.vocabulary import ObjectClass

Boxes = NDArray[np.float32]
"""(n, 4): x0, y0, x1, y1 in pixels."""


@dataclass(frozen=True, slots=True)
class TrackBox:
    """One tracked object in one picture.

    Args:
        id: stays with the object; never 0.
        class_: what it is.
        box: (4,) float32 x0 y0 x1 y1 px.
        score: 0..1 of its surest sighting of late, over all sizes of the detector; it fades within a second.
        seen: False when the box is a prediction.
        age_s: seconds since the track began.
    """

    id: int
    class_: ObjectClass
    box: NDArray[np.float32]
    score: float
    seen: bool
    age_s: float


@dataclass(frozen=True, slots=True)
class FrameDetections:
    """Everything vision found in the picture at `pts_90k`.

    Args:
        tracks: tracked objects, seen or predicted.
        weak: detections down to the masking threshold that no track took, and fainter ones beside a followed person;
            good enough to mask.
        faces: (n, 4) float32 px.
        ended: ids of tracks that ended with this picture.
        kept: (n, 4) float32 px, where people are believed to be that nothing found in this picture.
        blind: why the picture shows too little for a detector to find people; empty where it shows enough. That
            no one was found in it says nothing.
        colourless: the picture is infra-red, or of a sensor without colours; hazy: fog, rain or a dirty window. A
            detector misses more people in either.
        sparse: the detector runs so seldom here that a person may cross the picture between two runs.
        moved: the camera itself moved; what was known of the scene holds no longer.
    """

    pts_90k: int
    tracks: tuple[TrackBox, ...]
    weak: Detections
    faces: Boxes
    ended: tuple[int, ...] = ()
    kept: Boxes = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    blind: str = ""
    colourless: bool = False
    hazy: bool = False
    moved: bool = False
    sparse: bool = False
