"""Codes of stored passages made again by another appearance model, from the originals sealed in their best shots.

Originals are opened in memory only, one at a time. A batch of codes is one transaction, and what is done carries the
new model's id: a run that stops in between, however abruptly, goes on where it was. A passage whose best shot does not
open keeps its code and its model; codes of different models are never compared.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from base.errors import ModelError
from models import Encoder
from nvr_box.db import facts
from nvr_box.db import packets as packet_rows
from nvr_box.db.database import Store
from nvr_box.db.link import Link
from nvr_box.search.gallery import CODE_BYTES
from nvr_box.search.passages import CODES
from wire import thumbnail
from wire.features.packet import FULL_SCALE, AppearanceCode
from wire.features.vocabulary import CodeKind, ObjectClass
from wire.keys import Identity

NO_SHOT = "no best shot was sent"
NO_PICTURE = "its original is no picture"
_BATCH = 16


@dataclass(slots=True)
class ReencodeProgress:
    """`total` passages carried another model's code; `done` have the new one, `stayed` could not, by reason."""

    total: int = 0
    done: int = 0
    stayed: Counter[str] = field(default_factory=Counter)

    @property
    def seen(self) -> int:
        return self.done + self.stayed.total()


@dataclass(frozen=True, slots=True)
class _Row:
    packet: int
    camera_id: bytes
    sequence: int
    object_class: ObjectClass
    model: str
    jpeg: bytes | None
    signing_key: bytes | None


@dataclass(frozen=True, slots=True)
class _Made:
    packet: int
    old_model: str
    code: AppearanceCode


class Reencoder:
    """One pass over a box's passages.

    Args:
        encoder: makes the new codes.
        identities: what opens the originals.
    """

    def __init__(self, store: Store, encoder: Encoder, identities: Sequence[Identity]) -> None:
        self._store, self._encoder, self._identities = store, encoder, tuple(identities)
        person, other = (encoder.model_of(each) for each in (ObjectClass.PERSON, ObjectClass.CAR))
        self._models = {"person_class": int(ObjectClass.PERSON), "person": person, "other": other}

    async def count(self) -> int:
        """How many passages carry another model's code, or none."""
        return await self._store.read(lambda link: packet_rows.count_others(link, self._models))

    async def run(self) -> AsyncIterator[ReencodeProgress]:
        """Work through them; progress after every batch that is on disk.

        Raises:
            StoreError: the database refuses; what was done stays done.
        """
        progress = ReencodeProgress(await self.count())
        after = 0
        while rows := await self._next(after):
            after = rows[-1].packet
            made = []
            for row in rows:
                found = await asyncio.to_thread(self._make, row)
                if isinstance(found, str):
                    progress.stayed[found] += 1
                else:
                    made.append(found)
            progress.done += await self._store.write(lambda link, made=made: _keep(link, made))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            yield progress
        await self._store.write(_announce)

    async def _next(self, after: int) -> list[_Row]:
        rows = await self._store.read(lambda link: packet_rows.others(link, self._models, after, _BATCH))
        return [
            _Row(packet, camera_id, sequence, ObjectClass(class_), model, jpeg, bytes.fromhex(key) if key else None)
            for packet, camera_id, sequence, class_, model, jpeg, key in rows
        ]

    def _make(self, row: _Row) -> _Made | str:
        """The new code, or why there is none. Worker thread."""
        if row.jpeg is None:
            return NO_SHOT
        opened = thumbnail.open_sealed(row.jpeg, self._identities, row.signing_key)
        if opened.clear is None or opened.label is None:
            return opened.reason
        if (opened.label.camera_id, opened.label.sequence) != (row.camera_id, row.sequence):
            return thumbnail.NOT_AUTHENTIC
        bgr = cv2.imdecode(np.frombuffer(opened.clear, np.uint8), cv2.IMREAD_COLOR)
        if bgr is None:
            return NO_PICTURE
        x, y, w, h = np.array(opened.label.inside, np.float32) / FULL_SCALE
        height, width = bgr.shape[:2]
        box = np.array([x * width, y * height, (x + w) * width, (y + h) * height], np.float32)
        rgb = np.ascontiguousarray(bgr[..., ::-1], np.uint8)
        try:
            code = self._encoder.encode(rgb, box, row.object_class)
        except ModelError as error:
            return f"the encoder refuses it: {error}"
        assert code.kind is CodeKind.INT8
        assert code.dims == CODE_BYTES
        return _Made(row.packet, row.model, code)


def _keep(link: Link, made: Sequence[_Made]) -> int:
    """Replace the codes; a passage that retention took meanwhile is none."""
    return sum(packet_rows.set_code(link, m.packet, m.code.model, m.code.data, before=m.old_model) for m in made)


def _announce(link: Link) -> None:
    """A running box loads its codes again: `Passages.reconcile`."""
    facts.save(link, CODES, secrets.token_hex(8))
