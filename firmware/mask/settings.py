"""How the camera masks; the defaults are the camera's promise."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from wire.features.vocabulary import ObjectClass


class Extent(StrEnum):
    """How much of a person is masked."""

    FACES = "faces"  # faces as found, and the head estimated from the body where no face is found
    HEADS = "heads"  # head and shoulders of every body, and faces
    BODIES = "bodies"  # the whole body


class Pattern(StrEnum):
    """What stands in the masked cells."""

    MOSAIC = "mosaic"  # mean colour of each cell, quantised and held
    BLOCKS = "blocks"  # a fixed irregular pattern of black and dark cells: nothing of the picture remains
    SOLID = "solid"  # one grey
    DILATED = "dilated"  # one grey over a box of fixed proportions, so that pose and gait go too


class Fill(IntEnum):
    """What one macroblock is covered with, in the order of strength: where two rules meet, the stronger one holds."""

    CLEAR = 0
    MOSAIC_1 = 1
    MOSAIC_2 = 2
    BLOCKS = 3
    SOLID = 4

    @staticmethod
    def of(pattern: Pattern, level: int) -> "Fill":
        """The fill of a pattern; a level matters to a mosaic only."""
        if pattern is Pattern.MOSAIC:
            return Fill.MOSAIC_1 if level == 1 else Fill.MOSAIC_2
        return Fill.BLOCKS if pattern is Pattern.BLOCKS else Fill.SOLID


class MaskedPart(StrEnum):
    """Which part of an object is masked."""

    EXTENT = "extent"  # of a person what `extent` says, of anything else all of it
    PLATES = "plates"  # of a vehicle the band in which its number plate is, whichever end is seen


class Infrared(StrEnum):
    """What is masked of a picture without colours."""

    WHOLE = "whole"  # everything: of people in infra-red light the detector misses three in ten
    FOREGROUND = "foreground"  # people as found, and whatever else is before the scene


VEHICLES = ("CAR", "MOTORCYCLE", "BUS", "TRUCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRule:
    """How one class of objects is masked, where it is not as everything else.

    Args:
        name: the class, by name in `wire.features.vocabulary`.
        part: which part of it.
        pattern, level: as in `MaskSettings`, whose values hold where these are left out; plates are always solid,
            because coarse cells of text can be read.
    """

    name: str
    part: MaskedPart = MaskedPart.EXTENT
    pattern: Pattern | None = None
    level: int | None = None

    def __post_init__(self) -> None:
        if self.name not in ObjectClass.__members__:
            raise ValueError(f"name: want one of {', '.join(ObjectClass.__members__)}, got {self.name!r}")
        _check_level(self.level)
        if self.part is MaskedPart.PLATES and self.name not in VEHICLES:
            raise ValueError(f"part: only {', '.join(VEHICLES)} have plates")
        if self.part is MaskedPart.PLATES and self.pattern not in {None, Pattern.SOLID, Pattern.DILATED}:
            raise ValueError("pattern: plates are masked solid only; leave it out")


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A polygon in which another rule holds; corners as x, y in 0..1 of the picture, from its top left.

    Args:
        corners: x0, y0, x1, y1, …; three corners or more.
        rule: `always` masks the zone in every picture, `never` masks nothing in it.
        pattern, level: of an `always` zone, where they differ from the rest; `solid` for a screen or a board, since
            text can be read through coarse cells.
    """

    corners: tuple[float, ...]
    rule: str = "always"
    pattern: Pattern | None = None
    level: int | None = None

    def __post_init__(self) -> None:
        if len(self.corners) < 6 or len(self.corners) % 2:
            raise ValueError("corners: want x, y of three corners or more")
        if not all(0 <= value <= 1 for value in self.corners):
            raise ValueError("corners: want numbers from 0 to 1")
        if self.rule not in {"always", "never"}:
            raise ValueError("rule: want always or never")
        _check_level(self.level)
        if self.rule == "never" and (self.pattern, self.level) != (None, None):
            raise ValueError("pattern, level: a zone in which nothing is masked has none")


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskSettings:
    """The mask plan.

    Args:
        extent: how much of a person is masked.
        pattern: what is shown instead.
        level: of a mosaic: 1 keeps most of the scene's colours, 2 only coarse brightness.
        classes: the classes that are masked, by name in `wire.features.vocabulary`.
        rules: classes that are masked in a way of their own; a class that is named here is masked.
        margin: by how much of its size a box grows on each side; by half of that where it fills half of the picture's
            height, since boxes of people that are near fit better; 0 to 1.
        hold_s: how long a place stays masked after the last sighting there; 0 to 10 s.
        look_back_s: how long a picture waits, so that a mask can begin before the first sighting; 0 to 2 s,
            less than `deadline_s`.
        deadline_s: a picture whose detection is not there at this age is masked whole; 0.05 to 10 s.
        settle_s: the whole picture is masked for this long, or six looks, after start-up and each failure; 0 to 60 s.
        colour_hold_s: how long a cell keeps its colour while it stays masked; 0 to 60 s.
        strict: also mask whatever is before the scene and no detection explains, even what a detector never saw.
        infrared: what is masked while the picture has no colours: at night under infra-red light, or of a sensor that
            has none.
        zones: places with a rule of their own; `never` is overruled by nothing but a late detector.
    """

    extent: Extent = Extent.BODIES
    pattern: Pattern = Pattern.MOSAIC
    level: int = 1
    classes: tuple[str, ...] = ("PERSON",)
    rules: tuple[ClassRule, ...] = ()
    margin: float = 0.08
    hold_s: float = 0.7
    look_back_s: float = 0.2
    deadline_s: float = 1.0
    settle_s: float = 0.5
    colour_hold_s: float = 10.0
    strict: bool = False
    infrared: Infrared = Infrared.WHOLE
    zones: tuple[Zone, ...] = ()

    def __post_init__(self) -> None:
        for name, low, high in (
            ("level", 1, 2),
            ("margin", 0.0, 1.0),
            ("hold_s", 0.0, 10.0),
            ("look_back_s", 0.0, 2.0),
            ("deadline_s", 0.05, 10.0),
            ("settle_s", 0.0, 60.0),
            ("colour_hold_s", 0.0, 60.0),
        ):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name}: want {low} to {high}")
        if self.look_back_s >= self.deadline_s:
            raise ValueError("look_back_s must be shorter than deadline_s, or every picture would be late")
        for name in self.classes:
            if name not in ObjectClass.__members__:
                raise ValueError(f"classes: want some of {', '.join(ObjectClass.__members__)}, got {name!r}")
        names = [rule.name for rule in self.rules]
        if len(set(names)) != len(names):
            raise ValueError("rules: two rules for the same class")

    @property
    def fill(self) -> Fill:
        """What masked macroblocks are covered with, where no rule says otherwise."""
        return Fill.of(self.pattern, self.level)


def _check_level(level: int | None) -> None:
    if level not in {None, 1, 2}:
        raise ValueError("level: want 1 or 2")
