"""Where else was a person like this seen: exact comparison of appearance codes under filters."""

import asyncio
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from base.errors import NotFound
from nvr_box.audit.log import Audit
from nvr_box.rights import Account, Right
from nvr_box.search import code_similarity
from nvr_box.search.density import Density
from nvr_box.search.frozen_frames import Stills
from nvr_box.search.gallery import Columns, attribute_bit, colour_bit, words_of
from nvr_box.search.passages import Passages, StoredShot, Tick
from wire import thumbnail
from wire.features.packet import AppearanceCode, AttributeValue, ColourShare
from wire.features.vocabulary import CHOICES, Attribute, BodyPart, Colour, ObjectClass

__all__ = ["AppearanceSearch", "Filters", "Match", "Results", "Tick"]

_STEPS = 100
_MOST_RETURNED = 1000


@dataclass(frozen=True, slots=True)
class Filters:
    """What a search is narrowed to; empty or None means everything.

    Attributes:
        colours, attributes: all of them must be present in a match.
        threshold: least similarity, 0..1.
        limit: most matches returned; the histogram is of all.
    """

    cameras: tuple[int, ...] = ()
    start_us: int | None = None
    end_us: int | None = None
    classes: tuple[ObjectClass, ...] = ()
    colours: tuple[tuple[BodyPart, Colour], ...] = ()
    attributes: tuple[tuple[Attribute, int], ...] = ()
    threshold: float = 0.5
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Match:
    """One stored passage. `similarity` is 0..1, None in a search by attributes only."""

    packet: int
    camera: int
    object_class: ObjectClass
    first_us: int
    best_us: int
    last_us: int
    similarity: float | None
    colours: tuple[ColourShare, ...]
    attributes: tuple[AttributeValue, ...]


@dataclass(frozen=True, slots=True)
class Results:
    """Matches best first, and what it took.

    Attributes:
        compared: passages compared after the filters.
        stored: passages stored in all.
        took_ms: wall time of the comparison.
        histogram: matches by similarity in 100 steps of 0.01 before the threshold, for the slider. Above
            65,536 candidates: of the 8,192 nearest by coarse code and their ties.
        other_model: passages that pass the filters but were coded by another model.
        narrowest: the filter that removed the most ("cameras", "time", "classes", "colours", "attributes",
            "threshold"), empty when there are matches.
    """

    matches: tuple[Match, ...]
    compared: int
    stored: int
    took_ms: float
    histogram: tuple[int, ...]
    other_model: int
    narrowest: str


@dataclass(frozen=True, slots=True)
class _Found:
    packets: npt.NDArray[np.int64]
    similarity: npt.NDArray[np.float32] | None
    compared: int
    other_model: int
    histogram: tuple[int, ...]
    narrowest: str


class AppearanceSearch:
    """Exact search over the stored passages. Needs `OPERATE` and `VIEW`; only cameras of `by` are compared."""

    def __init__(self, passages: Passages, stills: Stills, log: Audit) -> None:
        self._passages, self._stills, self._log = passages, stills, log

    async def by_pick(self, account: Account, still: str, number: int, filters: Filters) -> Results:
        """Passages like pick `number` of the frozen picture `still`; the pick's own passage is left out.

        Raises:
            StoreError: no such still or pick; it may be older than ten minutes.
            ModelError: the encoder failed.
        """
        await self._demand(account)
        code, pick, frozen = await self._stills.code(account, still, number)
        await self._demand(account, frozen.camera)
        await self._log.write(
            account.name, "search", camera=frozen.camera, at_us=frozen.utc_us, kind=pick.object_class.name.lower()
        )
        return await self._results(account, filters, code, leave_out=pick.passage or 0)

    async def by_packet(self, account: Account, packet: int, filters: Filters) -> Results:
        """Passages like a stored one (“more like this”); the passage itself is left out."""
        await self._demand(account)
        passage = (await self._passages.get([packet])).get(packet)
        if passage is None or passage.code is None:
            raise NotFound("that passage is no longer stored, or has no appearance code")
        await self._demand(account, passage.camera)
        await self._log.write(account.name, "search", camera=passage.camera, packet=packet)
        return await self._results(account, filters, passage.code, leave_out=packet)

    async def by_attributes(self, account: Account, filters: Filters) -> Results:
        """Passages that pass the filters, newest first."""
        await self._demand(account)
        await self._log.write(account.name, "search", filters=_words(filters))
        return await self._results(account, filters, None, leave_out=0)

    async def best_shot(self, account: Account, packet: int) -> bytes:
        """The masked best-shot JPEG of a passage, what is sealed inside left out; needs `VIEW` for its camera.

        Raises:
            StoreError: it has none, or is no longer stored.
        """
        return thumbnail.parse((await self.stored_shot(account, packet)).jpeg).masked

    async def stored_shot(self, account: Account, packet: int) -> StoredShot:
        """The same as it is stored, for `Reveals.card`; raises as `best_shot`."""
        passage = (await self._passages.get([packet])).get(packet)
        if passage is None:
            raise NotFound("that passage is no longer stored")
        account.demand(Right.VIEW, passage.camera)
        shot = await self._passages.best_shot(packet)
        if shot is None:
            raise NotFound("that passage has no best shot")
        return shot

    async def ticks(
        self, account: Account, camera: int, start_us: int, end_us: int, *, limit: int = 5000
    ) -> tuple[Tick, ...]:
        """Passages that touch the range, ascending by `first_us`, of too many the newest; needs `VIEW`."""
        account.demand(Right.VIEW, camera)
        return tuple(await self._passages.ticks(camera, start_us, end_us, limit))

    async def density(self, account: Account, camera: int, start_us: int, end_us: int, *, steps: int) -> Density:
        """How many passages touch each of `steps` steps of the range: none is left out; needs `VIEW`."""
        account.demand(Right.VIEW, camera)
        return await self._passages.density(camera, start_us, end_us, steps)

    async def beside(self, account: Account, camera: int, at_us: int, *, later: bool) -> int | None:
        """When the passage after `at_us`, or the one before, was first seen; needs `VIEW`."""
        account.demand(Right.VIEW, camera)
        return await self._passages.beside(camera, at_us, later=later)

    async def _demand(self, account: Account, camera: int | None = None) -> None:
        await self._log.demand(account, Right.OPERATE, "search", camera=camera)
        await self._log.demand(account, Right.VIEW, "search", camera=camera)

    async def _results(
        self, account: Account, filters: Filters, code: AppearanceCode | None, *, leave_out: int
    ) -> Results:
        await self._passages.ready()
        began = time.perf_counter()
        cameras = _allowed(account, filters)
        galleries = self._passages.galleries
        parts: list[Columns] = []
        others: list[Columns] = []
        for model, gallery in galleries.items():
            rows = gallery.parts(filters.start_us, filters.end_us)
            (parts if code is None or model == code.model else others).extend(rows)
        everything = len(self._passages)
        found = await asyncio.to_thread(
            _compare,
            parts,
            others,
            filters=filters,
            cameras=cameras,
            code=code,
            leave_out=leave_out,
            everything=everything,
        )
        took_ms = (time.perf_counter() - began) * 1000
        stored = await self._passages.get(int(number) for number in found.packets)
        matches = []
        for index, number in enumerate(found.packets):
            passage = stored.get(int(number))
            if passage is not None:
                similarity = None if found.similarity is None else float(found.similarity[index])
                matches.append(
                    Match(
                        passage.packet,
                        passage.camera,
                        passage.object_class,
                        passage.first_us,
                        passage.best_us,
                        passage.last_us,
                        similarity,
                        passage.colours,
                        passage.attributes,
                    )
                )
        return Results(
            tuple(matches), found.compared, everything, took_ms, found.histogram, found.other_model, found.narrowest
        )


def _allowed(account: Account, filters: Filters) -> frozenset[int] | None:
    """The cameras to compare, None for every one."""
    wanted = frozenset(filters.cameras) or None
    if account.cameras is None:
        return wanted
    return account.cameras if wanted is None else wanted & account.cameras


def _passing(rows: Columns, filters: Filters, cameras: frozenset[int] | None) -> dict[str, npt.NDArray[np.bool_]]:
    """Which rows each filter that is set lets through."""
    masks: dict[str, npt.NDArray[np.bool_]] = {}
    if cameras is not None:
        allowed = np.zeros(int(rows.camera.max(initial=0)) + 1, bool)
        allowed[[number for number in cameras if 0 <= number < len(allowed)]] = True
        masks["cameras"] = allowed[rows.camera]
    if filters.classes:
        masks["classes"] = np.isin(rows.object_class, np.array(filters.classes, np.uint8))
    if filters.colours:
        bits = np.uint64(sum({colour_bit(part, colour) for part, colour in filters.colours}))
        masks["colours"] = (rows.colours & bits) == bits
    if filters.attributes:
        bits = np.uint64(sum({attribute_bit(name, value) for name, value in filters.attributes}))
        masks["attributes"] = (rows.attributes & bits) == bits
    return masks


def _compare(
    parts: list[Columns],
    others: list[Columns],
    *,
    filters: Filters,
    cameras: frozenset[int] | None,
    code: AppearanceCode | None,
    leave_out: int,
    everything: int,
) -> _Found:
    """The comparison itself; runs in a thread, touches only snapshots."""
    removed = {"time": everything - sum(len(rows) for rows in (*parts, *others))}
    candidates: list[tuple[Columns, npt.NDArray[np.intp]]] = []
    for rows in parts:
        keep: npt.NDArray[np.bool_] | None = None
        for name, mask in _passing(rows, filters, cameras).items():
            removed[name] = removed.get(name, 0) + len(mask) - int(np.count_nonzero(mask))
            keep = mask if keep is None else keep & mask
        chosen = np.arange(len(rows), dtype=np.intp) if keep is None else np.flatnonzero(keep)
        candidates.append((rows, chosen))
    other = sum(_count(rows, filters, cameras) for rows in others)
    compared = sum(len(chosen) for _, chosen in candidates)
    limit = max(1, min(filters.limit, _MOST_RETURNED))
    if code is None:
        packets = np.concatenate([rows.packet[chosen] for rows, chosen in candidates] or [np.zeros(0, np.int64)])
        times = np.concatenate([rows.best_us[chosen] for rows, chosen in candidates] or [np.zeros(0, np.int64)])
        order = np.lexsort((packets, times))[::-1][:limit]
        return _Found(packets[order], None, compared, 0, (), "" if len(order) else _most(removed))
    query = np.frombuffer(code.data, np.int8)
    query_words = words_of(query[None], code.model)[:, 0]
    numbers, times_us, likes = [], [], []
    for rows, among in candidates:
        chosen, similarity = code_similarity.similarities(rows, among, query, query_words)
        numbers.append(rows.packet[chosen])
        times_us.append(rows.best_us[chosen])
        likes.append(similarity)
    packets = np.concatenate(numbers or [np.zeros(0, np.int64)])
    similarity = np.concatenate(likes or [np.zeros(0, np.float32)])
    times = np.concatenate(times_us or [np.zeros(0, np.int64)])
    if leave_out:
        # Only now, so that a comparison with everything reads whole arrays.
        stays = packets != leave_out
        compared -= len(stays) - int(np.count_nonzero(stays))
        packets, similarity, times = packets[stays], similarity[stays], times[stays]
    histogram = np.bincount(np.minimum((similarity * _STEPS).astype(np.intp), _STEPS - 1), minlength=_STEPS)
    enough = np.flatnonzero(similarity >= filters.threshold)
    removed["threshold"] = compared - len(enough)
    # Ties: most similar, then newest, then highest number.
    order = enough[np.lexsort((packets[enough], times[enough], similarity[enough]))[::-1][:limit]]
    return _Found(
        packets[order],
        similarity[order],
        compared,
        other,
        tuple(int(count) for count in histogram),
        "" if len(order) else _most(removed),
    )


def _count(rows: Columns, filters: Filters, cameras: frozenset[int] | None) -> int:
    keep = np.ones(len(rows), bool)
    for mask in _passing(rows, filters, cameras).values():
        keep &= mask
    return int(keep.sum())


def _most(removed: dict[str, int]) -> str:
    name = max(removed, key=lambda each: removed[each], default="")
    return name if name and removed[name] else ""


def _words(filters: Filters) -> str:
    words = [each.name.lower() for each in filters.classes]
    words += [f"{part.name.lower()} {colour.name.lower()}" for part, colour in filters.colours]
    words += [f"{name.name.lower()} {CHOICES[name][value]}" for name, value in filters.attributes]
    return ", ".join(words)
