"""What an operator may set about vision."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class VisionSettings:
    """How much vision may cost.

    Args:
        detect_every: run the detector on every n-th picture; the tracker predicts in between.
        faces_per_picture: bodies that are searched for a face in one picture, taken in turn; 0 for none.
    """

    detect_every: int = 1
    faces_per_picture: int = 2

    def __post_init__(self) -> None:
        if not 1 <= self.detect_every <= 25:
            raise ValueError("detect_every: want 1 to 25 pictures")
        if not 0 <= self.faces_per_picture <= 32:
            raise ValueError("faces_per_picture: want 0 to 32")
