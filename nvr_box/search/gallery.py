"""Appearance codes in memory as columns, ready to be compared: one gallery per appearance model.

The database is the truth; this is rebuilt from it at start. Rows are sorted by time so that a time filter is a
slice; late packets wait in a short unsorted tail that is merged when it is full. Coarse bits lie word-major: word w
of every row side by side, which is what the comparison reads.

Memory per row: 64 bytes of coarse bits, 64 of fine code, 41 of the rest: 169 MB for a million passages.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from models import coarse
from wire.features.packet import AttributeValue, ColourShare
from wire.features.vocabulary import CHOICES, Attribute, Colour, Part

CODE_BYTES = 64
WORDS = 8
_TAIL = 8192
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
    """Rows of one model. Changed on the event loop only; a `parts()` snapshot may be read on any thread."""

    def __init__(self) -> None:
        self._sorted = _empty()
        self._tail: list[Columns] = []
        self._tail_rows = 0

    def __len__(self) -> int:
        return len(self._sorted) + self._tail_rows

    def append(self, rows: Columns) -> None:
        """Add rows in any order of time."""
        self._tail.append(rows)
        self._tail_rows += len(rows)
        if self._tail_rows >= _TAIL:
            merged = Columns.joined([self._sorted, *self._tail])
            self._sorted = merged.at(np.argsort(merged.best_us, kind="stable"))
            self._tail, self._tail_rows = [], 0

    def parts(self, start_us: int | None, end_us: int | None) -> list[Columns]:
        """The rows with start_us <= best_us < end_us, in one sorted part and the tail; a stable snapshot."""
        low = 0 if start_us is None else int(np.searchsorted(self._sorted.best_us, start_us))
        high = len(self._sorted) if end_us is None else int(np.searchsorted(self._sorted.best_us, end_us))
        found = [self._sorted.at(slice(low, high))]
        for part in self._tail:
            keep = np.ones(len(part), bool)
            if start_us is not None:
                keep &= part.best_us >= start_us
            if end_us is not None:
                keep &= part.best_us < end_us
            found.append(part.at(np.flatnonzero(keep)))
        return [part for part in found if len(part)]

    def forget_before(self, utc_us: int, spared: npt.NDArray[np.int64]) -> None:
        """Retention removed every row before `utc_us` but those of the packets `spared`."""
        old = [rows.at(np.flatnonzero(np.isin(rows.packet, spared))) for rows in self.parts(None, utc_us)]
        kept = self.parts(utc_us, None)
        self._sorted, self._tail, self._tail_rows = _empty(), [], 0
        if kept:
            self._sorted = kept[0]
            for part in kept[1:]:
                self.append(part)
        for part in old:
            self.append(part)


def words_of(fine: npt.NDArray[np.int8], model: str = "") -> npt.NDArray[np.uint64]:
    """(WORDS, n) coarse bits of (n, 64) fine codes of `model`."""
    packed = np.ascontiguousarray(coarse.bits(fine, model))
    return np.ascontiguousarray(packed.view(np.uint64).T)


def colour_bits(shares: Sequence[ColourShare]) -> int:
    """One bit per part and colour whose share is large enough to be asked for."""
    return sum({colour_bit(each.part, each.colour) for each in shares if each.share >= _PRESENT})


def colour_bit(part: Part, colour: Colour) -> int:
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
