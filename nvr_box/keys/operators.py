"""Operators' keys: sealed under their passphrases, assigned to accounts, and which two must act together.

`nvr_box/keys/store.py` lists the files.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from base.errors import Conflict, Invalid, NotFound, StoreError
from base.files import write_atomically, write_once
from nvr_box.keys import past as past_keys
from nvr_box.keys.day import Holders
from nvr_box.keys.files import shredding, table_of
from nvr_box.keys.passphrase import long_enough
from nvr_box.keys.past import PastKey
from wire import keys
from wire.keys import Identity, Kem, Recipient


@dataclass(frozen=True, slots=True)
class OperatorKeys:
    """The part of the key folder that belongs to operators."""

    folder: Path

    def operators(self) -> tuple[Recipient, ...]:
        """The public halves of the operators' keys that are in force, oldest first."""
        past = self.past()
        files = (path for path in self._operator_files() if not _revoked(past, path.stem))
        return tuple(keys.load_recipient(path) for path in files)

    def past(self) -> Mapping[str, PastKey]:
        """What was revoked or destroyed, by name."""
        return past_keys.read(self.folder / "past")

    def own(self, account: str) -> tuple[Recipient, ...]:
        """The keys of one account, revoked ones too: assigned to it, or labelled with its name."""
        holders = self._holders_file()
        found = (keys.load_recipient(path) for path in self._operator_files())
        return tuple(each for each in found if holders.get(each.kid.hex(), each.label) == account)

    def assign(self, kid: str, account: str) -> None:
        """Say whose an operator's key is.

        Raises:
            RequestError: there is no such key.
        """
        if kid not in {path.stem for path in self._operator_files()}:
            raise NotFound(f"there is no key {kid}")
        self._write("holders.json", {**self._holders_file(), kid: account})

    def sealed_files(self, kids: frozenset[str]) -> tuple[dict[str, Any], ...]:
        """The key files of these operators as they lie on disk, for a page that opens them itself."""
        return tuple(table_of(path) for path in self._sealed_operators() if path.stem in kids)

    def create(self, label: str, passphrase: str, *, hybrid: bool = False) -> Recipient:
        """A new operator's key, sealed under `passphrase`; it opens what is recorded from the next day key on.

        Raises:
            RequestError: the passphrase is too short.
            StoreError: the folder cannot be written.
        """
        long_enough(passphrase)
        identity = Identity.generate(Kem.MLKEM768_X25519 if hybrid else Kem.X25519, label)
        self._save(self.folder / "reveal" / f"{identity.kid.hex()}.json", identity, passphrase)
        return identity.recipient

    def take_away(self, kid: str, to: Path) -> None:
        """Move an operator's sealed key to `to`; what stays on the box is public and opens nothing.

        Raises:
            RequestError: the key is not here, or `to` exists already.
            StoreError: `to` cannot be written; the key is still here then.
        """
        path = self.folder / "reveal" / f"{kid}.json"
        if path not in self._sealed_operators():
            raise NotFound(f"there is no key {kid} to take away")
        table = table_of(path)
        try:
            write_once(to, json.dumps(table, indent=1).encode())
        except FileExistsError as error:
            raise Conflict(f"{to} exists already") from error
        except OSError as error:
            raise StoreError(f"{to}: {error.strerror}") from error
        public = {name: table[name] for name in ("veilcam_key", "kind", "label", "public")}
        made_ns = path.stat().st_mtime_ns
        try:
            with shredding(path):
                write_atomically(path, json.dumps(public).encode())
            os.utime(path, ns=(made_ns, made_ns))  # operators are listed by age
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from error

    def require_both(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Dual control: day keys made from now on open only to two operators together; no pairs switches it off.

        Raises:
            RequestError: a KID that is no operator's, or a pair of one.
        """
        known = {each.kid.hex() for each in self.operators()}
        for pair in pairs:
            if len(set(pair)) != 2 or not set(pair) <= known:
                raise Invalid(f"dual control: {' and '.join(pair)} are not two operators' keys", "pairs")
        self._write("policy.json", {"both": [list(pair) for pair in pairs]})

    @property
    def dual_control(self) -> bool:
        """Whether day keys made now open only to two operators together."""
        return bool(self._pairs())

    def _holders(self) -> list[Holders]:
        operators = {each.kid.hex(): each for each in self.operators()}
        pairs = self._pairs()
        if not pairs:
            return [(each,) for each in operators.values()]
        both = [tuple(operators[kid] for kid in pair) for pair in pairs if set(pair) <= set(operators)]
        if not both:
            raise Conflict("dual control: no pair of operators is left; set it again with `keys dual`")
        return both

    def _pairs(self) -> list[list[str]]:
        path = self.folder / "policy.json"
        try:
            return [[str(kid) for kid in pair] for pair in json.loads(path.read_text(encoding="utf-8"))["both"]]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{path}: not a policy of dual control: {error}; set it again with `keys dual`") from error

    def _write(self, name: str, table: Mapping[str, Any]) -> None:
        try:
            write_atomically(self.folder / name, json.dumps(table).encode())
        except OSError as error:
            raise StoreError(f"{self.folder / name}: {error.strerror}") from error

    def _holders_file(self) -> dict[str, str]:
        path = self.folder / "holders.json"
        return {kid: str(account) for kid, account in table_of(path).items()} if path.exists() else {}

    def _operator_files(self) -> tuple[Path, ...]:
        return tuple(sorted((self.folder / "reveal").glob("*.json"), key=lambda path: (path.stat().st_mtime_ns, path)))

    def _sealed_operators(self) -> tuple[Path, ...]:
        """Those of whom the box has more than the public half."""
        files = self._operator_files()
        return tuple(path for path in files if "sealed" in table_of(path))

    def _save(self, path: Path, identity: Identity, passphrase: str) -> None:
        try:
            keys.save(path, identity, passphrase)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from error


def _revoked(past: Mapping[str, PastKey], name: str) -> bool:
    return name in past and past[name].revoked_us is not None
