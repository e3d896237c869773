"""The box's keys on disk: its own, which opens feature packets, and the vault of reveal keys.

`keys/box.json` is in clear, mode 0600: the box must start unattended, and what it opens is masked pictures and
appearance codes. `keys/reveal/KID.json` are sealed under a passphrase each; this process reads only their public
halves. Private reveal keys are opened in the reveal process alone (`nvr_box/reveal/process.py`).
"""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from wire import keys
from wire.base.errors import ConfigError, Error, StoreError
from wire.keys import Identity, Kem, Recipient

LEAST_PASSPHRASE = 12


@dataclass(frozen=True, slots=True)
class Keys:
    """What lies in the key folder.

    Attributes:
        identity: opens feature packets; its first 8 bytes of public hash are the box's id.
        folder: where the vault is.
    """

    identity: Identity
    folder: Path

    @property
    def box_id(self) -> str:
        """The box's name towards cameras: 16 hex digits."""
        return self.identity.kid.hex()

    @classmethod
    def open(cls, folder: Path) -> "Keys":
        """Read the box's key, made when there is none.

        Raises:
            StoreError: the folder or the key cannot be read or written.
        """
        try:
            vault = folder / "reveal"
            vault.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
            path = folder / "box.json"
            if not path.exists():
                keys.save(path, Identity.generate(label="box"), None)
            return cls(keys.load_identity(path), folder)
        except (OSError, Error) as error:
            raise StoreError(f"{folder}: {error}") from error

    def recipients(self) -> tuple[Recipient, ...]:
        """The public halves of the vault, oldest first: what cameras seal the originals to.

        Raises:
            StoreError: a key file is damaged.
        """
        found = []
        for path in self.sealed():
            try:
                found.append(keys.load_recipient(path))
            except Error as error:
                raise StoreError(str(error)) from error
        return tuple(found)

    def sealed(self) -> tuple[Path, ...]:
        """The sealed key files, oldest first."""
        return tuple(sorted((self.folder / "reveal").glob("*.json"), key=lambda path: (path.stat().st_mtime_ns, path)))

    def create(self, label: str, passphrase: str, *, hybrid: bool = False) -> Recipient:
        """A new reveal key, sealed under `passphrase`; cameras use it after they are paired again.

        Raises:
            ConfigError: the passphrase is too short.
            StoreError: the folder cannot be written.
        """
        if len(passphrase) < LEAST_PASSPHRASE:
            raise ConfigError(f"passphrase: at least {LEAST_PASSPHRASE} characters")
        identity = Identity.generate(Kem.MLKEM768_X25519 if hybrid else Kem.X25519, label)
        try:
            keys.save(self.folder / "reveal" / f"{identity.kid.hex()}.json", identity, passphrase)
        except OSError as error:
            raise StoreError(f"{self.folder}: {error.strerror}") from error
        return identity.recipient

    def remove(self, kid: str) -> bool:
        """Destroy one sealed key: what was sealed to it alone is lost for good. Whether it was there."""
        path = self.folder / "reveal" / f"{kid}.json"
        if not kid.isalnum() or not path.exists():
            return False
        with contextlib.suppress(OSError):
            # Best effort on journalled or flash storage; the passphrase is what really protects a left-over copy.
            path.write_bytes(bytes(path.stat().st_size))
        path.unlink()
        return True
