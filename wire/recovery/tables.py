"""Reading what is masked: macroblock by macroblock and object by object, as differences from the access unit before.

`wire/recovery.md`, "Tables". Parsing is total: a value, or `WireError`. The writing half is `told.py`; they share
nothing but the page.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from wire.base.errors import Truncated, WireError
from wire.recovery.layout import Mask, Region

MAX_SIDE = 1024
MAX_SLOTS = 256
_VARINT_BYTES = 5
_GONE, _WHOLE, _MOVED = range(3)


@dataclass(frozen=True, slots=True)
class Tables:
    """The mask, (rows, columns) bool in macroblocks, and the objects by slot."""

    mask: Mask
    slots: dict[int, Region] = field(default_factory=dict)

    @property
    def regions(self) -> tuple[Region, ...]:
        return tuple(region for _, region in sorted(self.slots.items()))


def decode(before: Tables | None, data: bytes) -> tuple[Tables, int]:
    """The tables at the head of `data` and how many bytes they take; `before` None where decoding starts.

    Raises:
        Truncated, WireError: `data` is not what `encode` writes.
    """
    at = 0
    if before is None:
        if len(data) < 4:
            raise Truncated("picture size", at=len(data))
        columns, rows = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big")
        if not (0 < columns <= MAX_SIDE and 0 < rows <= MAX_SIDE):
            raise WireError(f"picture of {columns} by {rows} macroblocks", at=0)
        before, at = Tables(np.zeros((rows, columns), np.bool_)), 4
    changed, at = _read_runs(data, at, before.mask.size)
    rows, columns = before.mask.shape
    mask = before.mask ^ changed.reshape(columns, rows).T
    slots = dict(before.slots)
    count, at = _read_varint(data, at)
    if count > 2 * MAX_SLOTS:
        raise WireError(f"{count} changes of objects", at=at)
    for _ in range(count):
        number, at = _read_varint(data, at)
        slot, kind = number >> 2, number & 3
        if slot >= MAX_SLOTS:
            raise WireError(f"object slot {slot}", at=at)
        if kind == _GONE:
            slots.pop(slot, None)
        elif kind == _WHOLE:
            slots[slot], at = _read_region(data, at, rows, columns)
        elif kind == _MOVED and slot in slots:
            slots[slot], at = _read_steps(data, at, slots[slot], rows, columns)
        else:
            raise WireError(f"object change of kind {kind} in slot {slot}", at=at)
    return Tables(mask, slots), at


def _read_steps(data: bytes, at: int, before: Region, rows: int, columns: int) -> tuple[Region, int]:
    if at + 2 > len(data):
        raise Truncated("object steps", at=at)
    x, y, w, h = ((nibble ^ 8) - 8 for byte in data[at : at + 2] for nibble in divmod(byte, 16))
    moved = replace(before, x=before.x + x, y=before.y + y, w=before.w + w, h=before.h + h)
    _check(moved, rows, columns, at)
    return moved, at + 2


def _read_region(data: bytes, at: int, rows: int, columns: int) -> tuple[Region, int]:
    if at >= len(data):
        raise Truncated("object", at=at)
    class_, level = divmod(data[at], 16)
    at += 1
    numbers = []
    for _ in range(5):
        number, at = _read_varint(data, at)
        numbers.append(number)
    track_id, x, y, w, h = numbers
    region = Region(track_id, class_, level, x, y, w, h)
    _check(region, rows, columns, at)
    return region, at


def _check(region: Region, rows: int, columns: int, at: int) -> None:
    if region.x < 0 or region.y < 0 or region.x + region.w > columns or region.y + region.h > rows:
        raise WireError(f"object {region.track_id} leaves the picture of {columns} by {rows} macroblocks", at=at)
    if region.w < 1 or region.h < 1:
        raise WireError(f"object {region.track_id} has no macroblock", at=at)


def _read_runs(data: bytes, at: int, size: int) -> tuple[np.ndarray[tuple[int], np.dtype[np.bool_]], int]:
    changed = np.zeros(size, np.bool_)
    runs, at = _read_varint(data, at)
    if runs > size:
        raise WireError(f"{runs} runs in {size} macroblocks", at=at)
    end = 0
    for _ in range(runs):
        skip, at = _read_varint(data, at)
        length, at = _read_varint(data, at)
        start = end + skip
        end = start + length
        if end > size or not length:
            raise WireError(f"run of {length} macroblocks at {start} of {size}", at=at)
        changed[start:end] = True
    return changed, at


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for i in range(_VARINT_BYTES):
        if at + i >= len(data):
            raise Truncated("number", at=at)
        byte = data[at + i]
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            if value >= 2**32:
                break
            return value, at + i + 1
    raise WireError("number above 32 bits", at=at)
