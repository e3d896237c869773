"""Sends the outbox to the box: HTTPS, the box's certificate pinned by its fingerprint, backing off while it is away.

docs/design.md, "Push". A packet is deleted only when the box names its sequence number as committed; whatever happens
in between, it is sent again, and the box knows it by camera and sequence.
"""

import asyncio
import contextlib
import logging
import random
import struct
from collections.abc import Sequence
from typing import Any

import aiohttp

from base.errors import PeerError, StoreError, WireError
from base.logs import printable
from base.outside_json import read_json
from firmware.outbox import Outbox, Queued
from firmware.pairing import Pairing, Pairings

log = logging.getLogger(__name__)

CONTENT_TYPE = "application/vnd.veilcam.packets"
_BATCH, _BATCH_BYTES = 64, 4 << 20
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 60.0
_TIMEOUT = aiohttp.ClientTimeout(total=30, connect=10)
_REPLY_LIMIT = 1 << 20


class Pusher:
    """The way from the outbox to the box; one task.

    Args:
        outbox: what is to be sent.
        pairings: where to.
    """

    def __init__(self, outbox: Outbox, pairings: Pairings) -> None:
        self._outbox, self._pairings = outbox, pairings
        self._news = asyncio.Event()
        self.away = False

    def wake(self) -> None:
        """There is something new to send, or a new box to send it to; event-loop thread."""
        self._news.set()

    async def run(self) -> None:
        """Send until cancelled."""
        wait_s = _FIRST_WAIT_S
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            while True:
                try:
                    more = await self._push(session)
                    if self.away:
                        log.info("the box is back")
                    self.away, wait_s = False, _FIRST_WAIT_S
                    if more:
                        continue
                    timeout_s = None if self._outbox.retry() else _FIRST_WAIT_S
                except (PeerError, StoreError, aiohttp.ClientError, OSError, TimeoutError) as error:
                    level = logging.DEBUG if self.away else logging.WARNING
                    log.log(level, "packets wait for the box: %s", printable(str(error) or type(error).__name__))
                    self.away = True
                    # Full jitter: after a power cut a hundred cameras must not return in step.
                    timeout_s = random.uniform(wait_s / 2, wait_s)  # noqa: S311  # not a secret
                    wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), timeout_s)
                    if self.away:
                        # News does not shorten the wait for a box that is away.
                        await asyncio.sleep(timeout_s or 0)
                self._news.clear()

    async def _push(self, session: aiohttp.ClientSession) -> bool:
        """Send one batch; whether more may be waiting."""
        pairing = self._pairings.current
        if pairing is None:
            return False
        batch = _limited(await asyncio.to_thread(self._outbox.head, _BATCH))
        if not batch:
            return False
        reply = await self._post(session, pairing, batch)
        acknowledged, refused = _read_reply(reply, batch)
        await asyncio.to_thread(self._outbox.acknowledge, acknowledged)
        for sequence, why in refused:
            log.warning("the box refused packet %d: %s", sequence, printable(why))
            await asyncio.to_thread(self._outbox.refuse, sequence, why)
        if not acknowledged and not refused:
            raise PeerError("the box took the packets but acknowledged none of them")
        return True

    async def _post(self, session: aiohttp.ClientSession, pairing: Pairing, batch: Sequence[Queued]) -> Any:
        body = b"".join(struct.pack(">I", len(packet.sealed)) + packet.sealed for packet in batch)
        headers = {"Authorization": f"Bearer {pairing.push_token}", "Content-Type": CONTENT_TYPE}
        pinned = aiohttp.Fingerprint(pairing.push_fingerprint)
        async with session.post(
            pairing.push_url, data=body, headers=headers, ssl=pinned, allow_redirects=False
        ) as response:
            if response.status != 200:
                raise PeerError(f"the box answered {response.status} to a push")
            text = bytearray()
            async for piece in response.content.iter_any():
                text += piece
                if len(text) > _REPLY_LIMIT:
                    break
            return _json(bytes(text))


def _limited(batch: Sequence[Queued]) -> list[Queued]:
    """The head of the batch that fits one request; one packet at least."""
    out: list[Queued] = []
    size = 0
    for packet in batch:
        size += len(packet.sealed) + 4
        if out and size > _BATCH_BYTES:
            break
        out.append(packet)
    return out


def _json(text: bytes) -> Any:
    """Raises PeerError."""
    try:
        return read_json(text, limit=_REPLY_LIMIT, what="the box's reply to a push")
    except WireError as error:
        raise PeerError(str(error)) from error


def _read_reply(reply: Any, batch: Sequence[Queued]) -> tuple[list[int], list[tuple[int, str]]]:
    """What the box says it has and what it will never take; only numbers that were in the batch count.

    Raises:
        PeerError: the reply has another shape.
    """
    sent = [packet.sequence for packet in batch]
    known = set(sent)
    if not isinstance(reply, dict) or not isinstance(reply.get("acknowledged", []), list):
        raise PeerError("the box's reply to a push has no list of acknowledged packets")
    if not isinstance(reply.get("refused") or [], list):
        raise PeerError("the box's reply to a push has no list of refused packets")
    acknowledged = [n for n in reply.get("acknowledged", []) if isinstance(n, int) and n in known]
    refused = []
    for entry in reply.get("refused") or []:
        if not isinstance(entry, dict):
            continue
        sequence, index = entry.get("sequence"), entry.get("index")
        if not isinstance(sequence, int | None):
            continue
        if sequence not in known and isinstance(index, int) and 0 <= index < len(sent):
            sequence = sent[index]
        if sequence is not None and sequence in known and sequence not in acknowledged:
            refused.append((int(sequence), str(entry.get("why", ""))))
    return acknowledged, refused
