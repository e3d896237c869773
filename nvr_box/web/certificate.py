"""A certificate of the box's own: made once, kept, and known to people and cameras by its fingerprint."""

import datetime as dt
import hashlib
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from base.errors import StoreError
from base.files import write_atomically

_VALID_DAYS = 3650
_RENEW_DAYS = 30


@dataclass(frozen=True, slots=True)
class TlsCertificate:
    """What TLS serves. `fingerprint` is the SHA-256 of the DER certificate in hex."""

    fingerprint: str
    context: ssl.SSLContext


def ensure(folder: Path, names: tuple[str, ...]) -> TlsCertificate:
    """The certificate in `folder`, made when there is none or when it is about to end.

    Args:
        folder: holds `page.crt` and `page.key` (mode 0600).
        names: host names and addresses it is made for; a later change keeps the old one, since cameras pin it.

    Raises:
        StoreError: the folder cannot be written, or what lies there is no certificate with its key.
    """
    crt, key = folder / "page.crt", folder / "page.key"
    try:
        if not crt.exists() or _ends_soon(crt):
            folder.mkdir(parents=True, exist_ok=True)
            _make(crt, key, names)
        der = x509.load_pem_x509_certificate(crt.read_bytes()).public_bytes(serialization.Encoding.DER)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(crt, key)
    except (OSError, ValueError) as error:
        raise StoreError(f"the page's certificate in {folder}: {error}") from error
    return TlsCertificate(hashlib.sha256(der).hexdigest(), context)


def _ends_soon(crt: Path) -> bool:
    left = x509.load_pem_x509_certificate(crt.read_bytes()).not_valid_after_utc - dt.datetime.now(dt.UTC)
    return left < dt.timedelta(days=_RENEW_DAYS)


def _make(crt: Path, key: Path, names: tuple[str, ...]) -> None:
    secret = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Veilcam box")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(secret.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))  # clocks of cameras may be behind
        .not_valid_after(now + dt.timedelta(days=_VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        # RFC 5280 4.2.1.1 and 4.2.1.2; Python's default since 3.13 refuses a chain without.
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(secret.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(secret.public_key()), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(secret, hashes.SHA256())
    )
    private = secret.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    # The key first: a certificate without its key would be refused at the next start, a key alone is made again.
    write_atomically(key, private)
    write_atomically(crt, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
