"""The box's keys on disk.

    keys/box.json         opens feature packets; in clear, mode 0600, since the box must start unattended
    keys/reveal/KID.json  operators' keys under their passphrases; public halves alone of those taken away
    keys/days/DAY.json    the keys that cameras seal to, one a day, sealed to the operators (`day_keys.py`)
    keys/escrow/KID.json  public halves only: keys in pieces, kept off-line (`wire/escrow.py`)
    keys/cases/NAME/      legal holds: a key of the case under its passphrase, and day keys sealed to it
    keys/policy.json      dual control: pairs of operators
    keys/signing.json     signs packages of evidence (Ed25519); in clear like box.json

This process reads public halves only. Private reveal keys are opened in the reveal process alone
(`nvr_box/reveal/process.py`) and by the key commands.
"""

import contextlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nvr_box import day_keys
from nvr_box.day_keys import DayKey, Holders
from wire import keys
from wire.base.errors import ConfigError, Error, SealError, StoreError
from wire.keys import Identity, Kem, Recipient, SigningKey

LEAST_PASSPHRASE = 12
_CASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a passphrase may open: operators' and cases' key files, and the day keys behind them."""

    operators: tuple[Path, ...]
    days: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Keys:
    """The key folder.

    Attributes:
        identity: opens feature packets; its key id is the box's id.
        signer: signs packages of evidence.
        rotate: whether cameras seal to a key of the day, or to the operators' own for good.
    """

    identity: Identity
    folder: Path
    signer: SigningKey
    rotate: bool = True

    @property
    def box_id(self) -> str:
        """The box's name towards cameras: 16 hex digits."""
        return self.identity.kid.hex()

    @classmethod
    def open(cls, folder: Path, *, rotate: bool = True) -> "Keys":
        """Read the box's key, made when there is none.

        Raises:
            StoreError: the folder or the key cannot be read or written.
        """
        try:
            for name in ("reveal", "days", "escrow", "cases"):
                (folder / name).mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
            path = folder / "box.json"
            if not path.exists():
                keys.save(path, Identity.generate(label="box"), None)
            signing = folder / "signing.json"
            if not signing.exists():
                keys.save(signing, SigningKey.generate(), None)
            return cls(keys.load_identity(path), folder, keys.load_signing_key(signing), rotate)
        except (OSError, Error) as error:
            raise StoreError(f"{folder}: {error}") from error

    def recipients(self) -> tuple[Recipient, ...]:
        """What cameras seal the originals to now: the key of today, made when there is none yet, and those in escrow.

        Nobody while no operator has a key.

        Raises:
            StoreError: a key file is damaged, or the key of today cannot be written.
        """
        try:
            operators = self.operators()
            if not operators:
                return ()
            chosen = (self.today().recipient,) if self.rotate else operators
            return (*chosen, *(recipient for recipient in self.escrow()))
        except Error as error:
            raise StoreError(str(error)) from error

    def operators(self) -> tuple[Recipient, ...]:
        """The public halves of the operators' keys, oldest first."""
        return tuple(keys.load_recipient(path) for path in self._operator_files())

    def escrow(self) -> tuple[Recipient, ...]:
        """The public halves of the keys that are kept in pieces."""
        files = sorted((self.folder / "escrow").glob("*.json"))
        return tuple(Recipient.from_json(json.loads(path.read_text(encoding="utf-8"))) for path in files)

    def sealed(self) -> Sealed:
        """Everything that a reveal on the box tries its passphrase on; days newest first."""
        cases = sorted((self.folder / "cases").glob("*/case.json"))
        held = [path for path in (self.folder / "cases").glob("*/*.json") if path.name != "case.json"]
        days = sorted((self.folder / "days").glob("*.json"), reverse=True)
        return Sealed((*self._sealed_operators(), *cases), (*days, *held))

    def sealed_tables(self) -> dict[str, list[dict[str, Any]]]:
        """The same files as JSON, for a page that opens them itself; nothing in them is in clear."""
        sealed = self.sealed()
        both = {"operators": sealed.operators, "days": sealed.days}
        return {name: [json.loads(path.read_text(encoding="utf-8")) for path in paths] for name, paths in both.items()}

    def days(self) -> tuple[DayKey, ...]:
        """The day keys that still exist, oldest first."""
        return tuple(day_keys.load(path) for path in sorted((self.folder / "days").glob("*.json")))

    def today(self) -> DayKey:
        """The key of this day (UTC), made when there is none."""
        day = f"{datetime.now(UTC):%Y-%m-%d}"
        made = sorted((self.folder / "days").glob(f"{day}*.json"))
        return day_keys.load(made[-1]) if made else day_keys.make(self.folder / "days", day, self._holders())

    def renew(self) -> DayKey:
        """Another key for the rest of this day: after an operator left, or when a camera was stolen."""
        day = f"{datetime.now(UTC):%Y-%m-%dT%H%M%S}"
        return day_keys.make(self.folder / "days", day, self._holders())

    def shred_days_before(self, day: str, *, spared: frozenset[str] = frozenset()) -> list[str]:
        """Destroy the keys of every day before `day` (YYYY-MM-DD) that is not spared; returns which."""
        gone = []
        for path in sorted((self.folder / "days").glob("*.json")):
            if path.stem[:10] < day and path.stem[:10] not in spared:
                _destroy(path)
                gone.append(path.stem)
        return gone

    def create(self, label: str, passphrase: str, *, hybrid: bool = False) -> Recipient:
        """A new operator's key, sealed under `passphrase`; it opens what is recorded from the next day key on.

        Raises:
            ConfigError: the passphrase is too short.
            StoreError: the folder cannot be written.
        """
        _long_enough(passphrase)
        identity = Identity.generate(Kem.MLKEM768_X25519 if hybrid else Kem.X25519, label)
        self._save(self.folder / "reveal" / f"{identity.kid.hex()}.json", identity, passphrase)
        return identity.recipient

    def remove(self, name: str) -> bool:
        """Destroy an operator's key (by KID) or a day's: what only it opens is lost for good. Whether it was there."""
        for folder in ("reveal", "days", "escrow"):
            path = self.folder / folder / f"{name}.json"
            if _CASE.fullmatch(name) and path.exists():
                _destroy(path)
                return True
        return False

    def take_away(self, kid: str, to: Path) -> None:
        """Move an operator's sealed key to `to`; what stays on the box is public and opens nothing.

        Raises:
            ConfigError: the key is not here, or `to` exists already.
            StoreError: `to` cannot be written; the key is still here then.
        """
        path = self.folder / "reveal" / f"{kid}.json"
        if path not in self._sealed_operators():
            raise ConfigError(f"there is no key {kid} to take away")
        table = json.loads(path.read_text(encoding="utf-8"))
        try:
            with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                json.dump(table, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError as error:
            raise ConfigError(f"{to} exists already") from error
        except OSError as error:
            raise StoreError(f"{to}: {error.strerror}") from error
        public = {name: table[name] for name in ("veilcam_key", "kind", "label", "public")}
        made_ns = path.stat().st_mtime_ns
        _destroy(path)
        path.write_text(json.dumps(public), encoding="utf-8")
        os.utime(path, ns=(made_ns, made_ns))  # operators are listed by age

    def require_both(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Dual control: day keys made from now on open only to two operators together; no pairs switches it off.

        Raises:
            ConfigError: a KID that is no operator's, or a pair of one.
        """
        known = {each.kid.hex() for each in self.operators()}
        for pair in pairs:
            if len(set(pair)) != 2 or not set(pair) <= known:
                raise ConfigError(f"dual control: {' and '.join(pair)} are not two operators' keys")
        (self.folder / "policy.json").write_text(json.dumps({"both": [list(pair) for pair in pairs]}), encoding="utf-8")

    @property
    def dual_control(self) -> bool:
        """Whether day keys made now open only to two operators together."""
        return bool(self._pairs())

    def add_escrow(self, recipient: Recipient) -> None:
        """Cameras seal to this public key as well from the next pairing on."""
        path = self.folder / "escrow" / f"{recipient.kid.hex()}.json"
        path.write_text(json.dumps(recipient.to_json()), encoding="utf-8")

    def hold(self, case: str, days: Sequence[str], passphrases: Sequence[str], case_passphrase: str) -> Recipient:
        """Keep days recoverable for a case although their keys will be destroyed: re-seal them to a key of the case.

        Raises:
            ConfigError: the case's name or passphrase does not do, or a day has no key any more.
            SealError: the operators' passphrases do not open a day.
            StoreError: the folder cannot be written.
        """
        if not _CASE.fullmatch(case):
            raise ConfigError("case: letters, digits, dot, dash and underscore only")
        _long_enough(case_passphrase)
        folder = self.folder / "cases" / case
        if folder.exists():
            raise ConfigError(f"case: {case} exists already")
        operators = unlocked(self._sealed_operators(), passphrases)
        opened = []
        for day in days:
            path = self.folder / "days" / f"{day}.json"
            if not path.exists():
                raise ConfigError(f"days: there is no key of {day} any more")
            opened.append((day, day_keys.unseal(path, operators)))
        identity = Identity.generate(label=f"case {case}")
        folder.mkdir(mode=0o700)
        self._save(folder / "case.json", identity, case_passphrase)
        for day, day_identity in opened:
            day_keys.write(folder / f"{day}.json", day, day_identity, [(identity.recipient,)])
        return identity.recipient

    def _holders(self) -> list[Holders]:
        operators = {each.kid.hex(): each for each in self.operators()}
        pairs = self._pairs()
        if not pairs:
            return [(each,) for each in operators.values()]
        both = [tuple(operators[kid] for kid in pair) for pair in pairs if set(pair) <= set(operators)]
        if not both:
            raise StoreError("dual control: no pair of operators is left; set it again with `keys dual`")
        return both

    def _pairs(self) -> list[list[str]]:
        with contextlib.suppress(FileNotFoundError):
            return list(json.loads((self.folder / "policy.json").read_text(encoding="utf-8"))["both"])
        return []

    def _operator_files(self) -> tuple[Path, ...]:
        return tuple(sorted((self.folder / "reveal").glob("*.json"), key=lambda path: (path.stat().st_mtime_ns, path)))

    def _sealed_operators(self) -> tuple[Path, ...]:
        """Those of whom the box has more than the public half."""
        files = self._operator_files()
        return tuple(path for path in files if "sealed" in json.loads(path.read_text(encoding="utf-8")))

    def _save(self, path: Path, identity: Identity, passphrase: str) -> None:
        try:
            keys.save(path, identity, passphrase)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from error


def unlocked(files: Sequence[Path], passphrases: Sequence[str]) -> list[Identity]:
    """Every key of `files` that one of `passphrases` opens. Only the reveal process and the key commands may ask."""
    found = []
    for path in files:
        for passphrase in passphrases:
            with contextlib.suppress(SealError):
                found.append(keys.load_identity(path, passphrase))
                break
    return found


def _long_enough(passphrase: str) -> None:
    if len(passphrase) < LEAST_PASSPHRASE:
        raise ConfigError(f"passphrase: at least {LEAST_PASSPHRASE} characters")


def _destroy(path: Path) -> None:
    with contextlib.suppress(OSError):
        # Best effort on journalled or flash storage; what is left over is still sealed.
        path.write_bytes(bytes(path.stat().st_size))
    path.unlink()
