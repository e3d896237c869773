"""The head of the audit chain, signed by the box and kept outside the database.

The chain alone proves nothing against an attacker who can write the database: they cut off the newest entries, or
rewrite all hashes. The box signs number and hash of its newest entry every few seconds while there are new ones, and
at every export; packages carry the head, the service's journal does once an hour. The holder of a head finds a log
that was cut or rewritten before it. What the last seconds before a theft of the machine added has no head yet.

`audit-head.json`: `{"veilcam_audit_head": 1, "number", "hash", "utc_us", "signing_key", "signature"}`, hex.
"""

import asyncio
import json
import logging
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from base.clock import utc_us
from base.errors import SealError, StoreError, WireError
from base.files import write_atomically
from nvr_box.db import audit as audit_rows
from nvr_box.db.database import Store
from nvr_box.db.link import Link
from wire.keys import SigningKey, verify

log = logging.getLogger(__name__)

FILE = "audit-head.json"
ACCEPTED, ASIDE = "accept-loss", "audit-head-aside-{}.json"
"""The action that accepts a loss, and where the head lies that it put aside, by the number of its entry."""
_EMPTY = bytes(32)
_CONTEXT = b"veilcam audit head 1\n"
_EVERY_S = 10.0
_SAY_EVERY_S = 3600.0


@dataclass(frozen=True, slots=True)
class Head:
    """Entry `number` had this hash when the box signed it. `hash`, `signing_key` and `signature` are hex."""

    number: int
    hash: str
    utc_us: int
    signing_key: str
    signature: str

    @classmethod
    def of(cls, signer: SigningKey, number: int, hashed: bytes, at_us: int) -> "Head":
        """Sign one."""
        signature = signer.sign(_message(number, hashed, at_us)).hex()
        return cls(number, hashed.hex(), at_us, signer.public.hex(), signature)

    def to_json(self) -> dict[str, Any]:
        """As it is kept, and as packages carry it."""
        return {
            "veilcam_audit_head": 1, "number": self.number, "hash": self.hash, "utc_us": self.utc_us,
            "signing_key": self.signing_key, "signature": self.signature,
        }  # fmt: skip

    @classmethod
    def from_json(cls, table: Any) -> "Head":
        """Read one, and check its signature.

        Raises:
            WireError: it is no head.
            SealError: the key that it names did not sign it.
        """
        try:
            if table["veilcam_audit_head"] != 1:
                raise ValueError("another version")
            head = cls(
                int(table["number"]), str(table["hash"]), int(table["utc_us"]), str(table["signing_key"]),
                str(table["signature"]),
            )  # fmt: skip
            message = _message(head.number, bytes.fromhex(head.hash), head.utc_us)
            verify(bytes.fromhex(head.signing_key), bytes.fromhex(head.signature), message)
        except (KeyError, TypeError, ValueError, OverflowError, struct.error) as error:
            raise WireError(f"not a head of an audit log: {error}") from error
        return head

    def fault(self, link: Link) -> str:
        """What the log at hand lacks of what was signed, as a sentence; empty when it still holds all of it."""
        when = _when(self.utc_us)
        newest, _ = audit_rows.newest(link) or (0, _EMPTY)
        if newest < self.number:
            return f"what came after entry {newest} was cut off: the box signed entry {self.number} on {when}"
        if not self.number:
            return ""
        hashed = audit_rows.hash_of(link, self.number)
        if hashed is None or hashed.hex() != self.hash:
            return f"entry {self.number} or one before it was rewritten after the box signed it on {when}"
        return ""


class Heads:
    """Signs and keeps the head of one box. Belongs to the event loop.

    Args:
        folder: the state folder.
    """

    def __init__(self, store: Store, signer: SigningKey, folder: Path) -> None:
        self._store, self._signer, self._path = store, signer, folder / FILE
        self._said_s = -_SAY_EVERY_S
        self._said_fault = ""
        self._newest: Head | None = None

    async def sign(self) -> Head | None:
        """The head as it is now, signed and kept; entry 0 while the log is empty.

        A log that was cut or rewritten is signed no further: the old head stays, as the proof, and this gives None.

        Raises:
            StoreError: it cannot be read or kept.
        """
        row = await self._store.read(audit_rows.newest) or (0, _EMPTY)
        fault, before = await self._store.read(self.fault)
        if fault and fault != self._said_fault:
            log.error("audit: %s; nothing is signed until an administrator accepts the loss (accept-loss)", fault)
        self._said_fault = fault
        if fault:
            return None
        if before is not None and (before.number, before.hash) == (row[0], row[1].hex()):
            self._newest = before
            return before
        head = Head.of(self._signer, row[0], row[1], utc_us())
        try:
            await asyncio.to_thread(write_atomically, self._path, json.dumps(head.to_json()).encode())
        except OSError as error:
            raise StoreError(f"{self._path}: {error.strerror}") from error
        self._newest = head
        self._say(head)
        return head

    def fault(self, link: Link) -> tuple[str, Head | None]:
        """What the log lacks of what was signed last, empty when nothing; and that head, None before the first."""
        try:
            head = kept(self._path.parent)
        except (SealError, WireError) as error:
            return str(error), None
        if self._newest is not None and (head is None or head.number < self._newest.number):
            head = self._newest  # it was removed, or replaced by an older one
        if head is None:
            return "", None
        if head.signing_key != self._signer.public.hex():
            return f"{self._path} was signed by another box", head
        return head.fault(link), head

    def losses(self, link: Link) -> tuple[str, ...]:
        """What was lost before and accepted."""
        return tuple(losses(link, self._path.parent))

    async def run(self) -> None:
        """Sign whatever is new, until cancelled, and once more then."""
        try:
            while True:
                await self._try_to_sign()
                await asyncio.sleep(_EVERY_S)
        finally:
            await self._try_to_sign()

    async def _try_to_sign(self) -> None:
        try:
            await self.sign()
        except StoreError as error:
            log.error("audit: the head is not signed: %s", error)  # noqa: TRY400 - an operator's sentence

    def _say(self, head: Head) -> None:
        now_s = time.monotonic()
        if now_s - self._said_s >= _SAY_EVERY_S:
            self._said_s = now_s
            log.info("audit: entry %d has the hash %s", head.number, head.hash)


def kept(folder: Path) -> Head | None:
    """The head beside a database, None where none was signed yet.

    Raises:
        WireError, SealError: there is one that no box signed.
    """
    return read(folder / FILE)


def read(path: Path) -> Head | None:
    """The head in a file, None where there is none. Raises as `kept`."""
    try:
        return Head.from_json(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise WireError(f"{path}: not a head of an audit log: {error}") from error


def losses(link: Link, folder: Path) -> Iterator[str]:
    """What the log lost with the account that accepted it, and heads that no entry accepts; each as a sentence."""
    accepted: set[str] = set()
    for number, at_us, actor, _, _, reason, _, details, _ in audit_rows.granted(link, ACCEPTED):
        why = json.loads(details).get("why")
        accepted.add(ASIDE.format(number))
        yield f"{why}; accepted by {actor} on {_when(at_us)} in entry {number}: {reason}"
    for path in sorted(folder.glob(ASIDE.format("*"))):
        if path.name not in accepted:
            yield f"{path} was put aside, and no entry says why"


def _when(at_us: int) -> str:
    return f"{datetime.fromtimestamp(at_us / 1e6, UTC):%Y-%m-%d %H:%M:%S}Z"


def _message(number: int, hashed: bytes, at_us: int) -> bytes:
    return _CONTEXT + struct.pack(">QQ", number, at_us) + hashed
