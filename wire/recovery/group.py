"""What a reader knows of the group of pictures that it is in: its keys, and what will be judged at its end."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import GCM

from base.errors import SealError
from wire.keys import Identity, expand
from wire.recovery import layout, unit_reader
from wire.recovery.unit_reader import GopManifest, KeyStanza, KeyUnit
from wire.recovery.verdict import Check, GopVerdict, UnitVerdict


@dataclass(frozen=True, slots=True)
class TrackKey:
    """What opens one object in one group of pictures, and nothing else."""

    name: bytes
    track_id: int
    key: bytes = field(repr=False)

    @classmethod
    def derive(cls, content_key: bytes, track_id: int) -> "TrackKey":
        """`wire/recovery.md`, "Objects with payloads of their own"."""
        about = track_id.to_bytes(4, "big")
        name = expand(content_key, layout.TRACK_NAME_INFO + about, layout.NAME_BYTES)
        return cls(name, track_id, expand(content_key, layout.TRACK_KEY_INFO + about, layout.KEY_BYTES))


@dataclass(slots=True)
class OpenedGop:
    """One group of pictures.

    `key` is the content key, None where no identity opens it; `track_keys` holds what is known of single objects, by
    name. The counts and `leaves` are of the access units that arrived.
    """

    unit: KeyUnit
    key: bytes | None
    track_keys: dict[bytes, list[TrackKey]] = field(default_factory=dict)
    seen: int = 0
    unauthentic: int = 0
    altered: list[int] = field(default_factory=list)
    gap: bool = False
    leaves: list[bytes] = field(default_factory=list)
    _known: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.leaves.append(unit_reader.key_leaf(self.unit.hash))

    def know(self, track_key: TrackKey) -> None:
        """Take the key of an object."""
        self._known.add(track_key.track_id)
        self.track_keys.setdefault(track_key.name, []).append(track_key)

    def derive(self, track_id: int) -> None:
        """Know an object's key from the content key."""
        if self.key is not None and track_id not in self._known:
            self.know(TrackKey.derive(self.key, track_id))

    def judged(self, manifest: GopManifest | None, origin: Check, reason: str) -> GopVerdict:
        """The verdict at its end; `origin` and `reason` are what the signature and the chain say."""
        whole = manifest is not None and not self.gap and manifest.frames == self.seen
        matches = manifest is not None and manifest.root == unit_reader.merkle_root(self.leaves)
        if manifest is not None and origin is not Check.NO and not matches and whole:
            origin, reason = Check.NO, "the signed manifest does not match what was received"
        intact: bool | None = None
        if self.altered:
            intact = False
        elif matches or (self.key is not None and not self.unauthentic and self.seen):
            intact = True
        authentic = None if self.key is None else not self.unauthentic
        complete = None if manifest is None else whole
        return GopVerdict(
            self.unit.gop_id, self.seen, manifest.frames if manifest else None, manifest.masked if manifest else None,
            UnitVerdict(Check.of(authentic), Check.of(intact), Check.of(complete), origin), reason,
            tuple(self.altered) or _altered(manifest, self.leaves),
        )  # fmt: skip


def _altered(manifest: GopManifest | None, leaves: list[bytes]) -> tuple[int, ...]:
    """Indices that the manifest's public list contradicts; empty when it has none or the count differs."""
    seen = [leaf[:8] for leaf in leaves[1:]]
    if manifest is None or len(manifest.leaves) != len(seen):
        return ()
    return tuple(i for i, (signed, got) in enumerate(zip(manifest.leaves, seen, strict=True)) if signed != got)


def unsealed(stanzas: Sequence[KeyStanza], identities: Mapping[bytes, Identity], info: bytes) -> bytes | None:
    """The content key by the first stanza that opens to one; `identities` by their kid, None when none does."""
    for stanza in stanzas:
        held = [identities.get(kid) for kid in stanza.kids]
        present = [identity for identity in held if identity is not None]
        if len(present) < len(held):
            continue
        sealed = stanza.sealed
        try:
            for identity in present:
                sealed = identity.open(sealed, info)
        except SealError:
            continue
        if len(sealed) == layout.KEY_BYTES:
            return sealed
    return None


def decrypt(key: bytes, nonce: bytes, sealed: bytes, about: bytes) -> bytes:
    """AES-256-GCM with a tag of 96 bits.

    Raises:
        InvalidTag: altered, or sealed under another key.
    """
    tag = sealed[-layout.TAG_BYTES :]
    opening = Cipher(AES256(key), GCM(nonce, tag, min_tag_length=layout.TAG_BYTES)).decryptor()
    opening.authenticate_additional_data(about)
    return opening.update(sealed[: -layout.TAG_BYTES]) + opening.finalize()


def first_opened(keys: Sequence[TrackKey], nonce: bytes, sealed: bytes, about: bytes) -> tuple[int, bytes]:
    """Track and plaintext by the first key that fits: names are short and may coincide. Raises as `decrypt`."""
    for track_key in keys[:-1]:
        with contextlib.suppress(InvalidTag):
            return track_key.track_id, decrypt(track_key.key, nonce, sealed, about)
    return keys[-1].track_id, decrypt(keys[-1].key, nonce, sealed, about)
