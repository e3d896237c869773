"""What our colour words look like, as numbers where numbers are spoken.

The middles of the eleven basic colour terms, not measurements.
"""

from collections.abc import Mapping

from wire.features.vocabulary import Colour

RGB: Mapping[Colour, tuple[int, int, int]] = {
    Colour.BLACK: (20, 20, 20), Colour.WHITE: (240, 240, 240), Colour.GREY: (128, 128, 128),
    Colour.RED: (200, 30, 40), Colour.ORANGE: (240, 140, 30), Colour.YELLOW: (240, 220, 50),
    Colour.GREEN: (40, 140, 60), Colour.BLUE: (40, 80, 190), Colour.PURPLE: (130, 60, 160),
    Colour.PINK: (240, 150, 180), Colour.BROWN: (120, 75, 45),
}  # fmt: skip


def word(rgb: tuple[int, int, int]) -> Colour:
    """The word whose middle is nearest."""
    return min(RGB, key=lambda colour: sum((a - b) ** 2 for a, b in zip(RGB[colour], rgb, strict=True)))
