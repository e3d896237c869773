"""What is masked, told macroblock by macroblock and object by object, as differences from the access unit before.

Both tables are coded against their predecessor, or against empty ones where decoding of the payload can start
(`wire/recovery.md`, "Tables"). Numbers are LEB128. The mask is run-length coded down the columns because people
are taller than wide. Parsing is total.
"""

from collections.abc import Iterable
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

    @classmethod
    def empty(cls, columns: int, rows: int) -> "Tables":
        return cls(np.zeros((rows, columns), np.bool_))

    @property
    def regions(self) -> tuple[Region, ...]:
        return tuple(region for _, region in sorted(self.slots.items()))

    def follow(self, mask: Mask, regions: Iterable[Region]) -> "Tables":
        """The next tables: an object keeps its slot as long as it stays; of more than 256, the first are told.

        Raises:
            WireError: the mask changed its shape, or a region leaves the picture.
        """
        if mask.shape != self.mask.shape:
            raise WireError(f"mask of {mask.shape} macroblocks in a picture of {self.mask.shape}")
        present = {region.track_id: region for region in regions}
        for region in present.values():
            _check(region, *mask.shape)
        held = {slot: present.pop(r.track_id) for slot, r in self.slots.items() if r.track_id in present}
        free = (slot for slot in range(MAX_SLOTS) if slot not in held)
        return Tables(mask, held | dict(zip(free, present.values(), strict=False)))


def encode(before: Tables, after: Tables, *, whole: bool) -> bytes:
    """Code `after` against `before`; `whole` tells the picture size as well and wants an empty `before`."""
    rows, columns = after.mask.shape
    out = bytearray()
    if whole:
        out += columns.to_bytes(2, "big") + rows.to_bytes(2, "big")
    _write_runs(out, (before.mask != after.mask).T.ravel())
    gone = [slot for slot in before.slots if slot not in after.slots]
    told = [(slot, region) for slot, region in after.slots.items() if before.slots.get(slot) != region]
    _varint(out, len(gone) + len(told))
    for slot in gone:
        _varint(out, slot << 2 | _GONE)
    for slot, region in told:
        steps = _steps(before.slots.get(slot), region)
        _varint(out, slot << 2 | (_WHOLE if steps is None else _MOVED))
        if steps is None:
            out.append(region.class_ << 4 | region.level)
            for number in (region.track_id, region.x, region.y, region.w, region.h):
                _varint(out, number)
        else:
            out += bytes(((steps[0] & 15) << 4 | steps[1] & 15, (steps[2] & 15) << 4 | steps[3] & 15))
    return bytes(out)


def _steps(before: Region | None, after: Region) -> tuple[int, int, int, int] | None:
    """By how much a box moved and grew, where four bits each can say it and nothing else changed."""
    if before is None or (before.track_id, before.class_, before.level) != (after.track_id, after.class_, after.level):
        return None
    steps = after.x - before.x, after.y - before.y, after.w - before.w, after.h - before.h
    return steps if all(-8 <= step <= 7 for step in steps) else None


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
        before, at = Tables.empty(columns, rows), 4
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


def _check(region: Region, rows: int, columns: int, at: int = -1) -> None:
    inside = region.x + region.w <= columns and region.y + region.h <= rows and min(region.x, region.y) >= 0
    if not inside or region.w < 1 or region.h < 1:
        raise WireError(f"object {region.track_id} leaves the picture of {columns} by {rows} macroblocks", at=at)
    if not (0 <= region.class_ < 16 and 0 <= region.level < 16 and 0 <= region.track_id < 2**32):
        raise WireError(f"object {region.track_id} has a class, level or number out of range", at=at)


def _write_runs(out: bytearray, changed: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> None:
    bounded = np.zeros(changed.size + 2, np.bool_)
    bounded[1:-1] = changed
    edges = np.flatnonzero(bounded[1:] != bounded[:-1]).tolist()
    _varint(out, len(edges) // 2)
    before = 0
    for edge in edges:
        _varint(out, edge - before)
        before = edge


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


def _varint(out: bytearray, number: int) -> None:
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


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
