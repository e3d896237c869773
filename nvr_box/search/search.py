"""Where else was somebody like this seen: exact comparison of appearance codes under filters."""

from dataclasses import dataclass

from wire.features.vocabulary import ObjectClass

from nvr_box.rights import Account
from nvr_box.search.stills import Colour


@dataclass(frozen=True, slots=True)
class Filters:
    """What a search is narrowed to; empty or None means everything. `colours` must all be present in a match.

    Attributes:
        threshold: least similarity, 0..1.
        limit: most matches returned; `counts` of the results are of all.
    """

    cameras: tuple[int, ...] = ()
    start_us: int | None = None
    end_us: int | None = None
    classes: tuple[ObjectClass, ...] = ()
    colours: tuple[Colour, ...] = ()
    threshold: float = 0.5
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Match:
    """One stored passage. `similarity` is 0..1, None in a search by attributes only."""

    packet: int
    camera: int
    camera_name: str
    object_class: ObjectClass
    first_us: int
    best_us: int
    last_us: int
    similarity: float | None
    colours: tuple[Colour, ...]
    attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Results:
    """Matches best first, and what it took.

    Attributes:
        compared: passages compared after the filters.
        stored: passages stored in all.
        took_ms: wall time of the comparison.
        histogram: matches by similarity in 100 steps of 0.01 before the threshold, for the slider.
        other_model: passages skipped because another model made their code.
        narrowest: the filter that removed the most, empty when there are matches.
    """

    matches: tuple[Match, ...]
    compared: int
    stored: int
    took_ms: float
    histogram: tuple[int, ...]
    other_model: int
    narrowest: str


@dataclass(frozen=True, slots=True)
class Tick:
    """One passage on the timeline."""

    packet: int
    object_class: ObjectClass
    first_us: int
    best_us: int
    last_us: int


class Searches:
    """Exact search over the stored passages. Needs `OPERATE`; only cameras that `by` may view are compared."""

    async def by_pick(self, by: Account, still: str, number: int, filters: Filters) -> Results:
        """Passages like pick `number` of the frozen picture `still`."""
        raise NotImplementedError

    async def by_packet(self, by: Account, packet: int, filters: Filters) -> Results:
        """Passages like a stored one (“more like this”); the passage itself is left out."""
        raise NotImplementedError

    async def by_attributes(self, by: Account, filters: Filters) -> Results:
        """Passages that pass the filters, newest first."""
        raise NotImplementedError

    async def best_shot(self, by: Account, packet: int) -> bytes:
        """The masked best-shot JPEG of a passage; needs `VIEW` for its camera. `StoreError` when it has none."""
        raise NotImplementedError

    async def ticks(
        self, by: Account, camera: int, start_us: int, end_us: int, *, limit: int = 5000
    ) -> tuple[Tick, ...]:
        """Passages that touch the range, ascending by `first_us`; needs `VIEW`."""
        raise NotImplementedError
