"""Rights to open: recipients and identities (HPKE), signing keys (Ed25519), and the files that keep them.

A recipient is the public half, all that a camera ever holds; an identity is the private half. HPKE is RFC 9180 with
HKDF-SHA256 and AES-256-GCM over DHKEM(X25519), or over the hybrid ML-KEM-768 + X25519 when the key says so.
A key's identifier is the first eight bytes of the SHA-256 of its public bytes, so that none has to be assigned.
"""

import hashlib
import json
import os
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from base.errors import SealError, WireError
from base.files import write_atomically

KID_BYTES = 8
SIGNATURE_BYTES = 64
_X25519_BYTES = 32
_MLKEM_PUBLIC_BYTES, _MLKEM_SEED_BYTES = 1184, 64
# 32 MiB and about a tenth of a second on a small board: a guess costs as much as an unlock.
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**15, 8, 1
_SCRYPT_N_MAX = 2**20


class Kem(Enum):
    """Key encapsulations we speak; the value is the length of an encapsulated key on the wire."""

    X25519 = 32
    MLKEM768_X25519 = 1120

    @property
    def suite(self) -> Suite:
        kem = KEM.X25519 if self is Kem.X25519 else KEM.MLKEM768_X25519
        return Suite(kem, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def expand(key: bytes, info: bytes, size: int) -> bytes:
    """HKDF-Expand with SHA-256 (RFC 5869 2.3): `size` bytes that tell nothing of `key` nor of other `info`."""
    return HKDFExpand(SHA256(), size, info).derive(key)


def key_id(public: bytes) -> bytes:
    """The eight bytes by which a public key is named."""
    return hashlib.sha256(public).digest()[:KID_BYTES]


@dataclass(frozen=True, slots=True)
class Recipient:
    """The public half: the holder of the matching identity can open what is sealed to it.

    `public` is 32 bytes X25519, or 1184 bytes ML-KEM-768 followed by 32 bytes X25519.
    """

    public: bytes
    label: str = ""

    def __post_init__(self) -> None:
        if len(self.public) not in {_X25519_BYTES, _MLKEM_PUBLIC_BYTES + _X25519_BYTES}:
            raise WireError(f"a recipient of {len(self.public)} bytes is neither X25519 nor ML-KEM-768 with X25519")

    @property
    def kid(self) -> bytes:
        return key_id(self.public)

    @property
    def kem(self) -> Kem:
        return Kem.X25519 if len(self.public) == _X25519_BYTES else Kem.MLKEM768_X25519

    def seal(self, plaintext: bytes, info: bytes) -> bytes:
        """Encapsulated key followed by ciphertext and tag.

        Raises:
            SealError: the public key is not a point, or not an encapsulation key.
        """
        try:
            public: Any = X25519PublicKey.from_public_bytes(self.public[-_X25519_BYTES:])
            if self.kem is Kem.MLKEM768_X25519:
                lattice = MLKEM768PublicKey.from_public_bytes(self.public[:_MLKEM_PUBLIC_BYTES])
                public = MLKEM768X25519PublicKey(lattice, public)
            return self.kem.suite.encrypt(plaintext, public, info)
        except ValueError as error:
            raise SealError(f"cannot seal to key {self.kid.hex()}: {error}") from error

    def demand_usable(self) -> None:
        """Raise `SealError` unless something can be sealed to it; the length alone does not say."""
        self.seal(b"", b"")

    def to_json(self) -> dict[str, str]:
        """The form in which a pairing carries it."""
        return {"kid": self.kid.hex(), "public": self.public.hex(), "label": self.label}

    @classmethod
    def from_json(cls, table: Any) -> "Recipient":
        """Read what `to_json` wrote.

        Raises:
            WireError: a field is missing or not hexadecimal, or `kid` is not the identifier of `public`.
        """
        try:
            recipient = cls(bytes.fromhex(table["public"]), str(table.get("label", "")))
            stated = bytes.fromhex(table["kid"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise WireError(f"a recipient wants kid and public in hexadecimal: {error}") from error
        if stated != recipient.kid:
            raise WireError(f"key identifier {stated.hex()} does not belong to this public key ({recipient.kid.hex()})")
        return recipient


@dataclass(frozen=True, slots=True)
class Identity:
    """The private half: 32 bytes X25519, or a 64-byte ML-KEM-768 seed followed by 32 bytes X25519."""

    private: bytes = field(repr=False)
    label: str = ""

    def __post_init__(self) -> None:
        if len(self.private) not in {_X25519_BYTES, _MLKEM_SEED_BYTES + _X25519_BYTES}:
            raise WireError(f"an identity of {len(self.private)} bytes is neither X25519 nor ML-KEM-768 with X25519")

    @classmethod
    def generate(cls, kem: Kem = Kem.X25519, label: str = "") -> "Identity":
        return cls(os.urandom(_X25519_BYTES + (_MLKEM_SEED_BYTES if kem is Kem.MLKEM768_X25519 else 0)), label)

    @property
    def kem(self) -> Kem:
        return Kem.X25519 if len(self.private) == _X25519_BYTES else Kem.MLKEM768_X25519

    @property
    def recipient(self) -> Recipient:
        public = self._x25519().public_key().public_bytes_raw()
        if self.kem is Kem.MLKEM768_X25519:
            public = self._mlkem().public_key().public_bytes_raw() + public
        return Recipient(public, self.label)

    @property
    def kid(self) -> bytes:
        return self.recipient.kid

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """Open what was sealed to our recipient under the same `info`.

        Raises:
            SealError: it was sealed to another recipient, or altered.
        """
        private: Any = self._x25519()
        if self.kem is Kem.MLKEM768_X25519:
            private = MLKEM768X25519PrivateKey(self._mlkem(), private)
        try:
            return self.kem.suite.decrypt(sealed, private, info)
        except (InvalidTag, ValueError) as error:
            raise SealError(f"key {self.kid.hex()} does not open this") from error

    def _x25519(self) -> X25519PrivateKey:
        return X25519PrivateKey.from_private_bytes(self.private[-_X25519_BYTES:])

    def _mlkem(self) -> MLKEM768PrivateKey:
        return MLKEM768PrivateKey.from_seed_bytes(self.private[:_MLKEM_SEED_BYTES])


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A device's Ed25519 private key, 32 bytes."""

    private: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.private) != 32:
            raise WireError(f"an Ed25519 private key has 32 bytes, not {len(self.private)}")

    @classmethod
    def generate(cls) -> "SigningKey":
        return cls(os.urandom(32))

    @property
    def public(self) -> bytes:
        return Ed25519PrivateKey.from_private_bytes(self.private).public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        return Ed25519PrivateKey.from_private_bytes(self.private).sign(message)


def verify(public: bytes, signature: bytes, message: bytes) -> None:
    """Check an Ed25519 signature.

    Raises:
        SealError: it is not this key's signature of this message.
    """
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise SealError(f"not a signature of key {key_id(public).hex()}") from error


def save(path: Path, key: Identity | SigningKey, passphrase: str | None) -> None:
    """Write a key file, readable by its owner only, replacing an older one in one step.

    Args:
        passphrase: seals the private part by scrypt and AES-256-GCM; None leaves it in clear, for a device that
            must start unattended.
    """
    head: dict[str, Any] = {"veilcam_key": 1}
    if isinstance(key, Identity):
        head |= {"kind": "identity", "label": key.label, "public": key.recipient.public.hex()}
    else:
        head |= {"kind": "signing", "public": key.public.hex()}
    if passphrase is None:
        table = head | {"private": key.private.hex()}
    else:
        head |= {"kdf": "scrypt", "n": _SCRYPT_N, "r": _SCRYPT_R, "p": _SCRYPT_P, "salt": os.urandom(16).hex()}
        nonce = os.urandom(12)
        sealed = AESGCM(_derive(head, passphrase)).encrypt(nonce, key.private, _canonical(head))
        table = head | {"nonce": nonce.hex(), "sealed": sealed.hex()}
    write_atomically(path, json.dumps(table, indent=1).encode())


def load_identity(path: Path, passphrase: str | None = None) -> Identity:
    """Read an identity file.

    Raises:
        SealError: the passphrase is wrong or missing, or the file was altered.
        WireError: not an identity file.
    """
    table = _read(path, "identity")
    identity = Identity(_private(table, path, passphrase), str(table.get("label", "")))
    if identity.recipient.public.hex() != table.get("public"):
        raise SealError(f"{path}: public and private part do not belong together")
    return identity


def load_signing_key(path: Path, passphrase: str | None = None) -> SigningKey:
    """Read a signing key file; raises as `load_identity`."""
    table = _read(path, "signing")
    key = SigningKey(_private(table, path, passphrase))
    if key.public.hex() != table.get("public"):
        raise SealError(f"{path}: public and private part do not belong together")
    return key


def load_verifier(path: Path) -> bytes:
    """The public half out of a signing key file; needs no passphrase. Raises WireError when there is none in it."""
    table = _read(path, "signing")
    try:
        public = bytes.fromhex(table["public"])
    except (KeyError, TypeError, ValueError) as error:
        raise WireError(f"{path}: no public key in it") from error
    if len(public) != _X25519_BYTES:
        raise WireError(f"{path}: no public key in it")
    return public


def is_sealed(path: Path) -> bool:
    """Whether the private part of a key file lies under a passphrase. Raises WireError for no key file."""
    try:
        return "private" not in json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError) as error:
        raise WireError(f"{path}: not a key file: {error}") from error


def load_recipient(path: Path) -> Recipient:
    """The public half out of an identity file; needs no passphrase."""
    table = _read(path, "identity")
    try:
        return Recipient(bytes.fromhex(table["public"]), str(table.get("label", "")))
    except (KeyError, TypeError, ValueError) as error:
        raise WireError(f"{path}: no public key in it") from error


def _read(path: Path, kind: str) -> dict[str, Any]:
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WireError(f"{path}: not a key file: {error}") from error
    if not isinstance(table, dict) or table.get("veilcam_key") != 1 or table.get("kind") != kind:
        raise WireError(f"{path}: no {kind} key file of version 1")
    return table


def _private(table: dict[str, Any], path: Path, passphrase: str | None) -> bytes:
    try:
        if "private" in table:
            return bytes.fromhex(table["private"])
        if passphrase is None:
            raise SealError(f"{path}: the key is sealed, a passphrase is needed")
        nonce, sealed = bytes.fromhex(table["nonce"]), bytes.fromhex(table["sealed"])
        head = {name: value for name, value in table.items() if name not in {"nonce", "sealed"}}
        return AESGCM(_derive(head, passphrase)).decrypt(nonce, sealed, _canonical(head))
    except InvalidTag as error:
        raise SealError(f"{path}: wrong passphrase, or the file was altered") from error
    except (KeyError, TypeError, ValueError) as error:
        raise WireError(f"{path}: damaged key file: {error}") from error


def _derive(head: dict[str, Any], passphrase: str) -> bytes:
    n, r, p = int(head["n"]), int(head["r"]), int(head["p"])
    if head["kdf"] != "scrypt" or n > _SCRYPT_N_MAX or r > 32 or p > 16:
        raise ValueError("key derivation out of range")
    return Scrypt(salt=bytes.fromhex(head["salt"]), length=32, n=n, r=r, p=p).derive(passphrase.encode())


def _canonical(head: dict[str, Any]) -> bytes:
    return json.dumps(head, sort_keys=True, separators=(",", ":")).encode()


def first_line(path: Path | None) -> str | None:
    """The first line of a passphrase file; None without one."""
    return None if path is None else path.read_text(encoding="utf-8").splitlines()[0]
