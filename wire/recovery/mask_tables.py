"""Writing what is masked, as differences from the access unit before. The reading half is `tables.py`.

`wire/recovery.md`, "Tables". The mask is run-length coded down the columns because people are taller than wide.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from base.errors import WireError
from wire.recovery.layout import Mask, Region

_SLOTS = 256
_SKIP_ORDER = 3


@dataclass(frozen=True, slots=True)
class MaskTables:
    """What a reader knows by now: the mask, and the objects by slot.

    Args:
        mask: one byte a macroblock, 0 or 1, down the columns from left to right.
    """

    columns: int
    rows: int
    mask: bytes
    slots: dict[int, Region] = field(default_factory=dict)

    @classmethod
    def nothing(cls, columns: int, rows: int) -> "MaskTables":
        return cls(columns, rows, bytes(columns * rows))

    @property
    def masked(self) -> bool:
        """Whether there is anything under the mask."""
        return 1 in self.mask

    def then(self, mask: Mask, regions: Iterable[Region]) -> "MaskTables":
        """What is to be known next: an object keeps its slot as long as it stays; of more than 256, the first count.

        Args:
            mask: (rows, columns) bool.

        Raises:
            WireError: the mask changed its shape, or a region is out of range.
        """
        if mask.shape != (self.rows, self.columns):
            raise WireError(f"mask of {mask.shape} macroblocks in a picture of {(self.rows, self.columns)}")
        present = {region.track_id: region for region in regions}
        for region in present.values():
            _check(region, self.rows, self.columns)
        held = {slot: present.pop(r.track_id) for slot, r in self.slots.items() if r.track_id in present}
        free = (slot for slot in range(_SLOTS) if slot not in held)
        return MaskTables(
            self.columns, self.rows, mask.T.tobytes(), held | dict(zip(free, present.values(), strict=False))
        )


class _Bits:
    """A string of bits, written from its most significant one on. Numbers, because text costs three times as much."""

    def __init__(self) -> None:
        self._value = self._size = 0

    def write(self, number: int, size: int) -> None:
        """`size` bits of a number that fits."""
        self._value = self._value << size | number
        self._size += size

    def golomb(self, number: int) -> None:
        """Unsigned Exp-Golomb code, H.264 9.1."""
        self.write(number + 1, 2 * (number + 1).bit_length() - 1)

    def bytes(self) -> bytes:
        """Filled up with zeros."""
        fill = -self._size % 8
        return (self._value << fill).to_bytes((self._size + fill) // 8, "big")


def write(before: MaskTables, after: MaskTables, *, whole: bool) -> bytes:
    """Code `after` against `before`; `whole` writes the picture size as well and wants an empty `before`."""
    bits = _Bits()
    if whole:
        bits.write(after.columns - 1, 10)
        bits.write(after.rows - 1, 10)
    _write_runs(bits, before.mask, after.mask)
    changed = sorted(
        slot for slot in before.slots.keys() | after.slots.keys() if before.slots.get(slot) != after.slots.get(slot)
    )
    bits.golomb(len(changed))
    last = -1
    for slot in changed:
        bits.golomb(slot - last - 1)
        last = slot
        _write_object(bits, before.slots.get(slot), after.slots.get(slot))
    return bits.bytes()


def _write_object(bits: _Bits, before: Region | None, after: Region | None) -> None:
    if after is None:
        bits.write(0, 2)
    elif before is not None and _same_object(before, after):
        bits.write(1, 1)
        for step in (after.x - before.x, after.y - before.y, after.w - before.w, after.h - before.h):
            bits.golomb(2 * step - 1 if step > 0 else -2 * step)
    else:
        bits.write(1, 2)
        bits.write(after.class_ << 36 | after.level << 32 | after.track_id, 40)
        for number in (after.x, after.y, after.w - 1, after.h - 1):
            bits.golomb(number)


def _same_object(before: Region, after: Region) -> bool:
    return (before.track_id, before.class_, before.level) == (after.track_id, after.class_, after.level)


def _check(region: Region, rows: int, columns: int) -> None:
    inside = region.x + region.w <= columns and region.y + region.h <= rows and min(region.x, region.y) >= 0
    if not inside or region.w < 1 or region.h < 1:
        raise WireError(f"object {region.track_id} leaves the picture of {columns} by {rows} macroblocks")
    if not (0 <= region.class_ < 16 and 0 <= region.level < 16 and 0 <= region.track_id < 2**32):
        raise WireError(f"object {region.track_id} has a class, level or number out of range")


def _write_runs(bits: _Bits, before: bytes, after: bytes) -> None:
    changed = (int.from_bytes(before, "big") ^ int.from_bytes(after, "big")).to_bytes(len(after), "big")
    runs, end = [], 0
    while (start := changed.find(1, end)) >= 0:
        stop = changed.find(0, start)
        stop = len(changed) if stop < 0 else stop
        runs.append((start - end, stop - start))
        end = stop
    bits.golomb(len(runs))
    for skip, length in runs:
        bits.golomb(skip >> _SKIP_ORDER)
        bits.write(skip & (1 << _SKIP_ORDER) - 1, _SKIP_ORDER)
        bits.golomb(length - 1)
