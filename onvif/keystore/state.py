"""What a keystore remembers: one section of the settings (`base.settings_file`), mode 0600: it holds private keys.

Identifiers are made here and never used twice; aliases are the client's own words.
"""

from dataclasses import dataclass

TLS_VERSIONS = ("1.2", "1.3")
"""What the TLS server can speak; nothing older (ONVIF Security Baseline 25.12)."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key pair.

    Args:
        public: PEM SubjectPublicKeyInfo; empty until the pair is generated.
        private: PEM PKCS#8; empty when only the public key is known.
        status: `ok`, `generating` or `corrupt` (5.2.5).
        external: made elsewhere and uploaded.
    """

    id: str
    public: str = ""
    private: str = ""
    alias: str = ""
    status: str = "ok"
    external: bool = False


@dataclass(frozen=True, slots=True)
class StoredCertificate:
    """A certificate (PEM) and the key pair that it certifies."""

    id: str
    key_id: str
    pem: str
    alias: str = ""


@dataclass(frozen=True, slots=True)
class Path:
    """A certification path: certificate identifiers, the leaf first."""

    id: str
    certificates: tuple[str, ...]
    alias: str = ""


@dataclass(frozen=True, slots=True)
class Passphrase:
    id: str
    text: str
    alias: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """A certification path validation policy: the certificates that are trusted."""

    id: str
    anchors: tuple[str, ...]
    alias: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeystoreState:
    keys: tuple[Key, ...] = ()
    certificates: tuple[StoredCertificate, ...] = ()
    paths: tuple[Path, ...] = ()
    passphrases: tuple[Passphrase, ...] = ()
    policies: tuple[Policy, ...] = ()
    assigned: tuple[str, ...] = ()
    """Paths that the TLS server may present, the newest last."""
    versions: tuple[str, ...] = TLS_VERSIONS
    next_number: int = 1
    """Number in the next identifier of any kind."""
