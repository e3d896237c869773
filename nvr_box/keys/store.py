"""The box's keys on disk.

    keys/box.json         opens feature packets; under the box's secret (`secret.py`), mode 0600
    keys/reveal/KID.json  operators' keys under their passphrases; public halves alone of those taken away
    keys/days/DAY.CAMERA.json  the keys that cameras seal to, one a day and camera, sealed to the operators
                          (`day.py`)
    keys/holders.json     which account an operator's key belongs to, where its label is not the account's name
    keys/escrow/KID.json  public halves only: keys in pieces, kept off-line (`wire/escrow.py`)
    keys/cases/NAME/      legal holds: a key of the case under its passphrase, day keys sealed to it, and content keys
                          of single groups of pictures sealed to it, CAMERA-NUMBER.hold (`wire/hold.py`)
    keys/past/NAME.json   public notes of what was revoked or destroyed (`past.py`)
    keys/policy.json      dual control: pairs of operators
    keys/signing.json     signs packages of evidence, the audit log's head and orders to cameras; as box.json

This process reads public halves only. Private reveal keys are opened in the reveal process alone
(`nvr_box/reveal/process.py`) and by the key commands.
"""

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from base.clock import utc_us
from base.errors import Conflict, Error, Invalid, NotFound, SealError, StoreError, WireError
from base.files import shred, write_atomically, write_once
from nvr_box.keys import day as day_keys
from nvr_box.keys import past as past_keys
from nvr_box.keys.case import CaseKeys, sound_name
from nvr_box.keys.day import DayKey, Holders
from nvr_box.keys.passphrase import long_enough, unlocked
from nvr_box.keys.past import PastKey
from wire import keys
from wire.keys import Identity, Kem, Recipient, SigningKey

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_BOX, _SIGNING = "box.json", "signing.json"


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a passphrase may open: operators' and cases' key files, the day keys behind them, and held content keys."""

    operators: tuple[Path, ...]
    days: tuple[Path, ...]
    holds: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class KeyFolder:
    """The key folder.

    Attributes:
        rotate: whether cameras seal to a key of the day, or to the operators' own for good.
    """

    folder: Path
    rotate: bool = True
    _own: tuple[Identity, SigningKey] | None = None

    @property
    def box_id(self) -> str:
        """The box's name towards cameras: 16 hex digits. Raises StoreError before the box has a key."""
        try:
            return keys.load_recipient(self.folder / _BOX).kid.hex()
        except Error as error:
            raise StoreError(str(error)) from error

    @property
    def verifier(self) -> bytes:
        """The public half of what signs. Raises as `box_id`."""
        try:
            return keys.load_verifier(self.folder / _SIGNING)
        except Error as error:
            raise StoreError(str(error)) from error

    @property
    def identity(self) -> Identity:
        """Opens feature packets. Raises Conflict for a caller without the box's secret."""
        return self._opened()[0]

    @property
    def signer(self) -> SigningKey:
        """Signs packages of evidence, the log's head and orders to cameras. Raises as `identity`."""
        return self._opened()[1]

    @classmethod
    def open(cls, folder: Path, *, rotate: bool = True, secret: str | None = None, make: bool = True) -> "KeyFolder":
        """Read the box's own keys.

        Args:
            secret: under which they lie; keys in clear, as older programs left them, are put under it. Without it
                sealed keys show their public halves only.
            make: whether to make them when there are none: the box's own business, not a command's beside it.

        Raises:
            StoreError: the folder or a key cannot be read or written, or the secret is not the right one.
        """
        try:
            for name in ("reveal", "days", "escrow", "cases"):
                (folder / name).mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
            box, signing, own = folder / _BOX, folder / _SIGNING, None
            if make:
                _finish_shredding(folder)
            if make and not box.exists():
                keys.save(box, Identity.generate(label="box"), secret)
            if make and not signing.exists():
                keys.save(signing, SigningKey.generate(), secret)
            there = box.exists() and signing.exists()
            if there and (secret is not None or not (keys.is_sealed(box) or keys.is_sealed(signing))):
                own = keys.load_identity(box, secret), keys.load_signing_key(signing, secret)
                if secret is not None and make:
                    _seal_under(secret, (box, own[0]), (signing, own[1]))
            return cls(folder, rotate, own)
        except (OSError, Error) as error:
            raise StoreError(f"{folder}: {error}") from error

    def _opened(self) -> tuple[Identity, SigningKey]:
        if self._own is None:
            raise Conflict(f"{self.folder}: the box's own keys lie under its secret, which is not at hand here")
        return self._own

    def recipients(self, camera_id: str = "") -> tuple[Recipient, ...]:
        """What a camera seals the originals to now: its key of today, made when there is none, and those in escrow.

        None while no operator has a key.

        Raises:
            StoreError: a key file is damaged, or the key of today cannot be written.
        """
        try:
            operators = self.operators()
            if not operators:
                return ()
            chosen = (self.today(camera_id).recipient,) if self.rotate else operators
            return (*chosen, *(recipient for recipient in self.escrow()))
        except (WireError, SealError) as error:
            raise StoreError(str(error)) from error

    def operators(self) -> tuple[Recipient, ...]:
        """The public halves of the operators' keys that are in force, oldest first."""
        past = self.past()
        files = (path for path in self._operator_files() if not _revoked(past, path.stem))
        return tuple(keys.load_recipient(path) for path in files)

    def past(self) -> Mapping[str, PastKey]:
        """What was revoked or destroyed, by name."""
        return past_keys.read(self.folder / "past")

    def escrow(self) -> tuple[Recipient, ...]:
        """The public halves of the keys that are kept in pieces."""
        found = []
        for path in sorted((self.folder / "escrow").glob("*.json")):
            try:
                found.append(Recipient.from_json(json.loads(path.read_text(encoding="utf-8"))))
            except ValueError as error:
                raise StoreError(f"{path}: not a key kept in pieces: {error}") from error
        return tuple(found)

    def sealed(self, camera: int | None = None, camera_id: str | None = None) -> Sealed:
        """Everything that a reveal of `camera` on the box tries its passphrase on; days newest first.

        Every day of the camera, since one that could not be given a new key goes on with its old one.

        Args:
            camera_id: whose day keys, those of every camera among them; None for all.
        """

        def wanted(path: Path) -> bool:
            return camera_id is None or path.stem.partition(".")[2] in {"", camera_id}

        days = [*sorted((self.folder / "days").glob("*.json"), reverse=True), *self.cases.day_files()]
        holds = self.cases.hold_files(camera) if camera is not None else ()
        operators = (*self._sealed_operators(), *self.cases.key_files())
        return Sealed(operators, tuple(path for path in days if wanted(path)), tuple(holds))

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
        return tuple(_table(path) for path in self._sealed_operators() if path.stem in kids)

    def days_of(self, camera_id: str, first: str, last: str) -> tuple[DayKey, ...]:
        """The day keys of a camera, those of every camera among them, from one date to another, both included."""
        days = (each for each in self.days() if first <= each.date <= last)
        return tuple(each for each in days if each.camera_id in {"", camera_id})

    def days(self) -> tuple[DayKey, ...]:
        """The day keys that still exist, oldest first."""
        return tuple(day_keys.load(path) for path in sorted((self.folder / "days").glob("*.json")))

    def today(self, camera_id: str = "") -> DayKey:
        """The key of this day (UTC) for a camera, or for every one, made when there is none."""
        day = f"{datetime.now(UTC):%Y-%m-%d}"
        made = [each for each in self._made_on(day) if each.camera_id == camera_id]
        return made[-1] if made else day_keys.make(self.folder / "days", _named(day, camera_id), self._holders())

    def renew(self) -> tuple[DayKey, ...]:
        """Other keys for the rest of this day, for each camera that has one: after an operator left, or when a camera
        was stolen.
        """
        now = datetime.now(UTC)
        holders, cameras = self._holders(), sorted({each.camera_id for each in self._made_on(f"{now:%Y-%m-%d}")})
        names = [_named(f"{now:%Y-%m-%dT%H%M%S}", camera_id) for camera_id in cameras]
        return tuple(day_keys.make(self.folder / "days", name, holders) for name in names)

    def _made_on(self, day: str) -> list[DayKey]:
        return [day_keys.load(path) for path in sorted((self.folder / "days").glob(f"{day}*.json"))]

    def shred_days_before(self, day: str, *, spared: frozenset[str] = frozenset()) -> list[str]:
        """Destroy the keys of every day before `day` (YYYY-MM-DD) that is not spared; returns which."""
        gone = []
        for path in sorted((self.folder / "days").glob("*.json")):
            if path.stem[:10] < day and path.stem[:10] not in spared:
                self.remove(path.stem)
                gone.append(path.stem)
        return gone

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

    def remove(self, name: str) -> bool:
        """Destroy an operator's key (by KID) or a day's: what only it opens is lost for good. Whether it was there.

        Raises:
            StoreError: it cannot be overwritten; it is there still.
        """
        for folder, kind in (("reveal", "operator"), ("days", "day"), ("escrow", "escrow")):
            path = self.folder / folder / f"{name}.json"
            if _NAME.fullmatch(name) and path.exists():
                self._note(path, kind, destroyed=True)
                _destroy(path)
                return True
        return False

    def revoke(self, kid: str) -> None:
        """Seal nothing to this operator's or escrow key from now on; what was sealed to it still opens with it.

        With a key a day the rest of this day gets another key at once, which an operator's key no longer opens.

        Raises:
            RequestError: there is no such key in force, or none would be left.
            StoreError: the folder cannot be written.
        """
        operators = {each.kid.hex() for each in self.operators()}
        escrow = self.folder / "escrow" / f"{kid}.json"
        if kid in operators:
            if operators == {kid}:
                raise Conflict("this is the only operator's key in force: make another one first")
            pairs = self._pairs()
            if pairs and not any(set(pair) <= operators - {kid} for pair in pairs):
                raise Conflict("dual control: no pair of operators would be left; set it again with `keys dual` first")
            self._note(self.folder / "reveal" / f"{kid}.json", "operator")
            if self.rotate:
                self.renew()
        elif _NAME.fullmatch(kid) and escrow.exists():
            self._note(escrow, "escrow")
            _destroy(escrow)
        else:
            raise NotFound(f"there is no key {kid} in force")

    def take_away(self, kid: str, to: Path) -> None:
        """Move an operator's sealed key to `to`; what stays on the box is public and opens nothing.

        Raises:
            RequestError: the key is not here, or `to` exists already.
            StoreError: `to` cannot be written; the key is still here then.
        """
        path = self.folder / "reveal" / f"{kid}.json"
        if path not in self._sealed_operators():
            raise NotFound(f"there is no key {kid} to take away")
        table = _table(path)
        try:
            write_once(to, json.dumps(table, indent=1).encode())
        except FileExistsError as error:
            raise Conflict(f"{to} exists already") from error
        except OSError as error:
            raise StoreError(f"{to}: {error.strerror}") from error
        public = {name: table[name] for name in ("veilcam_key", "kind", "label", "public")}
        made_ns = path.stat().st_mtime_ns
        try:
            with _shredding(path):
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
    def cases(self) -> CaseKeys:
        """The keys of legal holds."""
        return CaseKeys(self.folder / "cases")

    @property
    def dual_control(self) -> bool:
        """Whether day keys made now open only to two operators together."""
        return bool(self._pairs())

    def add_escrow(self, recipient: Recipient) -> None:
        """Cameras seal to this public key as well from the next pairing on."""
        self._write(f"escrow/{recipient.kid.hex()}.json", recipient.to_json())

    def hold(self, case: str, days: Sequence[str], passphrases: Sequence[str], case_passphrase: str) -> Recipient:
        """Keep days recoverable for a case although their keys will be destroyed: re-seal them to a key of the case.

        Raises:
            RequestError: the case's name or passphrase does not do, or a day has no key any more.
            SealError: the operators' passphrases do not open a day.
            StoreError: the folder cannot be written.
        """
        sound_name(case)
        long_enough(case_passphrase)
        if self.cases.public(case) is not None:
            raise Conflict(f"case: {case} exists already")
        operators = unlocked(self._sealed_operators(), passphrases)
        opened = []
        for day in days:
            found = [each for each in self.days() if day in {each.day, each.date}]
            if not found:
                raise NotFound(f"days: there is no key of {day} any more")
            opened += [(each.day, day_keys.unseal(each.path, operators)) for each in found]
        recipient = self.cases.ready(case, case_passphrase)
        for day, day_identity in opened:
            day_keys.write(self.cases.folder / case / f"{day}.json", day, day_identity, [(recipient,)])
        return recipient

    def _note(self, path: Path, kind: str, *, destroyed: bool = False) -> None:
        """Remember the public side of a key file that is about to go out of force."""
        table = _table(path)
        added_us, now_us = path.stat().st_mtime_ns // 1000, utc_us()
        label = str(table.get("label") or table.get("day") or "")
        past = PastKey(path.stem, kind, label, str(table["public"]), added_us, now_us, now_us if destroyed else None)
        past_keys.note(self.folder / "past", past)

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
        return {kid: str(account) for kid, account in _table(path).items()} if path.exists() else {}

    def _operator_files(self) -> tuple[Path, ...]:
        return tuple(sorted((self.folder / "reveal").glob("*.json"), key=lambda path: (path.stat().st_mtime_ns, path)))

    def _sealed_operators(self) -> tuple[Path, ...]:
        """Those of whom the box has more than the public half."""
        files = self._operator_files()
        return tuple(path for path in files if "sealed" in _table(path))

    def _save(self, path: Path, identity: Identity, passphrase: str) -> None:
        try:
            keys.save(path, identity, passphrase)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from error


def _table(path: Path) -> dict[str, Any]:
    """A JSON object of the key folder. Raises StoreError for half of one, and for what is none."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: cannot be read: {error}") from error
    if not isinstance(table, dict):
        raise StoreError(f"{path}: does not hold a JSON object")
    return table


def _named(day: str, camera_id: str) -> str:
    return f"{day}.{camera_id}" if camera_id else day


def _revoked(past: Mapping[str, PastKey], name: str) -> bool:
    return name in past and past[name].revoked_us is not None


def _seal_under(secret: str, *files: tuple[Path, Identity | SigningKey]) -> None:
    """Seal keys that lie in clear; of the clear file nothing is left that can be overwritten."""
    for path, key in files:
        if keys.is_sealed(path):
            continue
        with _shredding(path):
            keys.save(path, key, secret)


def _finish_shredding(folder: Path) -> None:
    """What a crash left of `_shredding`: the sealed key whose place was taken must not lie on beside it."""
    for old in sorted(folder.rglob("*.json.old")):
        current = old.with_name(old.name.removesuffix(".old"))
        if current.exists() and current.samefile(old):
            old.unlink()  # nothing took its place yet: overwriting it would destroy the key
        else:
            shred(old)


@contextlib.contextmanager
def _shredding(path: Path) -> Iterator[None]:
    """Around putting another file in the place of `path`: what was there is overwritten, not only let go."""
    old = path.with_name(path.name + ".old")
    old.unlink(missing_ok=True)
    old.hardlink_to(path)
    try:
        yield
    except BaseException:
        old.unlink()
        raise
    shred(old)


def _destroy(path: Path) -> None:
    try:
        shred(path)
    except OSError as error:
        raise StoreError(f"{path}: the key cannot be destroyed: {error.strerror}") from error
