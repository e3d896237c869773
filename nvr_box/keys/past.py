"""What became of keys: a public note for each that was revoked or destroyed, so that a reader of the list sees it.

`keys/past/NAME.json`: `{"name", "kind", "label", "public", "added_us", "revoked_us", "destroyed_us"}`; NAME is an
operator's or escrow key's id, or a day. Nothing in it opens anything.
"""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from base.errors import StoreError
from base.files import write_atomically


@dataclass(frozen=True, slots=True)
class PastKey:
    """One note.

    Attributes:
        kind: operator, escrow or day.
        public: hex.
        revoked_us: since when nothing is sealed to it any more, None while it is.
        destroyed_us: since when the box has no private half of it, None while it has.
    """

    name: str
    kind: str
    label: str
    public: str
    added_us: int
    revoked_us: int | None = None
    destroyed_us: int | None = None


def note(folder: Path, past: PastKey) -> None:
    """Write a note; of one that is there already the earlier times stay.

    Raises:
        StoreError: the folder cannot be written.
    """
    path = folder / f"{past.name}.json"
    before = read(folder).get(past.name)
    if before is not None:
        past = replace(
            before,
            revoked_us=before.revoked_us if before.revoked_us is not None else past.revoked_us,
            destroyed_us=before.destroyed_us if before.destroyed_us is not None else past.destroyed_us,
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(asdict(past)).encode())
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from error


def read(folder: Path) -> Mapping[str, PastKey]:
    """Every note, by name.

    Raises:
        StoreError: one is damaged.
    """
    found = {}
    for path in sorted(folder.glob("*.json")):
        with contextlib.suppress(FileNotFoundError):
            try:
                found[path.stem] = PastKey(**json.loads(path.read_text(encoding="utf-8")))
            except (ValueError, TypeError) as error:
                raise StoreError(f"{path}: not a note of a past key: {error}") from error
    return found
