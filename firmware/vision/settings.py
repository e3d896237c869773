"""What an operator may set about vision."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class VisionSettings:
    """How much vision may cost.

    Args:
        detect_every: run the detector on every n-th picture, or as often in time when fewer pictures come than the rate
            says; the tracker predicts in between; 1 to 25.
        look_again: windows in one picture that the detector is run on once more, larger, around people that it has
            just lost; each costs as much as the whole picture; 0 (none) to 8.
        faces_per_picture: bodies that are searched for a face in one picture, taken in turn; 0 (none) to 32.
    """

    detect_every: int = 1
    look_again: int = 0
    faces_per_picture: int = 2

    def __post_init__(self) -> None:
        if not 1 <= self.detect_every <= 25:
            raise ValueError("detect_every: want 1 to 25 pictures")
        if not 0 <= self.look_again <= 8:
            raise ValueError("look_again: want 0 to 8")
        if not 0 <= self.faces_per_picture <= 32:
            raise ValueError("faces_per_picture: want 0 to 32")
