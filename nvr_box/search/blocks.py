"""Stored passages as columns in the database, so that a box with millions of them searches a moment after its start.

A block holds what the comparison needs of every packet between two numbers, array after array. It is made once, of
some thousand rows, and never changed: a packet of it that is removed or coded again takes the block with it (triggers
in `nvr_box/db/migrations/`), and its rows are read singly until they are in another one. The rows stay the truth.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from nvr_box.db import blocks as block_rows
from nvr_box.db.link import Link
from nvr_box.search.gallery import CODE_BYTES, WORDS, Columns, words_of

ROWS = 8192
"""Of a full block."""
LEAST_ROWS = 1024
# Another number when the bits of colours or attributes mean something else.
_FORM = "1"
_TYPES = (
    ("packet", "<i8"), ("best_us", "<i8"), ("camera", "<i4"), ("object_class", "u1"), ("colours", "<u8"),
    ("attributes", "<u8"), ("scale", "<f4"),
)  # fmt: skip
# Coarse bits belong to what was learnt for a model: some are made again to see whether they still do.
_PROBED = 16


@dataclass(frozen=True, slots=True)
class Block:
    """Packets `first` to `last`, by model."""

    first: int
    last: int
    rows: dict[str, Columns]


def pack(rows: dict[str, Columns]) -> tuple[int, int, str, str, bytes]:
    """The row of the table `block`; there is at least one passage."""
    models = sorted(name for name, columns in rows.items() if len(columns))
    parts = [rows[name] for name in models]
    whole = Columns.joined(parts)
    index = np.repeat(np.arange(len(parts), dtype=np.uint8), [len(part) for part in parts])
    data = [index.tobytes()]
    data += [getattr(whole, name).astype(kind, copy=False).tobytes() for name, kind in _TYPES]
    data += [whole.fine.tobytes(), np.ascontiguousarray(whole.words).astype("<u8", copy=False).tobytes()]
    return int(whole.packet.min()), int(whole.packet.max()), _FORM, json.dumps(models), b"".join(data)


def unpack(first: int, last: int, form: str, models: str, data: bytes) -> Block | None:
    """The block, None when it was made by a program that writes them differently."""
    each = 1 + sum(np.dtype(kind).itemsize for _, kind in _TYPES) + CODE_BYTES + WORDS * 8
    count, rest = divmod(len(data), each)
    if form != _FORM or rest or not count:
        return None
    index = np.frombuffer(data, np.uint8, count)
    at = count
    made: dict[str, npt.NDArray[np.generic]] = {}
    for name, kind in _TYPES:
        made[name] = np.frombuffer(data, kind, count, at)
        at += made[name].nbytes
    made["fine"] = np.frombuffer(data, np.int8, count * CODE_BYTES, at).reshape(count, CODE_BYTES)
    at += count * CODE_BYTES
    made["words"] = np.frombuffer(data, "<u8", count * WORDS, at).reshape(WORDS, count)
    whole = Columns(**made)  # type: ignore[arg-type]  # arrays of the types of the fields
    rows = {}
    for number, model in enumerate(json.loads(models)):
        # Models lie one after the other.
        low, high = np.searchsorted(index, [number, number + 1])
        rows[model] = _sound(whole.at(slice(int(low), int(high))), model)
    return Block(first, last, rows)


def _sound(rows: Columns, model: str) -> Columns:
    """With coarse bits as they are made today."""
    probe = rows.at(slice(0, _PROBED))
    if np.array_equal(words_of(probe.fine, model), probe.words):
        return rows
    values = {name: getattr(rows, name) for name in Columns.__dataclass_fields__ if name != "words"}
    return Columns(words=words_of(rows.fine, model), **values)


def load(link: Link, first: int) -> Block | None:
    """One block, None when it is gone or of another form."""
    row = block_rows.get(link, first)
    return unpack(*row) if row else None


def keep(link: Link, rows: dict[str, Columns]) -> bool:
    """Write a block of these rows; False when they are not what the database has between the first and the last."""
    packed = pack(rows)
    there = block_rows.counts(link, packed[0], packed[1])
    if there != {model: len(columns) for model, columns in rows.items() if len(columns)}:
        return False
    block_rows.save(link, packed)
    return True


def gaps(blocks: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int | None]]:
    """Ranges (after, before) of packets that are in no block; the last one has no end."""
    yield 0, blocks[0][0] if blocks else None
    for (_, last), (first, _) in pairwise(blocks):
        yield last, first
    if blocks:
        yield blocks[-1][1], None
