"""Accounts: scrypt verifiers, rights, and what slows guessing down without slowing anybody else down."""

import asyncio
import hashlib
import hmac
import json
import logging
import os
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from base.errors import Conflict, Invalid, RightRefused, StoreError
from base.files import shred, write_atomically
from base.throttle import Limits, SignIns, Throttled, place_of
from nvr_box.accounts.sign_in_queue import Busy, SignInQueue
from nvr_box.audit import log as audit
from nvr_box.db import accounts as account_rows
from nvr_box.db import facts
from nvr_box.db.database import Store
from nvr_box.db.link import Link
from nvr_box.rights import Account, Right

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

LEAST_PASSWORD = 10
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}")
# RFC 7914 §2; 16 MiB and about 50 ms on one core of the target.
_N, _R, _P = 1 << 14, 8, 1
# By account and address, so that a neighbour locks no account out; and by address, against a client that tries many
# names.
_ACCOUNT = Limits(free=5, first_s=1.0, longest_s=60.0)
_ADDRESS = Limits(free=30, first_s=1.0, longest_s=60.0)
# Half of the target's cores at most are busy with it, and the loop's own threads never.
_DERIVERS = 2
_MOST_WAITING = 16
_FIRST = "first-account"
"""The fact that names the account whose password was made up."""
_CONSOLE = Account("console", frozenset({Right.ADMIN}))
_KNOWN = 1000


class TooMany(RightRefused):
    """Nothing was tried: too many wrong passwords, or too many at once; may be tried again after `wait_s`."""

    def __init__(self, sentence: str, wait_s: float) -> None:
        super().__init__(sentence)
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class _Change:
    """What becomes of an account; None leaves a part as it is. `made_up`: the password is the box's own."""

    password: str | None = None
    rights: Iterable[Right] | None = None
    cameras: Iterable[int] | None = None
    every_camera: bool = False
    made_up: bool = False


class Accounts:
    """Accounts in the store. Web sessions (cookies, idle time) belong to the page; rights are re-read on every ask.

    Args:
        note: the file with the password that was made up for the first account; it goes when that is claimed.
    """

    def __init__(self, store: Store, log: audit.Audit, note: Path | None = None) -> None:
        self._store, self._log, self._note = store, log, note
        self._unclaimed: str | None = None
        self._accounts: dict[str, tuple[Account, str]] = {}
        self._listeners: list[Callable[[], None]] = []
        self._change = asyncio.Event()
        self._changing = asyncio.Lock()
        self._guard, self._turns = SignIns(_ACCOUNT, _ADDRESS), SignInQueue(_MOST_WAITING)
        self._derivers = ThreadPoolExecutor(_DERIVERS, "derive")
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    async def load(self) -> None:
        """Read the accounts; before anything else, and when the command line may have changed them."""
        rows = await self._store.read(account_rows.everyone)
        before, self._accounts = self._accounts, {row[0]: (_account(row), row[1]) for row in rows}
        self._unclaimed = await self._store.read(lambda link: facts.get(link, _FIRST))
        await self._let_note_go()
        if before != self._accounts:
            self._notify()

    def listen(self, changed: Callable[[], None]) -> None:
        """Call `changed` whenever an account is not what it was."""
        self._listeners.append(changed)

    async def changed(self) -> None:
        """Wait until an account is not what it was."""
        await self._change.wait()

    def _notify(self) -> None:
        change, self._change = self._change, asyncio.Event()
        change.set()
        for each in self._listeners:
            each()

    async def authenticate(self, name: str, password: str, *, peer: str) -> Account:
        """Check a password; writes the audit entry either way.

        Raises:
            Refused: wrong name or password (the same sentence for both).
            TooMany: too many failures, or too many at once: says for how long.
        """
        here = name[:64], place_of(peer)
        try:
            # A throttled client takes no place in the queue; and clients known here do not wait for strangers.
            self._guard.demand(peer, name)
            async with self._turns.turn(name[:64], known=here in self._known):
                with self._guard.attempt(peer, name) as attempt:
                    account, verifier = self._accounts.get(name, (None, _NOBODY))
                    fits = await self._derived(_fits, password, verifier)
                    if account is not None and fits:
                        attempt.passed()
        except Throttled as held:
            raise TooMany(f"too many wrong passwords; try again in {held.wait_s:.0f} s", held.wait_s) from None
        except Busy:
            raise TooMany("too many people are signing in at this moment; try again in a few seconds", 3.0) from None
        if attempt.held_off:
            # One entry for all that was turned away since the last one that was tried: a flood fills no log.
            await self._log.write(name[:64], "sign-in", granted=False, peer=peer, held_off=attempt.held_off)
        if account is None or not fits:
            await self._log.write(name[:64], "sign-in", granted=False, peer=peer)
            raise RightRefused("the name or the password is wrong")
        self._known[here] = None
        self._known.move_to_end(here)
        while len(self._known) > _KNOWN:
            self._known.popitem(last=False)
        await self._log.write(name, "sign-in", peer=peer)
        return account

    def get(self, name: str) -> Account | None:
        """The account as it is now, None when it was removed; call on every request of a session."""
        known = self._accounts.get(name)
        return known[0] if known else None

    def credential(self, name: str) -> str:
        """Another text after every change of the password; empty when there is no such account."""
        return self._accounts.get(name, (None, ""))[1]

    def must_claim(self, name: str) -> bool:
        """Whether the account still has the password that was made up for it: it may do nothing but choose another."""
        return name == self._unclaimed

    async def begin(self, name: str, rights: Iterable[Right]) -> None:
        """The first account of an empty box, with a password that only the note says.

        Raises:
            StoreError: the note, or the account, cannot be written.
        """
        password = secrets.token_urlsafe(12)
        if self._note is None:
            raise Conflict("there is no place for the first password")
        try:
            # First the note: an account with an unknown password would lock every person out.
            await asyncio.to_thread(write_atomically, self._note, f"{name}\n{password}\n".encode())
        except OSError as error:
            raise StoreError(f"{self._note}: {error.strerror}") from error
        await self._apply(_CONSOLE, name, _Change(password, rights, made_up=True))

    async def claim(self, actor: Account, password: str) -> None:
        """Give the first account a password of its owner's own; the note goes with the old one.

        Raises:
            Refused: it has one already.
            RequestError: the password does not do.
        """
        if not self.must_claim(actor.name):
            raise RightRefused(f"{actor.name} has a password of its own; an administrator changes it under Accounts")
        _, verifier = self._accounts[actor.name]
        if await self._derived(_fits, password, verifier):
            raise Invalid("password: choose another one than the one that was made up", "password")
        await self._apply(actor, actor.name, _Change(password))

    def list(self, actor: Account) -> tuple[Account, ...]:
        """All accounts; needs `ADMIN`."""
        actor.demand(Right.ADMIN)
        return tuple(account for account, _ in self._accounts.values())

    async def save(
        self,
        actor: Account,
        name: str,
        *,
        password: str | None = None,
        rights: Iterable[Right] | None = None,
        cameras: Iterable[int] | None = None,
        every_camera: bool = False,
    ) -> Account:
        """Create or change an account; None leaves a part as it is, `every_camera` lifts a limit. Needs `ADMIN`.

        An administrator who is limited to some cameras gives and changes nothing beyond their own rights, and no
        account widens itself.

        Raises:
            Refused: the right is missing, or it would be more than `actor` may give.
            RequestError: the name or password does not meet the rules, or no admin would be left; says which.
        """
        await self._log.demand(actor, Right.ADMIN, "user-change")
        return await self._apply(actor, name, _Change(password, rights, cameras, every_camera=every_camera))

    async def _apply(self, actor: Account, name: str, wanted: _Change) -> Account:
        if not _NAME.fullmatch(name):
            raise Invalid("name: letters, digits, blank, . _ @ - only, at most 64, a letter or digit first", "name")
        if wanted.password is not None and len(wanted.password) < LEAST_PASSWORD:
            raise Invalid(f"password: at least {LEAST_PASSWORD} characters", "password")
        fresh = None if wanted.password is None else await self._derived(_verifier, wanted.password)
        # From here on one change at a time: what two read at once, the later would undo of the earlier.
        async with self._changing:
            old, verifier = self._accounts.get(name, (None, ""))
            verifier = fresh or verifier
            held = frozenset(wanted.rights) if wanted.rights is not None else (old.rights if old else frozenset())
            kept = old.cameras if old and not wanted.every_camera else None
            where = kept if wanted.cameras is None else frozenset(wanted.cameras)
            account = Account(name, held, where)
            await self._may_change(actor, account, old, "user-change")
            if not verifier:
                raise Invalid("password: a new account needs one", "password")
            self._keep_an_admin(account)
            limit = None if where is None else sorted(where)
            row = (name, verifier, json.dumps(sorted(r.value for r in held)), json.dumps(limit))

            def change(link: Link) -> None:
                account_rows.save(link, row)
                if wanted.password is not None:
                    facts.forget(link, _FIRST, name)
                if wanted.made_up:
                    facts.save(link, _FIRST, name)
                details: dict[str, audit.Detail] = {
                    "account": name,
                    "rights": row[2],
                    "cameras": row[3],
                    "password": wanted.password is not None,
                }
                audit.append(link, actor.name, "user-change", camera=None, reason="", granted=True, details=details)

            await self._store.write(change)
            self._accounts[name] = (account, verifier)
            if wanted.made_up:
                self._unclaimed = name
            elif wanted.password is not None and self.must_claim(name):
                self._unclaimed = None
                await self._let_note_go()
        self._notify()
        return account

    async def remove(self, actor: Account, name: str) -> None:
        """Remove an account; needs `ADMIN`; the last admin stays (`RequestError`)."""
        await self._log.demand(actor, Right.ADMIN, "user-remove")
        async with self._changing:
            old, _ = self._accounts.get(name, (None, ""))
            await self._may_change(actor, Account(name, frozenset(), frozenset()), old, "user-remove")
            self._keep_an_admin(Account(name, frozenset()))

            def change(link: Link) -> None:
                account_rows.remove(link, name)
                facts.forget(link, _FIRST, name)
                details = {"account": name}
                audit.append(link, actor.name, "user-remove", camera=None, reason="", granted=True, details=details)

            await self._store.write(change)
            self._accounts.pop(name, None)
            if self.must_claim(name):
                self._unclaimed = None
                await self._let_note_go()
        self._notify()

    async def _may_change(self, actor: Account, account: Account, old: Account | None, action: str) -> None:
        """Refuse, on record, what would give an account more than `actor` may give."""
        why = ""
        if actor.cameras is not None and not all(_within(each, actor) for each in (account, old) if each is not None):
            why = (
                f"{actor.name} is limited to some cameras: others may have no right and no camera that they do not have"
            )
        elif account.name == actor.name and old is not None and not _within(account, old):
            why = "somebody else has to give you a right or a camera"
        if why:
            await self._log.write(actor.name, action, granted=False, account=account.name[:64], why=why)
            raise RightRefused(why)

    async def _let_note_go(self) -> None:
        """Remove the note of a password that is out of use, for instance since the command line changed it."""
        if self._note is None or self._unclaimed is not None or not self._note.exists():
            return
        try:
            await asyncio.to_thread(shred, self._note)
        except OSError as error:
            log.warning("%s: the first password is out of use, but cannot be removed: %s", self._note, error.strerror)

    async def _derived(self, derive: Callable[P, T], *given: P.args, **_: P.kwargs) -> T:
        """Scrypt on threads of its own, few of them: nothing else waits for it, however many sign in."""
        return await asyncio.get_running_loop().run_in_executor(self._derivers, partial(derive, *given))

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
