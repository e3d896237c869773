"""The closed vocabulary of a feature packet: what may be said about an object, and nothing else.

Generic appearance only. There is no face template and nothing that a person is born with; a number that is not in
these lists is refused, so that nothing else can slip in by way of a newer camera.
"""

from enum import IntEnum, unique


@unique
class ObjectClass(IntEnum):
    PERSON = 0
    BICYCLE = 1
    CAR = 2
    MOTORCYCLE = 3
    BUS = 4
    TRUCK = 5


@unique
class Colour(IntEnum):
    """The eleven basic colour terms, and "cannot tell" for infra-red, darkness and glare."""

    UNKNOWN = 0
    BLACK = 1
    WHITE = 2
    GREY = 3
    RED = 4
    ORANGE = 5
    YELLOW = 6
    GREEN = 7
    BLUE = 8
    PURPLE = 9
    PINK = 10
    BROWN = 11


@unique
class BodyPart(IntEnum):
    """Where a colour was seen; BODY is a vehicle's."""

    UPPER = 0
    LOWER = 1
    SHOES = 2
    BODY = 3


@unique
class Attribute(IntEnum):
    """What else is said about an object; its values are in `CHOICES`, or it is a quantity.

    TEXTURE is of what is worn above, LOWER_TEXTURE of what is worn below.
    """

    TEXTURE = 0
    SLEEVE = 1
    LOWER_LENGTH = 2
    HAT = 3
    BAG = 4
    BACKPACK = 5
    UMBRELLA = 6
    HAIR_LENGTH = 7
    ASPECT = 8
    RELATIVE_HEIGHT = 9
    VEHICLE_TYPE = 10
    TWO_WHEELER = 11
    LOWER_TEXTURE = 12


_YES_NO = ("no", "yes")
_TEXTURES = ("plain", "striped", "patterned")
CHOICES: dict[Attribute, tuple[str, ...]] = {
    Attribute.TEXTURE: _TEXTURES,
    Attribute.SLEEVE: ("short", "long"),
    Attribute.LOWER_LENGTH: ("short", "long"),
    Attribute.HAT: _YES_NO,
    Attribute.BAG: _YES_NO,
    Attribute.BACKPACK: _YES_NO,
    Attribute.UMBRELLA: _YES_NO,
    Attribute.HAIR_LENGTH: ("short", "long"),
    Attribute.VEHICLE_TYPE: ("car", "van", "bus", "truck"),
    Attribute.TWO_WHEELER: ("bicycle", "motorcycle"),
    Attribute.LOWER_TEXTURE: _TEXTURES,
}

QUANTITY_STEP: dict[Attribute, float] = {Attribute.ASPECT: 1 / 64, Attribute.RELATIVE_HEIGHT: 1 / 128}
"""Quantities travel as a byte times this: width over height of the box; height over what is usual at that place."""


@unique
class CodeKind(IntEnum):
    """How the numbers of an appearance code are stored."""

    INT8 = 0
    BITS = 1

    def size(self, dims: int) -> int:
        """Bytes that `dims` numbers take."""
        return dims if self is CodeKind.INT8 else (dims + 7) // 8
