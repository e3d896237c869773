"""Files of the key folder: reading one, and putting another in its place so that what was there is overwritten."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from base.errors import StoreError
from base.files import shred
from wire import keys
from wire.keys import Identity, SigningKey


def table_of(path: Path) -> dict[str, Any]:
    """A JSON object of the key folder. Raises StoreError for half of one, and for what is none."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: cannot be read: {error}") from error
    if not isinstance(table, dict):
        raise StoreError(f"{path}: does not hold a JSON object")
    return table


def seal_under(secret: str, *files: tuple[Path, Identity | SigningKey]) -> None:
    """Seal keys that lie in clear; of the clear file nothing is left that can be overwritten."""
    for path, key in files:
        if keys.is_sealed(path):
            continue
        with shredding(path):
            keys.save(path, key, secret)


def finish_shredding(folder: Path) -> None:
    """What a crash left of `shredding`: the sealed key whose place was taken must not lie on beside it."""
    for old in sorted(folder.rglob("*.json.old")):
        current = old.with_name(old.name.removesuffix(".old"))
        if current.exists() and current.samefile(old):
            old.unlink()  # nothing took its place yet: overwriting it would destroy the key
        else:
            shred(old)


@contextlib.contextmanager
def shredding(path: Path) -> Iterator[None]:
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


def destroy(path: Path) -> None:
    try:
        shred(path)
    except OSError as error:
        raise StoreError(f"{path}: the key cannot be destroyed: {error.strerror}") from error
