"""Feature packets from paired cameras, taken once and kept."""

import hashlib
import logging
from collections.abc import Callable

from base.errors import Error, RightRefused, SealError, WireError
from base.logs import printable
from nvr_box.db import cameras as camera_rows
from nvr_box.db.database import Store
from nvr_box.record.source import CLOCK_TOLERANCE_S
from nvr_box.search.passages import Passages
from wire import thumbnail
from wire.features import seal
from wire.features.packet import FeaturePacket
from wire.keys import Identity
from wire.push import Receipt, Refusal, split

log = logging.getLogger(__name__)


class Intake:
    """The receiving end of the cameras' push.

    Args:
        identity: the box's own key, to which packets are sealed.
        clock_offset_s: the clock of a camera minus the box's, None while unknown.
    """

    def __init__(
        self, store: Store, passages: Passages, identity: Identity, clock_offset_s: Callable[[int], float | None]
    ) -> None:
        self._store, self._passages, self._identity = store, passages, identity
        self._clock_offset_s = clock_offset_s

    async def recognise(self, token: str) -> tuple[int, str, str]:
        """The paired camera that has this token: number, id and signing key; before a stranger's megabytes are taken.

        Raises:
            Refused: there is none.
        """
        row = await self._store.read(lambda link: camera_rows.signed_in_by(link, token_hash(token)))
        if row is None:
            raise RightRefused("no paired camera signs in with this token")
        return row

    async def accept(self, token: str, batch: bytes) -> Receipt:
        """Take a pushed body (`u32 length || sealed packet`, repeated); idempotent by (camera_id, sequence).

        Args:
            token: the bearer token that the camera got when it was paired.

        Raises:
            Refused: no paired camera has this token (401).
            WireError: the framing of the batch is broken (400); nothing was taken.
            StoreError: the disk or database refused (503); the camera keeps its packets.
        """
        row = await self.recognise(token)
        camera, camera_id, signing_key = row[0], bytes.fromhex(row[1]), bytes.fromhex(row[2])
        opened: list[FeaturePacket] = []
        refused: list[Refusal] = []
        for index, blob in enumerate(split(batch)):
            try:
                if seal.camera_of(blob) != camera_id:
                    raise SealError("the packet is of another camera than the one that pushes it")
                packet = seal.open_sealed(blob, self._identity, signing_key)
                _check_thumbnail(packet)
                opened.append(packet)
            except Error as error:
                log.warning("camera %d: packet %d of a batch refused: %s", camera, index, printable(str(error)))
                refused.append(Refusal(None, index, str(error)))
        offset_s = self._clock_offset_s(camera) or 0.0
        shift_us = 0 if abs(offset_s) <= CLOCK_TOLERANCE_S else -int(offset_s * 1_000_000)
        await self._passages.add(camera, opened, shift_us)
        return Receipt(tuple(packet.sequence for packet in opened), tuple(refused))


def _check_thumbnail(packet: FeaturePacket) -> None:
    """`WireError` when the best shot is no JPEG of ours, or its sealed original is another packet's."""
    unit = thumbnail.parse(packet.thumbnail).unit if packet.thumbnail else None
    if unit and (unit.label.camera_id, unit.label.sequence) != (packet.camera_id, packet.sequence):
        raise WireError("the sealed original of the best shot belongs to another packet")


def token_hash(token: str) -> str:
    """How a push token is stored."""
    return hashlib.sha256(token.encode()).hexdigest()
