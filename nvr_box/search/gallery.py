"""Appearance codes in memory as columns, ready to be compared: one gallery per appearance model.

The database is the truth; this is rebuilt from it at start. Rows lie in a few runs sorted by time, so that a time
filter is a slice; new packets are written into one short tail, which becomes a run when it is full. Coarse bits lie
word-major: word w of every row side by side, which is what the comparison reads.

Memory per row: 64 bytes of coarse bits, 64 of fine code, 41 of the rest: 169 MB for a million passages.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache

import numpy as np
import numpy.typing as npt

from models import coarse
from wire.features.packet import AttributeValue, ColourShare
from wire.features.vocabulary import CHOICES, Attribute, BodyPart, Colour

Bits = tuple[int, int]
CODE_BYTES = 64
WORDS = 8
_TAIL = 8192
_LONGEST_MERGE = 131_072
# A quarter of an array may be of rows that are gone.
_WASTE = 4
# A colour counts as present from this share of its part on.
_PRESENT = 0.2
_SURE = 0.5


@dataclass(frozen=True, slots=True)
class Columns:
    """n rows.

    Attributes:
        packet: (n,) int64 row of the database.
        best_us: (n,) int64.
        camera: (n,) int32.
        object_class: (n,) uint8.
        colours: (n,) uint64, one bit per part and colour that is present; see `colour_bits`.
        attributes: (n,) uint64, one bit per attribute and value that is present; see `attribute_bits`.
        words: (WORDS, n) uint64, coarse bits.
        fine: (n, 64) int8.
        scale: (n,) float32, one over the length of `fine`; 0 for a row without a code.
    """

    packet: npt.NDArray[np.int64]
    best_us: npt.NDArray[np.int64]
    camera: npt.NDArray[np.int32]
    object_class: npt.NDArray[np.uint8]
    colours: npt.NDArray[np.uint64]
    attributes: npt.NDArray[np.uint64]
    words: npt.NDArray[np.uint64]
    fine: npt.NDArray[np.int8]
    scale: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.packet)

    def at(self, rows: "slice | npt.NDArray[np.intp]") -> "Columns":
        """The chosen rows; views for a slice."""
        picked = {each.name: getattr(self, each.name)[..., rows] for each in fields(self) if each.name != "fine"}
        return Columns(fine=self.fine[rows], **picked)

    @staticmethod
    def joined(parts: "list[Columns]") -> "Columns":
        """All rows of `parts`, in order."""
        made = {}
        for each in fields(Columns):
            axis = 1 if each.name == "words" else 0
            made[each.name] = np.concatenate([getattr(part, each.name) for part in parts], axis=axis)
        return Columns(**made)

    @staticmethod
    def of(rows: "Sequence[Row]", model: str = "") -> "Columns":
        """Columns of single rows with codes of `model`; what can be derived is derived."""
        fine = np.zeros((len(rows), CODE_BYTES), np.int8)
        for index, row in enumerate(rows):
            if len(row.code) == CODE_BYTES:
                fine[index] = np.frombuffer(row.code, np.int8)
        length = np.sqrt(np.square(fine.astype(np.float32)).sum(axis=1))
        return Columns(
            packet=np.array([row.packet for row in rows], np.int64),
            best_us=np.array([row.best_us for row in rows], np.int64),
            camera=np.array([row.camera for row in rows], np.int32),
            object_class=np.array([row.object_class for row in rows], np.uint8),
            colours=np.array([row.colours for row in rows], np.uint64),
            attributes=np.array([row.attributes for row in rows], np.uint64),
            words=words_of(fine, model),
            fine=fine,
            scale=np.divide(1.0, length, out=np.zeros(len(rows), np.float32), where=length > 0).astype(np.float32),
        )


@dataclass(frozen=True, slots=True)
class Row:
    """One passage before it becomes columns; `code` is 64 signed bytes or empty."""

    packet: int
    best_us: int
    camera: int
    object_class: int
    colours: int
    attributes: int
    code: bytes


class Gallery:
    """Rows of one model. Changed on the event loop only; a `parts()` snapshot may be read on any thread.

    Args:
        rows: those that it begins with, in any order of time.
    """

    def __init__(self, rows: Columns | None = None) -> None:
        self._runs: list[Columns] = []
        self._kept = _empty()  # what retention spared, which is older than everything else
        if rows is not None and len(rows):
            self._runs.append(_in_order(rows))
        self._tail, self._filled = _room(_TAIL), 0
        self._newest: Columns | None = None

    def __len__(self) -> int:
        return len(self._kept) + sum(len(run) for run in self._runs) + self._filled

    def append(self, rows: Columns) -> None:
        """Add rows in any order of time."""
        at = 0
        while at < len(rows):
            count = min(len(rows) - at, len(self._tail) - self._filled)
            _copy(rows.at(slice(at, at + count)), self._tail, self._filled)
            at, self._filled, self._newest = at + count, self._filled + count, None
            if self._filled == len(self._tail):
                self._runs.append(_in_order(self._tail))
                # Snapshots may still show the full one, so the next gets another.
                self._tail, self._filled, self._newest = _room(_TAIL), 0, None
                self._merge()

    def parts(self, start_us: int | None, end_us: int | None) -> list[Columns]:
        """The rows with start_us <= best_us < end_us, in parts that are each in order of time; a stable snapshot."""
        if self._newest is None:
            self._newest = _in_order(self._tail.at(slice(0, self._filled)))
        found = []
        for run in (self._kept, *self._runs, self._newest):
            low = 0 if start_us is None else int(np.searchsorted(run.best_us, start_us))
            high = len(run) if end_us is None else int(np.searchsorted(run.best_us, end_us))
            if low < high:
                found.append(run.at(slice(low, high)))
        return found

    def forget_before(self, utc_us: int, spared: npt.NDArray[np.int64]) -> None:
        """Retention removed every row before `utc_us` but those of the packets `spared`."""
        stays = (self._kept.best_us >= utc_us) | np.isin(self._kept.packet, spared)
        heads, runs = [self._kept.at(np.flatnonzero(stays))], []
        for run in self._runs:
            old = int(np.searchsorted(run.best_us, utc_us))
            heads.append(_spared(run.at(slice(0, old)), utc_us, spared))
            if old < len(run):
                runs.append(_compact(run.at(slice(old, None))) if old else run)
        tail = self._tail.at(slice(0, self._filled))
        if (tail.best_us < utc_us).any():
            heads.append(_spared(tail, utc_us, spared))
            self._tail, self._filled, self._newest = _room(_TAIL), 0, None
            self.append(tail.at(np.flatnonzero(tail.best_us >= utc_us)))
        self._runs, self._kept = runs, _in_order(Columns.joined(heads))

    def _merge(self) -> None:
        """Runs of like size become one, so that there are few; a long one is left alone, which would take too long."""
        while len(self._runs) > 1:
            before, last = self._runs[-2:]
            if len(before) > len(last) or len(before) + len(last) > _LONGEST_MERGE:
                return
            self._runs[-2:] = [_in_order(Columns.joined([before, last]))]


def _in_order(rows: Columns) -> Columns:
    if len(rows) < 2 or bool((rows.best_us[1:] >= rows.best_us[:-1]).all()):
        return rows
    return rows.at(np.argsort(rows.best_us, kind="stable"))


def _spared(rows: Columns, utc_us: int, spared: npt.NDArray[np.int64]) -> Columns:
    """Of rows that are old, those that stay."""
    return rows.at(np.flatnonzero((rows.best_us < utc_us) & np.isin(rows.packet, spared)))


def _compact(rows: Columns) -> Columns:
    """The same, in memory of their own where they are a small part of what they are a view of."""
    whole = rows.packet.base
    return Columns.joined([rows]) if whole is not None and len(rows) * _WASTE < whole.size * (_WASTE - 1) else rows


def _room(count: int) -> Columns:
    """Columns to be filled."""
    made = {each.name: getattr(_empty(), each.name) for each in fields(Columns)}
    shapes = {"words": (WORDS, count), "fine": (count, CODE_BYTES)}
    return Columns(**{name: np.zeros(shapes.get(name, (count,)), column.dtype) for name, column in made.items()})


def _copy(rows: Columns, to: Columns, at: int) -> None:
    for each in fields(Columns):
        place = getattr(to, each.name)
        if each.name == "words":
            place[:, at : at + len(rows)] = rows.words
        else:
            place[at : at + len(rows)] = getattr(rows, each.name)


def words_of(fine: npt.NDArray[np.int8], model: str = "") -> npt.NDArray[np.uint64]:
    """(WORDS, n) coarse bits of (n, 64) fine codes of `model`."""
    packed = np.ascontiguousarray(coarse.bits(fine, model))
    return np.ascontiguousarray(packed.view(np.uint64).T)


def colour_bits(shares: Sequence[ColourShare]) -> int:
    """One bit per part and colour whose share is large enough to be requested."""
    return sum({colour_bit(each.part, each.colour) for each in shares if each.share >= _PRESENT})


def stored_bits(colours: Sequence[tuple[int, int, float]], attributes: Sequence[tuple[int, int, float]]) -> Bits:
    """Both for numbers as the database keeps them, without an object for each."""
    shown = sure = 0
    for part, colour, share in colours:
        if share >= _PRESENT:
            shown |= 1 << (part * len(Colour) + colour)
    for name, value, confidence in attributes:
        if confidence >= _SURE:
            sure |= _stored_attribute_bit(name, value)
    return shown, sure


@cache
def _stored_attribute_bit(name: int, value: int) -> int:
    attribute = Attribute(name)
    return attribute_bit(attribute, value) if attribute in CHOICES else 0


def colour_bit(part: BodyPart, colour: Colour) -> int:
    """The bit of one colour of one part."""
    return 1 << (int(part) * len(Colour) + int(colour))


def attribute_bits(values: Sequence[AttributeValue]) -> int:
    """One bit per attribute and value that the camera is sure enough of."""
    sure = [each for each in values if each.attribute in CHOICES and each.confidence >= _SURE]
    return sum({attribute_bit(each.attribute, each.value) for each in sure})


def attribute_bit(attribute: Attribute, value: int) -> int:
    """The bit of one value of an attribute with choices."""
    before = sum(len(CHOICES[each]) for each in CHOICES if each < attribute)
    return 1 << (before + value)


def _empty() -> Columns:
    return Columns.of(())
