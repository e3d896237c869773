"""Freezing the picture: one masked frame, and what the detector sees in it."""

from dataclasses import dataclass

from wire.features.vocabulary import ObjectClass

from nvr_box.rights import Account


@dataclass(frozen=True, slots=True)
class Colour:
    """A share of an object's colour: `name` of the closed list, `share` 0..1, `part` ("upper", "lower", "body")."""

    part: str
    name: str
    share: float


@dataclass(frozen=True, slots=True)
class Pick:
    """An object in a frozen picture. `box` is x0, y0, x1, y1 as shares 0..1 of width and height."""

    number: int
    box: tuple[float, float, float, float]
    object_class: ObjectClass
    score: float
    colours: tuple[Colour, ...]


@dataclass(frozen=True, slots=True)
class Still:
    """A frozen, masked picture; `key` names it for ten minutes in `Searches.by_pick`."""

    key: str
    camera: int
    utc_us: int
    width: int
    height: int
    jpeg: bytes
    picks: tuple[Pick, ...]


class Stills:
    """Frames out of recordings. Needs `VIEW` for the camera."""

    async def jpeg(self, by: Account, camera: int, utc_us: int, *, width: int = 320) -> bytes:
        """Thumbnail of the key frame nearest to `utc_us`, scaled to `width`; not audited one by one, cached.

        Raises:
            StoreError: nothing is recorded within 10 s of that time.
        """
        raise NotImplementedError

    async def freeze(self, by: Account, camera: int, utc_us: int) -> Still:
        """The exact frame shown at `utc_us` with its objects; needs `OPERATE` as well, since it begins a search."""
        raise NotImplementedError

    async def draw(
        self, by: Account, key: str, box: tuple[float, float, float, float], object_class: ObjectClass
    ) -> Still:
        """The same still with one more pick, drawn by hand where the detector found nothing."""
        raise NotImplementedError
