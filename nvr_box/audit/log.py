"""The audit log: account, action, time and reason, append-only, each entry hashed over the one before.

The hash of an entry is SHA-256 over the previous entry's hash (32 zero bytes before the first) and the entry's
own fields as JSON with sorted keys and no spaces. The holder of an old hash can prove that nothing before it was
changed since; the box signs and keeps one itself (`head.py`).
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from base.clock import utc_us
from base.errors import RightRefused
from nvr_box.audit.head import Head, Heads
from nvr_box.db import audit as audit_rows
from nvr_box.db.database import Store
from nvr_box.db.link import Link
from nvr_box.rights import Account, Right

Detail = str | int | float | bool | None
FIRST = bytes(32)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act. `details` is flat: words and numbers, no pictures, no codes, no keys."""

    number: int
    utc_us: int
    who: str
    action: str
    camera: int | None
    reason: str
    granted: bool
    details: Mapping[str, Detail]
    hash: str


@dataclass(frozen=True, slots=True)
class ChainVerdict:
    """Whether the chain holds; `broken_at` is the first entry that does not fit, None when all do.

    `head` is the newest that the box signed, None where none was.
    """

    entries: int
    broken_at: int | None
    why: str
    head: Head | None = None
    losses: tuple[str, ...] = ()
    """What was lost before and accepted."""


class Audit:
    """The log. Actions: sign-in, sign-out, view-live, view-recording, view-recording-end, freeze, search, reveal-ask,
    reveal-answer, reveal-keys, reveal, reveal-view, reveal-end, export, lock, unlock, camera-add, camera-change,
    camera-remove, pair, clock, database, user-change, user-remove, keys, hold, select, release-place,
    take-back-place, reencode, reencode-end, audit-view, audit-verify, accept-loss, onvif.
    """

    def __init__(self, store: Store, heads: Heads | None = None) -> None:
        self._store, self._heads = store, heads

    async def write(
        self,
        actor: str,
        action: str,
        *,
        camera: int | None = None,
        reason: str = "",
        granted: bool = True,
        **details: Detail,
    ) -> AuditEntry:
        """Append one entry; it is on disk when this returns.

        Raises:
            StoreError: it could not be written; what it was to record must then not happen.
        """
        return await self._store.write(
            lambda link: append(link, actor, action, camera=camera, reason=reason, granted=granted, details=details)
        )

    async def demand(self, account: Account, right: Right, action: str, *, camera: int | None = None) -> None:
        """Raise `RightRefused` unless `account` holds `right`, after writing the refused `action` down."""
        await self._demand(account, action, lambda: account.demand(right, camera), camera)

    async def demand_everywhere(self, account: Account, right: Right, action: str) -> None:
        """The same for every camera: for what concerns the box as a whole."""
        await self._demand(account, action, lambda: account.demand_everywhere(right), None)

    async def _demand(self, account: Account, action: str, demand: Callable[[], None], camera: int | None) -> None:
        try:
            demand()
        except RightRefused as refusal:
            await self.write(account.name, action, camera=camera, granted=False, why=str(refusal))
            raise

    async def entries(
        self,
        account: Account,
        *,
        before: int | None = None,
        limit: int = 100,
        actor: str | None = None,
        camera: int | None = None,
        action: str | None = None,
        start_us: int | None = None,
        end_us: int | None = None,
    ) -> tuple[AuditEntry, ...]:
        """Newest first, below number `before`; needs `ADMIN` or `APPROVE`. Adds an entry for this very look.

        An account that is limited to some cameras reads nothing of others.
        """
        await self._demand_reader(account, "audit-view")
        await self.write(account.name, "audit-view")
        named = {
            "before": before, "who": actor, "camera": camera, "action": action, "start_us": start_us, "end_us": end_us,
        }  # fmt: skip
        wanted = {name: value for name, value in named.items() if value is not None}
        rows = await self._store.read(lambda link: audit_rows.page(link, wanted, account.cameras, max(1, limit)))
        return tuple(_entry(row) for row in rows)

    async def verify(self, account: Account) -> ChainVerdict:
        """Recompute the whole chain and compare it with its signed head; needs `ADMIN` or `APPROVE`."""
        await self._demand_reader(account, "audit-verify")
        verdict = await self._store.read(verify)
        if self._heads is not None:
            fault, head = await self._store.read(self._heads.fault)
            losses = await self._store.read(self._heads.losses)
            verdict = replace(verdict, head=head, losses=losses)
            if fault and verdict.broken_at is None:
                verdict = replace(verdict, broken_at=verdict.entries + 1, why=fault)
        await self.write(account.name, "audit-verify", entries=verdict.entries, broken_at=verdict.broken_at)
        return verdict

    async def head(self) -> Head | None:
        """The newest entry's number and hash, signed now; None where nothing signs, or the log was cut.

        Raises:
            StoreError: it cannot be kept.
        """
        return await self._heads.sign() if self._heads is not None else None

    async def _demand_reader(self, account: Account, action: str) -> None:
        if not account.may(Right.APPROVE):
            await self.demand(account, Right.ADMIN, action)


def append(
    link: Link,
    actor: str,
    action: str,
    *,
    camera: int | None,
    reason: str,
    granted: bool,
    details: Mapping[str, Detail],
) -> AuditEntry:
    """Append inside the caller's transaction, so that the act and its entry are kept or lost together.

    No content makes it fail: what is no text or number that the database takes is written down as near as it comes.
    """
    actor, action, reason = _sound(actor), _sound(action), _sound(reason)
    said = {name: _sound(value) if isinstance(value, str) else value for name, value in details.items()}
    camera = camera if camera is None or 0 <= camera < 1 << 63 else -1
    newest = audit_rows.newest(link) or (0, FIRST)
    number = newest[0] + 1
    row = (number, utc_us(), actor, action, camera, reason, int(granted), _json(said))
    hashed = _hash(newest[1], row)
    audit_rows.append(link, (*row, hashed))
    return _entry((*row, hashed))


def verify(link: Link) -> ChainVerdict:
    """Recompute every hash from the first entry on."""
    previous, count = FIRST, 0
    for row in audit_rows.every(link):
        count += 1
        if row[0] != count:
            return ChainVerdict(count, count, f"entry {count} is missing")
        if _hash(previous, row[:-1]) != row[-1]:
            return ChainVerdict(count, count, f"entry {count} was changed, or one before it was")
        previous = row[-1]
    return ChainVerdict(count, None, f"all {count} entries fit")


def fits(previous: bytes, row: tuple[object, ...]) -> bool:
    """Whether a row of the log belongs behind an entry with this hash."""
    return _hash(previous, row[:-1]) == row[-1]


def _hash(previous: bytes, row: tuple[object, ...]) -> bytes:
    return hashlib.sha256(previous + _json(list(row)).encode()).digest()


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)


def _sound(text: str) -> str:
    """Halves of characters, which SQLite does not take, as their escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _entry(row: tuple[int, int, str, str, int | None, str, int, str, bytes]) -> AuditEntry:
    number, at, who, action, camera, reason, granted, details, hashed = row
    return AuditEntry(number, at, who, action, camera, reason, bool(granted), json.loads(details), hashed.hex())
