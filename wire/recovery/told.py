"""Writing what is masked, as differences from the access unit before. The reading half is `tables.py`.

`wire/recovery.md`, "Tables". The mask is run-length coded down the columns because people are taller than wide.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from wire.base.errors import WireError
from wire.recovery.layout import Mask, Region

_SLOTS = 256
_GONE, _WHOLE, _MOVED = range(3)


@dataclass(frozen=True, slots=True)
class Told:
    """What a reader knows by now: the mask, (rows, columns) bool in macroblocks, and the objects by slot."""

    mask: Mask
    slots: dict[int, Region] = field(default_factory=dict)

    @classmethod
    def nothing(cls, columns: int, rows: int) -> "Told":
        return cls(np.zeros((rows, columns), np.bool_))

    def then(self, mask: Mask, regions: Iterable[Region]) -> "Told":
        """What is to be known next: an object keeps its slot as long as it stays; of more than 256, the first are told.

        Raises:
            WireError: the mask changed its shape, or a region is out of range.
        """
        if mask.shape != self.mask.shape:
            raise WireError(f"mask of {mask.shape} macroblocks in a picture of {self.mask.shape}")
        present = {region.track_id: region for region in regions}
        for region in present.values():
            _check(region, *mask.shape)
        held = {slot: present.pop(r.track_id) for slot, r in self.slots.items() if r.track_id in present}
        free = (slot for slot in range(_SLOTS) if slot not in held)
        return Told(mask, held | dict(zip(free, present.values(), strict=False)))


def write(before: Told, after: Told, *, whole: bool) -> bytes:
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


def _check(region: Region, rows: int, columns: int) -> None:
    inside = region.x + region.w <= columns and region.y + region.h <= rows and min(region.x, region.y) >= 0
    if not inside or region.w < 1 or region.h < 1:
        raise WireError(f"object {region.track_id} leaves the picture of {columns} by {rows} macroblocks")
    if not (0 <= region.class_ < 16 and 0 <= region.level < 16 and 0 <= region.track_id < 2**32):
        raise WireError(f"object {region.track_id} has a class, level or number out of range")


def _write_runs(out: bytearray, changed: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> None:
    bounded = np.zeros(changed.size + 2, np.bool_)
    bounded[1:-1] = changed
    edges = np.flatnonzero(bounded[1:] != bounded[:-1]).tolist()
    _varint(out, len(edges) // 2)
    before = 0
    for edge in edges:
        _varint(out, edge - before)
        before = edge


def _varint(out: bytearray, number: int) -> None:
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
