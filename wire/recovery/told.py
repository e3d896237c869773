"""Writing what is masked, as differences from the access unit before. The reading half is `tables.py`.

`wire/recovery.md`, "Tables". The mask is run-length coded down the columns because people are taller than wide.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from wire.base.errors import WireError
from wire.recovery.layout import Mask, Region

_SLOTS = 256
_GONE, _WHOLE, _MOVED = "00", "01", "1"
_SKIP_ORDER = 3


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
    bits: list[str] = []
    rows, columns = after.mask.shape
    if whole:
        bits += f"{columns - 1:010b}", f"{rows - 1:010b}"
    _write_runs(bits, (before.mask != after.mask).T.ravel())
    changed = sorted(
        slot for slot in before.slots.keys() | after.slots.keys() if before.slots.get(slot) != after.slots.get(slot)
    )
    bits.append(_golomb(len(changed)))
    last = -1
    for slot in changed:
        bits.append(_golomb(slot - last - 1))
        last = slot
        _write_object(bits, before.slots.get(slot), after.slots.get(slot))
    text = "".join(bits)
    size = -(-len(text) // 8)
    return int(text.ljust(8 * size, "0"), 2).to_bytes(size, "big")


def _write_object(bits: list[str], before: Region | None, after: Region | None) -> None:
    if after is None:
        bits.append(_GONE)
    elif before is not None and _same_object(before, after):
        bits.append(_MOVED)
        steps = after.x - before.x, after.y - before.y, after.w - before.w, after.h - before.h
        bits += (_golomb(2 * step - 1 if step > 0 else -2 * step) for step in steps)
    else:
        bits += _WHOLE, f"{after.class_:04b}{after.level:04b}{after.track_id:032b}"
        bits += (_golomb(number) for number in (after.x, after.y, after.w - 1, after.h - 1))


def _same_object(before: Region, after: Region) -> bool:
    return (before.track_id, before.class_, before.level) == (after.track_id, after.class_, after.level)


def _check(region: Region, rows: int, columns: int) -> None:
    inside = region.x + region.w <= columns and region.y + region.h <= rows and min(region.x, region.y) >= 0
    if not inside or region.w < 1 or region.h < 1:
        raise WireError(f"object {region.track_id} leaves the picture of {columns} by {rows} macroblocks")
    if not (0 <= region.class_ < 16 and 0 <= region.level < 16 and 0 <= region.track_id < 2**32):
        raise WireError(f"object {region.track_id} has a class, level or number out of range")


def _write_runs(bits: list[str], changed: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> None:
    bounded = np.zeros(changed.size + 2, np.bool_)
    bounded[1:-1] = changed
    edges = np.flatnonzero(bounded[1:] != bounded[:-1]).tolist()
    bits.append(_golomb(len(edges) // 2))
    end = 0
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        skip = start - end
        bits += _golomb(skip >> _SKIP_ORDER), f"{skip & 7:03b}", _golomb(stop - start - 1)
        end = stop


def _golomb(number: int) -> str:
    """Unsigned Exp-Golomb code, H.264 9.1."""
    digits = f"{number + 1:b}"
    return "0" * (len(digits) - 1) + digits
