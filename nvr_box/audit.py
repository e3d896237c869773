"""The audit log: who did what, when and why, append-only, each entry hashed over the one before."""

from collections.abc import Mapping
from dataclasses import dataclass

from nvr_box.rights import Account


@dataclass(frozen=True, slots=True)
class Entry:
    """One act. `details` is flat: words and numbers, no pictures, no codes, no keys."""

    number: int
    utc_us: int
    who: str
    action: str
    camera: int | None
    reason: str
    granted: bool
    details: Mapping[str, str | int | float | bool | None]
    hash: str


@dataclass(frozen=True, slots=True)
class ChainVerdict:
    """Whether the chain holds; `broken_at` is the first entry that does not fit, None when all do."""

    entries: int
    broken_at: int | None
    why: str


class Audit:
    """The log. Actions: sign-in, sign-out, view-live, view-recording, freeze, search, reveal, reveal-end, export,
    lock, unlock, camera-add, camera-change, camera-remove, pair, user-change, keys, audit-view, audit-verify.
    """

    async def write(
        self,
        who: str,
        action: str,
        *,
        camera: int | None = None,
        reason: str = "",
        granted: bool = True,
        **details: str | float | bool | None,
    ) -> Entry:
        """Append one entry; it is on disk when this returns."""
        raise NotImplementedError

    async def entries(
        self,
        by: Account,
        *,
        before: int | None = None,
        limit: int = 100,
        who: str | None = None,
        camera: int | None = None,
        action: str | None = None,
        start_us: int | None = None,
        end_us: int | None = None,
    ) -> tuple[Entry, ...]:
        """Newest first, below number `before`; needs `ADMIN` or `APPROVE`. Adds an entry for this very look."""
        raise NotImplementedError

    async def verify(self, by: Account) -> ChainVerdict:
        """Recompute the whole chain; needs `ADMIN` or `APPROVE`."""
        raise NotImplementedError
