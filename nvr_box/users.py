"""Accounts: scrypt verifiers, rights, and a brake on guessing."""

import asyncio
import hashlib
import hmac
import json
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from nvr_box import audit
from nvr_box.rights import Account, Refused, Right
from nvr_box.store import Store
from wire.base.errors import ConfigError, Conflict

LEAST_PASSWORD = 10
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}")
# RFC 7914 §2; 16 MiB and about 50 ms on one core of the target.
_N, _R, _P = 1 << 14, 8, 1
_FREE_FAILURES = 5
_LONGEST_BRAKE_S = 300.0


@dataclass(slots=True)
class _Failures:
    count: int = 0
    until_mono_s: float = 0.0


class Users:
    """Accounts in the store. Web sessions (cookies, idle time) belong to the page; rights are re-read on every ask."""

    def __init__(self, store: Store, log: audit.Audit) -> None:
        self._store, self._log = store, log
        self._accounts: dict[str, tuple[Account, str]] = {}
        self._failures: dict[tuple[str, str], _Failures] = {}
        self._listeners: list[Callable[[], None]] = []
        self._change = asyncio.Event()
        self._changing = asyncio.Lock()

    async def load(self) -> None:
        """Read the accounts; before anything else, and when the command line may have changed them."""
        rows = await self._store.read(lambda link: link.execute("SELECT * FROM account").fetchall())
        before, self._accounts = self._accounts, {row[0]: (_account(row), row[1]) for row in rows}
        if before != self._accounts:
            self._tell()

    def listen(self, changed: Callable[[], None]) -> None:
        """Call `changed` whenever an account is not what it was."""
        self._listeners.append(changed)

    async def changed(self) -> None:
        """Wait until an account is not what it was."""
        await self._change.wait()

    def _tell(self) -> None:
        change, self._change = self._change, asyncio.Event()
        change.set()
        for each in self._listeners:
            each()

    async def authenticate(self, name: str, password: str, *, peer: str) -> Account:
        """Check a password; writes the audit entry either way.

        Raises:
            Refused: wrong name or password (the same sentence for both), or too many failures: says for how long.
        """
        brake = self._failures.setdefault((name[:64], peer), _Failures())
        wait_s = brake.until_mono_s - time.monotonic()
        if wait_s > 0:
            raise Refused(f"too many wrong passwords; try again in {wait_s:.0f} s")
        account, verifier = self._accounts.get(name, (None, _NOBODY))
        fits = await asyncio.to_thread(_fits, password, verifier)
        if account is None or not fits:
            brake.count += 1
            if brake.count >= _FREE_FAILURES:
                brake.until_mono_s = time.monotonic() + min(2.0 ** (brake.count - _FREE_FAILURES), _LONGEST_BRAKE_S)
            await self._log.write(name[:64], "sign-in", granted=False, peer=peer)
            raise Refused("the name or the password is wrong")
        del self._failures[name[:64], peer]
        await self._log.write(name, "sign-in", peer=peer)
        return account

    def get(self, name: str) -> Account | None:
        """The account as it is now, None when it was removed; call on every request of a session."""
        known = self._accounts.get(name)
        return known[0] if known else None

    def list(self, by: Account) -> tuple[Account, ...]:
        """All accounts; needs `ADMIN`."""
        by.demand(Right.ADMIN)
        return tuple(account for account, _ in self._accounts.values())

    async def put(
        self,
        by: Account,
        name: str,
        *,
        password: str | None = None,
        rights: Iterable[Right] | None = None,
        cameras: Iterable[int] | None = None,
        every_camera: bool = False,
    ) -> Account:
        """Create or change an account; None leaves a part as it is, `every_camera` lifts a limit. Needs `ADMIN`.

        An administrator who is limited to some cameras gives and changes nothing beyond what they have themselves, and
        nobody widens their own account.

        Raises:
            Refused: the right is missing, or it would be more than `by` may give.
            ConfigError: the name or password does not meet the rules, or no admin would be left; says which.
        """
        await self._log.demand(by, Right.ADMIN, "user-change")
        if not _NAME.fullmatch(name):
            raise ConfigError("name: letters, digits, blank and ._@- only, at most 64, beginning with one of the first")
        if password is not None and len(password) < LEAST_PASSWORD:
            raise ConfigError(f"password: at least {LEAST_PASSWORD} characters")
        fresh = None if password is None else await asyncio.to_thread(_verifier, password)
        # From here on one change at a time: what two read at once, the later would undo of the earlier.
        async with self._changing:
            old, verifier = self._accounts.get(name, (None, ""))
            verifier = fresh or verifier
            held = frozenset(rights) if rights is not None else (old.rights if old else frozenset())
            where = frozenset(cameras) if cameras is not None else (old.cameras if old and not every_camera else None)
            account = Account(name, held, where)
            await self._may_change(by, account, old, "user-change")
            if not verifier:
                raise ConfigError("password: a new account needs one")
            self._keep_an_admin(account)
            limit = None if where is None else sorted(where)
            row = (name, verifier, json.dumps(sorted(r.value for r in held)), json.dumps(limit))

            def change(link: sqlite3.Connection) -> None:
                link.execute("INSERT OR REPLACE INTO account VALUES (?, ?, ?, ?)", row)
                details: dict[str, audit.Detail] = {
                    "account": name,
                    "rights": row[2],
                    "cameras": row[3],
                    "password": password is not None,
                }
                audit.append(link, by.name, "user-change", camera=None, reason="", granted=True, details=details)

            await self._store.write(change)
            self._accounts[name] = (account, verifier)
        self._tell()
        return account

    async def remove(self, by: Account, name: str) -> None:
        """Remove an account; needs `ADMIN`; the last admin stays (`ConfigError`)."""
        await self._log.demand(by, Right.ADMIN, "user-remove")
        async with self._changing:
            old, _ = self._accounts.get(name, (None, ""))
            await self._may_change(by, Account(name, frozenset(), frozenset()), old, "user-remove")
            self._keep_an_admin(Account(name, frozenset()))

            def change(link: sqlite3.Connection) -> None:
                link.execute("DELETE FROM account WHERE name = ?", (name,))
                details = {"account": name}
                audit.append(link, by.name, "user-remove", camera=None, reason="", granted=True, details=details)

            await self._store.write(change)
            self._accounts.pop(name, None)
        self._tell()

    async def _may_change(self, by: Account, account: Account, old: Account | None, action: str) -> None:
        """Refuse, on record, what would give somebody more than `by` may give."""
        why = ""
        if by.cameras is not None and not all(_within(each, by) for each in (account, old) if each is not None):
            why = f"{by.name} is limited to some cameras: others may have no right and no camera that they do not have"
        elif account.name == by.name and old is not None and not _within(account, old):
            why = "somebody else has to give you a right or a camera"
        if why:
            await self._log.write(by.name, action, granted=False, account=account.name[:64], why=why)
            raise Refused(why)

    def _keep_an_admin(self, changed: Account) -> None:
        admins = {name for name, (account, _) in self._accounts.items() if account.may(Right.ADMIN)}
        if admins and not (admins - {changed.name}) and not changed.may(Right.ADMIN):
            raise Conflict(f"{changed.name} is the last admin")


def _within(account: Account, limit: Account) -> bool:
    """Whether `account` has no right and no camera that `limit` does not have."""
    fewer = limit.cameras is None or (account.cameras is not None and account.cameras <= limit.cameras)
    return account.rights <= limit.rights and fewer


def _verifier(password: str) -> str:
    salt = os.urandom(16)
    hashed = hashlib.scrypt(password.encode(), salt=salt, n=_N, r=_R, p=_P)
    return f"scrypt${_N}${_R}${_P}${salt.hex()}${hashed.hex()}"


def _fits(password: str, verifier: str) -> bool:
    _, n, r, p, salt, hashed = verifier.split("$")
    tried = hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), n=int(n), r=int(r), p=int(p))
    return hmac.compare_digest(tried, bytes.fromhex(hashed))


# An unknown name costs the same scrypt as a known one, so that time does not tell which names exist.
_NOBODY = f"scrypt${_N}${_R}${_P}${bytes(16).hex()}${bytes(64).hex()}"


def _account(row: tuple[str, str, str, str]) -> Account:
    name, _, rights, cameras = row
    where = json.loads(cameras)
    held = frozenset(Right(value) for value in json.loads(rights))
    return Account(name, held, None if where is None else frozenset(where))
