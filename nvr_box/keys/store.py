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

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from base.clock import utc_us
from base.errors import Conflict, Error, NotFound, SealError, StoreError, WireError
from nvr_box.keys import day as day_keys
from nvr_box.keys import past as past_keys
from nvr_box.keys.case import CaseKeys, sound_name
from nvr_box.keys.day import DayKey
from nvr_box.keys.files import destroy, finish_shredding, seal_under, table_of
from nvr_box.keys.operators import OperatorKeys
from nvr_box.keys.passphrase import long_enough, unlocked
from nvr_box.keys.past import PastKey
from wire import keys
from wire.keys import Identity, Recipient, SigningKey

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_BOX, _SIGNING = "box.json", "signing.json"


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a passphrase may open: operators' and cases' key files, the day keys behind them, and held content keys."""

    operators: tuple[Path, ...]
    days: tuple[Path, ...]
    holds: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class KeyFolder(OperatorKeys):
    """The key folder.

    Attributes:
        rotate: whether cameras seal to a key of the day, or to the operators' own for good.
    """

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
                finish_shredding(folder)
            if make and not box.exists():
                keys.save(box, Identity.generate(label="box"), secret)
            if make and not signing.exists():
                keys.save(signing, SigningKey.generate(), secret)
            there = box.exists() and signing.exists()
            if there and (secret is not None or not (keys.is_sealed(box) or keys.is_sealed(signing))):
                own = keys.load_identity(box, secret), keys.load_signing_key(signing, secret)
                if secret is not None and make:
                    seal_under(secret, (box, own[0]), (signing, own[1]))
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

    def remove(self, name: str) -> bool:
        """Destroy an operator's key (by KID) or a day's: what only it opens is lost for good. Whether it was there.

        Raises:
            StoreError: it cannot be overwritten; it is there still.
        """
        for folder, kind in (("reveal", "operator"), ("days", "day"), ("escrow", "escrow")):
            path = self.folder / folder / f"{name}.json"
            if _NAME.fullmatch(name) and path.exists():
                self._note(path, kind, destroyed=True)
                destroy(path)
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
            destroy(escrow)
        else:
            raise NotFound(f"there is no key {kid} in force")

    @property
    def cases(self) -> CaseKeys:
        """The keys of legal holds."""
        return CaseKeys(self.folder / "cases")

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
        table = table_of(path)
        added_us, now_us = path.stat().st_mtime_ns // 1000, utc_us()
        label = str(table.get("label") or table.get("day") or "")
        past = PastKey(path.stem, kind, label, str(table["public"]), added_us, now_us, now_us if destroyed else None)
        past_keys.note(self.folder / "past", past)


def _named(day: str, camera_id: str) -> str:
    return f"{day}.{camera_id}" if camera_id else day
