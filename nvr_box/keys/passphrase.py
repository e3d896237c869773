"""Passphrases of key files: how long they are at least, and what they open."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from base.errors import Invalid, SealError
from wire import keys
from wire.keys import Identity

LEAST_PASSPHRASE = 12


def long_enough(passphrase: str) -> None:
    """Raise `RequestError` for a passphrase that is too short for a key."""
    if len(passphrase) < LEAST_PASSPHRASE:
        raise Invalid(f"passphrase: at least {LEAST_PASSPHRASE} characters", "passphrase")


def unlocked(files: Sequence[Path], passphrases: Sequence[str]) -> list[Identity]:
    """Every key of `files` that one of `passphrases` opens. Only the reveal process and the key commands may ask."""
    found = []
    for path in files:
        for passphrase in passphrases:
            with contextlib.suppress(SealError):
                found.append(keys.load_identity(path, passphrase))
                break
    return found
