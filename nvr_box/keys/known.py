"""Operators' and escrow keys by their public sides: those in force, and what became of the others."""

import hashlib
import json
from dataclasses import dataclass

from nvr_box.keys.store import KeyFolder
from wire import keys as key_files
from wire.keys import Kem, Recipient


@dataclass(frozen=True, slots=True)
class KnownKey:
    """One key.

    Attributes:
        kind: operator or escrow.
        fingerprint: SHA-256 of the public key, hex; its first 16 digits are `kid`.
        here: whether the box has the private half, under its passphrase.
        revoked_us: since when nothing is sealed to it, None while it is in force.
        destroyed_us: since when the box has no private half that it had before.
    """

    kid: str
    kind: str
    label: str
    algorithm: str
    fingerprint: str
    here: bool
    added_us: int
    revoked_us: int | None = None
    destroyed_us: int | None = None


def fingerprint(recipient: Recipient) -> str:
    """What to compare with what the key's holder has."""
    return hashlib.sha256(recipient.public).hexdigest()


def known(keys: KeyFolder) -> tuple[KnownKey, ...]:
    """Every one that there is or was, oldest first.

    Raises:
        Error: a file is damaged.
    """
    past = keys.past()
    found: dict[str, KnownKey] = {}
    for path in (keys.folder / "reveal").glob("*.json"):
        revoked_us = past[path.stem].revoked_us if path.stem in past else None
        here = "sealed" in json.loads(path.read_text(encoding="utf-8"))
        recipient = key_files.load_recipient(path)
        found[path.stem] = _known(recipient, "operator", path.stat().st_mtime_ns // 1000, revoked_us, here=here)
    for path in (keys.folder / "escrow").glob("*.json"):
        recipient = Recipient.from_json(json.loads(path.read_text(encoding="utf-8")))
        found[path.stem] = _known(recipient, "escrow", path.stat().st_mtime_ns // 1000)
    for name, note in past.items():
        if note.kind != "day" and name not in found:
            recipient = Recipient(bytes.fromhex(note.public), note.label)
            found[name] = _known(recipient, note.kind, note.added_us, note.revoked_us, destroyed_us=note.destroyed_us)
    return tuple(sorted(found.values(), key=lambda each: each.added_us))


def _known(
    recipient: Recipient,
    kind: str,
    added_us: int,
    revoked_us: int | None = None,
    *,
    here: bool = False,
    destroyed_us: int | None = None,
) -> KnownKey:
    algorithm = "X25519" if recipient.kem is Kem.X25519 else "ML-KEM-768 + X25519"
    return KnownKey(
        recipient.kid.hex(), kind, recipient.label, algorithm, fingerprint(recipient), here, added_us, revoked_us,
        destroyed_us,
    )  # fmt: skip
