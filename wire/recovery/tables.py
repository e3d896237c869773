"""Reading what is masked: macroblock by macroblock and object by object, as differences from the access unit before.

`wire/recovery.md`, "Tables". Parsing is total: a value, or `WireError`. The writing half is `mask_tables.py`; they
share nothing but the page.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from base.errors import Truncated, WireError
from wire.recovery.layout import Mask, Region

MAX_SIDE = 1024
MAX_SLOTS = 256
_MOST_ZEROS = 20


@dataclass(frozen=True, slots=True)
class Tables:
    """The mask, (rows, columns) bool in macroblocks, and the objects by slot."""

    mask: Mask
    slots: dict[int, Region] = field(default_factory=dict)

    @property
    def regions(self) -> tuple[Region, ...]:
        return tuple(region for _, region in sorted(self.slots.items()))


class _Bits:
    """Reads bits, most significant first."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def bytes_read(self) -> int:
        """With the byte that is being read."""
        return -(-self._at // 8)

    def read(self, count: int) -> int:
        """The next `count` bits, 32 at most."""
        first, last = self._at // 8, -(-(self._at + count) // 8)
        if last > len(self._data):
            raise Truncated("tables", at=len(self._data))
        window = int.from_bytes(self._data[first:last], "big")
        self._at += count
        return window >> (8 * last - self._at) & (1 << count) - 1

    def golomb(self) -> int:
        """An unsigned Exp-Golomb code below 2^21."""
        zeros = 0
        while not self.read(1):
            zeros += 1
            if zeros > _MOST_ZEROS:
                raise WireError("number above 21 bits", at=self._at // 8)
        return (1 << zeros) - 1 + (self.read(zeros) if zeros else 0)

    def signed(self) -> int:
        """A signed Exp-Golomb code: 0, 1, -1, 2, -2, …"""
        number = self.golomb()
        return (number + 1) // 2 if number & 1 else -(number // 2)


def decode(before: Tables | None, data: bytes) -> tuple[Tables, int]:
    """The tables at the head of `data` and how many bytes they take; `before` None where decoding starts.

    Raises:
        Truncated, WireError: `data` is not what the page allows.
    """
    bits = _Bits(data)
    if before is None:
        columns, rows = bits.read(10) + 1, bits.read(10) + 1
        before = Tables(np.zeros((rows, columns), np.bool_))
    rows, columns = before.mask.shape
    mask = before.mask ^ _read_runs(bits, before.mask.size).reshape(columns, rows).T
    slots = dict(before.slots)
    slot = -1
    for _ in range(bits.golomb()):
        slot += 1 + bits.golomb()
        if slot >= MAX_SLOTS:
            raise WireError(f"object slot {slot}", at=bits.bytes_read)
        _read_object(bits, slots, slot, rows, columns)
    return Tables(mask, slots), bits.bytes_read


def _read_object(bits: _Bits, slots: dict[int, Region], slot: int, rows: int, columns: int) -> None:
    if bits.read(1):
        if slot not in slots:
            raise WireError(f"object slot {slot} is empty and cannot move", at=bits.bytes_read)
        before = slots[slot]
        x, y, w, h = (bits.signed() for _ in range(4))
        region = replace(before, x=before.x + x, y=before.y + y, w=before.w + w, h=before.h + h)
    elif bits.read(1):
        class_, level, track_id = bits.read(4), bits.read(4), bits.read(32)
        x, y, w, h = (bits.golomb() for _ in range(4))
        region = Region(track_id, class_, level, x, y, w + 1, h + 1)
    else:
        if slots.pop(slot, None) is None:
            raise WireError(f"object slot {slot} is empty already", at=bits.bytes_read)
        return
    if region.x < 0 or region.y < 0 or region.x + region.w > columns or region.y + region.h > rows:
        what = f"object {region.track_id} leaves the picture of {columns} by {rows} macroblocks"
        raise WireError(what, at=bits.bytes_read)
    if region.w < 1 or region.h < 1:
        raise WireError(f"object {region.track_id} has no macroblock", at=bits.bytes_read)
    slots[slot] = region


def _read_runs(bits: _Bits, size: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    changed = np.zeros(size, np.bool_)
    end = 0
    for _ in range(bits.golomb()):
        start = end + (bits.golomb() << 3 | bits.read(3))
        end = start + bits.golomb() + 1
        if end > size:
            raise WireError(f"run of {end - start} macroblocks at {start} of {size}", at=bits.bytes_read)
        changed[start:end] = True
    return changed
