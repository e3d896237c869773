"""A key of its own for every day and camera, so that a day can be made unrecoverable by destroying small files, and
a person given the key of one camera's day opens no other.

Cameras seal to their key of the day; its private half is sealed to the operators' keys (HPKE) the moment it is made,
and forgotten. Opening needs an operator's passphrase, or, under dual control, two operators' at once. Destroying the
file makes everything of that day unrecoverable, in every copy and back-up of the recordings.

The name of a key is `DAY.CAMERA`, the day as YYYY-MM-DD with `THHMMSS` when it was made in between, CAMERA the id that
the camera signs with; `DAY` alone is a key of every camera, which boxes made before there was one for each.

File: `{"veilcam_day_key": 1, "day", "public", "sealed": [{"kids": [..], "sealed"}]}`, hex; with two kids the private
half is sealed to the second and that to the first. HPKE info is `veilcam day key 1` and the day.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from base.errors import SealError, StoreError, WireError
from base.files import write_atomically
from wire.keys import Identity, Recipient

_INFO = b"veilcam day key 1 "
_DATE = 10

Holders = tuple[Recipient, ...]
"""One operator, or two acting together."""


@dataclass(frozen=True, slots=True)
class DayKey:
    """The public side of one day's key. `day` is its name."""

    day: str
    recipient: Recipient
    path: Path

    @property
    def date(self) -> str:
        """YYYY-MM-DD."""
        return self.day[:_DATE]

    @property
    def camera_id(self) -> str:
        """Whose key it is, hex; empty for one of every camera."""
        return self.day.partition(".")[2]


def make(folder: Path, day: str, holders: Sequence[Holders]) -> DayKey:
    """A fresh key for `day`, sealed to every one of `holders`; durable when this returns.

    Raises:
        StoreError: the folder cannot be written.
        SealError: a holder's public key is no key.
    """
    identity = Identity.generate(label=day)
    return write(folder / f"{day}.json", day, identity, holders)


def write(path: Path, day: str, identity: Identity, holders: Sequence[Holders]) -> DayKey:
    """The file of an existing day key, sealed to other holders: a legal hold. Raises as `make`."""
    sealed = []
    for group in holders:
        blob = identity.private
        for recipient in reversed(group):
            blob = recipient.seal(blob, _INFO + day.encode())
        sealed.append({"kids": [each.kid.hex() for each in group], "sealed": blob.hex()})
    table = {"veilcam_day_key": 1, "day": day, "public": identity.recipient.public.hex(), "sealed": sealed}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(table).encode())
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from error
    return DayKey(day, identity.recipient, path)


def load(path: Path) -> DayKey:
    """The public side of a file.

    Raises:
        WireError: it is no day key.
    """
    table = _read(path)
    try:
        return DayKey(str(table["day"]), Recipient(bytes.fromhex(table["public"]), str(table["day"])), path)
    except (KeyError, TypeError, ValueError) as error:
        raise WireError(f"{path}: not a day key: {error}") from error


def opened_by(path: Path) -> tuple[tuple[str, ...], ...]:
    """Key ids (hex) of the operators who open a file: one, or two acting together.

    Raises:
        WireError: it is no day key.
    """
    try:
        return tuple(tuple(str(kid) for kid in entry["kids"]) for entry in _read(path)["sealed"])
    except (KeyError, TypeError) as error:
        raise WireError(f"{path}: not a day key: {error}") from error


def for_kids(path: Path, kids: frozenset[str]) -> dict[str, Any] | None:
    """The file as the holder of `kids` is given it: sealed to those alone; None when it is sealed to none.

    Raises:
        WireError: it is no day key.
    """
    table = _read(path)
    try:
        sealed = [entry for entry in table["sealed"] if set(entry["kids"]) <= kids]
    except (KeyError, TypeError) as error:
        raise WireError(f"{path}: not a day key: {error}") from error
    return {**table, "sealed": sealed} if sealed else None


def unseal(path: Path, identities: Iterable[Identity]) -> Identity:
    """The private half, opened by those of `identities` that hold it.

    Raises:
        SealError: none of them does, or one of two is missing.
        WireError: it is no day key.
    """
    table = _read(path)
    held = {identity.kid.hex(): identity for identity in identities}
    try:
        day = str(table["day"])
        for entry in table["sealed"]:
            group = [held.get(kid) for kid in entry["kids"]]
            if not group or None in group:
                continue
            blob = bytes.fromhex(entry["sealed"])
            for identity in group:
                assert identity is not None
                blob = identity.open(blob, _INFO + day.encode())
            found = Identity(blob, day)
            if found.recipient.public.hex() != table["public"]:
                raise SealError(f"{path}: public and private half do not belong together")
            return found
    except (KeyError, TypeError, ValueError) as error:
        raise WireError(f"{path}: not a day key: {error}") from error
    raise SealError(f"{path.stem}: none of these keys opens this day")


def _read(path: Path) -> dict[str, Any]:
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WireError(f"{path}: not a day key: {error}") from error
    if not isinstance(table, dict) or table.get("veilcam_day_key") != 1:
        raise WireError(f"{path}: not a day key of version 1")
    return table
