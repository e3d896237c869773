"""Stored passages: rows of the database and the galleries in memory that are made of them."""

import asyncio
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from base.errors import StoreError
from nvr_box.db import blocks as block_rows
from nvr_box.db import facts
from nvr_box.db import packets as packet_rows
from nvr_box.db.database import Store
from nvr_box.db.link import Link
from nvr_box.search import blocks
from nvr_box.search.density import Density, counting
from nvr_box.search.gallery import CODE_BYTES, Columns, Gallery, Row, attribute_bits, colour_bits, stored_bits
from wire import thumbnail
from wire.features.packet import AppearanceCode, AttributeValue, ColourShare, FeaturePacket
from wire.features.vocabulary import Attribute, BodyPart, CodeKind, Colour, ObjectClass

log = logging.getLogger(__name__)
CODES = "codes"
"""The fact that changes when codes were made again beside us."""
_CLASSES = {int(each): each for each in ObjectClass}
# A camera numbers its tracks afresh after a restart: the same number within this is the same object.
_TRACK_APART_US = 60_000_000


@dataclass(frozen=True, slots=True)
class Passage:
    """One object's passage in front of one camera, as stored."""

    packet: int
    camera: int
    object_class: ObjectClass
    first_us: int
    best_us: int
    last_us: int
    code: AppearanceCode | None
    colours: tuple[ColourShare, ...]
    attributes: tuple[AttributeValue, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """One passage on the timeline."""

    packet: int
    object_class: ObjectClass
    first_us: int
    best_us: int
    last_us: int


@dataclass(frozen=True, slots=True)
class StoredShot:
    """A best shot as the camera sent it: `jpeg` is masked, where it is `recoverable` the original is sealed inside."""

    packet: int
    camera: int
    best_us: int
    jpeg: bytes
    recoverable: bool


class Passages:
    """All of them. Belongs to the event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.galleries: dict[str, Gallery] = {}
        self._codes = ""
        # Packets stored while the galleries are filled again must be in them once.
        self._filling = asyncio.Lock()
        self._loaded: asyncio.Event | None = None
        # The newest, until they fill a block.
        self._fresh: list[tuple[str, Columns]] = []

    def __len__(self) -> int:
        return sum(len(gallery) for gallery in self.galleries.values())

    async def load(self) -> None:
        """Fill the galleries from the database; what they held before is searched until this returns."""
        codes = await self._mark()
        found = Loading()
        known = await self._store.read(block_rows.ranges)
        for after, before in blocks.gaps(known):
            await self._load_rows(found, after, before)
            if before is not None and not await self._load_block(found, before):
                await self._load_rows(found, before - 1, dict(known)[before] + 1)
        async with self._filling:
            await self._load_rows(found, found.last, None)
            made = await asyncio.to_thread(found.galleries)
            self.galleries, self._codes, self._fresh = made, codes, found.fresh
        if self._loaded is not None:
            self._loaded.set()

    def begin(self) -> None:
        """Searches wait from now on until `load` has returned."""
        self._loaded = asyncio.Event()

    async def ready(self) -> None:
        """Wait until everything that is stored is searched."""
        if self._loaded is not None:
            await self._loaded.wait()

    async def reconcile(self) -> None:
        """Load again when codes were made again beside us (`nvr_box/search/reencode.py`)."""
        await self.ready()
        if await self._mark() != self._codes:
            await self.load()

    async def _mark(self) -> str:
        return await self._store.read(lambda link: facts.get(link, CODES)) or ""

    async def _load_block(self, found: "Loading", first: int) -> bool:
        block = await self._store.read(lambda link: blocks.load(link, first))
        if block is None:
            return False
        found.add(block.rows, block.last)
        return True

    async def _load_rows(self, found: "Loading", after: int, before: int | None) -> None:
        """Packets that are in no block, singly; as many as make one become one."""
        while True:
            rows = await self._store.read(
                lambda link, after=after: _columns(packet_rows.codes(link, after, before, blocks.ROWS))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            )
            count = sum(map(len, rows.values()))
            if not count:
                return
            after = max(int(columns.packet[-1]) for columns in rows.values())
            found.add(rows, after)
            if count == blocks.ROWS or (before is not None and count >= blocks.LEAST_ROWS):
                await self._keep(rows)
            elif before is None:
                found.fresh.extend(rows.items())

    async def _keep(self, rows: dict[str, Columns]) -> None:
        try:
            await self._store.write(lambda link: blocks.keep(link, rows))
        except StoreError as error:
            log.warning("a quick start is not prepared: %s", error)  # the next load does it

    def remember(self, passages: Sequence[Passage]) -> None:
        """Add stored passages to the galleries."""
        by_model: dict[str, list[Row]] = {}
        for each in passages:
            row = Row(
                each.packet,
                each.best_us,
                each.camera,
                int(each.object_class),
                colour_bits(each.colours),
                attribute_bits(each.attributes),
                each.code.data if each.code else b"",
            )
            by_model.setdefault(each.code.model if each.code else "", []).append(row)
        for model, rows in by_model.items():
            columns = Columns.of(rows, model)
            self.galleries.setdefault(model, Gallery()).append(columns)
            self._fresh.append((model, columns))

    async def _keep_fresh(self) -> None:
        if sum(len(columns) for _, columns in self._fresh) >= blocks.ROWS:
            fresh, self._fresh = self._fresh, []
            await self._keep(_by_model(fresh))

    async def forget_before(self, utc_us: int) -> None:
        """Retention removed what ended before `utc_us`; what it spared as evidence stays."""
        left = await self._store.read(lambda link: packet_rows.best_before(link, utc_us))
        for gallery in self.galleries.values():
            gallery.forget_before(utc_us, np.array(left, np.int64))

    async def get(self, packets: Iterable[int]) -> dict[int, Passage]:
        """The named passages; what retention took meanwhile is missing."""
        wanted = list(packets)

        rows = await self._store.read(lambda link: packet_rows.get(link, wanted))
        return {each.packet: each for each in map(_passage, rows)}

    async def ticks(self, camera: int, start_us: int, end_us: int, limit: int) -> list[Tick]:
        """Passages of one camera that touch [start_us, end_us), by first sight; of too many the newest."""
        rows = await self._store.read(lambda link: packet_rows.ticks(link, camera, start_us, end_us, limit))
        return [Tick(packet, _CLASSES[class_], *times) for packet, class_, *times in reversed(rows)]

    async def density(self, camera: int, start_us: int, end_us: int, steps: int) -> Density:
        """How many passages of one camera touch each of `steps` steps of [start_us, end_us)."""
        return await self._store.read(counting(camera, start_us, end_us, steps))

    async def beside(self, camera: int, at_us: int, *, later: bool) -> int | None:
        """When the passage after `at_us`, or the one before, was first seen; None when there is none."""
        return await self._store.read(lambda link: packet_rows.beside(link, camera, at_us, later=later))

    async def of_track(self, camera: int, track: int, utc_us: int) -> Passage | None:
        """What the camera sent about its track `track` nearest to `utc_us`; None when it sent nothing then."""
        row = await self._store.read(lambda link: packet_rows.of_track(link, camera, track, utc_us, _TRACK_APART_US))
        return _passage(row) if row else None

    async def best_shot(self, packet: int) -> StoredShot | None:
        """What the camera sent of this passage's best shot; None when it sent none, or the passage is gone."""
        row = await self._store.read(lambda link: packet_rows.best_shot(link, packet))
        return StoredShot(packet, *row) if row else None

    async def add(self, camera: int, packets: Sequence[FeaturePacket], shift_us: int = 0) -> None:
        """Store packets, once each by (camera_id, sequence); on disk when this returns.

        Args:
            shift_us: added to their times: the box's clock minus the camera's where that matters.

        Raises:
            StoreError: nothing was stored.
        """
        async with self._filling:
            self.remember(
                await self._store.write(
                    lambda link: [new for each in packets if (new := _insert(link, camera, each, shift_us)) is not None]
                )
            )
            await self._keep_fresh()


class Loading:
    """What was read so far.

    Attributes:
        last: the highest packet.
        fresh: the newest, which fill no block yet.
    """

    def __init__(self) -> None:
        self._parts: dict[str, list[Columns]] = {}
        self.last = 0
        self.fresh: list[tuple[str, Columns]] = []

    def add(self, rows: dict[str, Columns], last: int) -> None:
        """Rows up to packet `last`."""
        for model, columns in rows.items():
            if len(columns):
                self._parts.setdefault(model, []).append(columns)
        self.last = max(self.last, last)

    def galleries(self) -> dict[str, Gallery]:
        """One for each model; a second of work for ten million rows."""
        return {model: Gallery(Columns.joined(parts)) for model, parts in self._parts.items()}


def _by_model(parts: Iterable[tuple[str, Columns]]) -> dict[str, Columns]:
    found: dict[str, list[Columns]] = {}
    for model, columns in parts:
        found.setdefault(model, []).append(columns)
    return {model: Columns.joined(each) for model, each in found.items()}


def _columns(rows: Iterable[packet_rows.CodeRow]) -> dict[str, Columns]:
    """Rows by model."""
    by_model: dict[str, list[Row]] = {}
    for packet, camera, class_, best_us, model, code, colours, attributes in rows:
        row = Row(packet, best_us, camera, class_, *stored_bits(json.loads(colours), json.loads(attributes)), code)
        by_model.setdefault(model if code else "", []).append(row)
    return {model: Columns.of(found, model) for model, found in by_model.items()}


def _insert(link: Link, camera: int, packet: FeaturePacket, shift_us: int) -> Passage | None:
    code = comparable(packet)
    passage = Passage(
        packet=0,
        camera=camera,
        object_class=packet.class_,
        first_us=packet.first_utc_ms * 1000 + shift_us,
        best_us=packet.best_utc_ms * 1000 + shift_us,
        last_us=packet.last_utc_ms * 1000 + shift_us,
        code=code,
        colours=packet.colours,
        attributes=packet.attributes,
    )
    number = packet_rows.add(
        link,
        (
            camera,
            packet.camera_id,
            packet.sequence,
            packet.track_id,
            int(packet.class_),
            passage.first_us,
            passage.best_us,
            passage.last_us,
            packet.quality,
            code.model if code else "",
            code.data if code else b"",
            json.dumps(packet.fraction_box),
            json.dumps([[int(each.part), int(each.colour), round(each.share, 3)] for each in packet.colours]),
            json.dumps([[int(a.attribute), a.value, round(a.confidence, 3)] for a in packet.attributes]),
            packet.provenance,
        ),
    )
    if number is None:
        return None
    if packet.thumbnail:
        unit = thumbnail.parse(packet.thumbnail).unit
        kids = b"".join(thumbnail.holders_of(unit)) if unit else b""
        packet_rows.add_shot(link, number, packet.thumbnail, kids)
    return Passage(
        number,
        passage.camera,
        passage.object_class,
        passage.first_us,
        passage.best_us,
        passage.last_us,
        code,
        passage.colours,
        passage.attributes,
    )


def comparable(packet: FeaturePacket) -> AppearanceCode | None:
    """The code to search with, None when the packet has none of the kind that this box compares."""
    fit = (each for each in packet.codes if each.kind is CodeKind.INT8 and each.dims == CODE_BYTES)
    return next(fit, None)


def _passage(row: tuple[int, int, int, int, int, int, str, bytes, str, str]) -> Passage:
    number, camera, class_, first, best, last, model, code, colours, attributes = row
    return Passage(
        packet=number,
        camera=camera,
        object_class=ObjectClass(class_),
        first_us=first,
        best_us=best,
        last_us=last,
        code=AppearanceCode(model, CodeKind.INT8, CODE_BYTES, code) if code else None,
        colours=tuple(
            ColourShare(BodyPart(part), Colour(colour), share) for part, colour, share in json.loads(colours)
        ),
        attributes=tuple(AttributeValue(Attribute(name), value, sure) for name, value, sure in json.loads(attributes)),
    )
