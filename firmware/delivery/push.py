"""Sends the outbox to the box: HTTPS, the box's certificate pinned by its fingerprint, backing off while it is away.

`wire/push.md`. A packet is deleted only when the box names its sequence number as committed; whatever happens
in between, it is sent again, and the box knows it by camera and sequence.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Sequence
from typing import Any

import aiohttp

from base.errors import PeerError, StoreError, WireError
from base.logs import printable
from base.outside_json import read_json
from firmware.delivery.outbox import Outbox, Queued
from firmware.pairing import Pairings
from wire import push
from wire.pairing import Pairing

log = logging.getLogger(__name__)

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
        receipt = push.Receipt.from_json(reply, [packet.sequence for packet in batch])
        await asyncio.to_thread(self._outbox.acknowledge, receipt.acknowledged)
        for refusal in receipt.refused:
            if refusal.sequence is not None:
                log.warning("the box refused packet %d: %s", refusal.sequence, printable(refusal.why))
                await asyncio.to_thread(self._outbox.refuse, refusal.sequence, refusal.why)
        if not receipt.acknowledged and not receipt.refused:
            raise PeerError("the box took the packets but acknowledged none of them")
        return True

    async def _post(self, session: aiohttp.ClientSession, pairing: Pairing, batch: Sequence[Queued]) -> Any:
        body = push.join(packet.sealed for packet in batch)
        headers = {"Authorization": f"Bearer {pairing.push_token}", "Content-Type": push.CONTENT_TYPE}
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
        size += push.framed_bytes(packet.sealed)
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
