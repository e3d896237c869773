"""TLS for a device's web services: a certificate of its own, made when there is none (ONVIF Security baseline 25.12).

ECDSA on P-256, TLS 1.2 and newer, AEAD suites only. The key stays in the state folder with mode 0600.
"""

import datetime as dt
import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from onvif.errors import StateError
from onvif.store import write_atomically

_YEARS = dt.timedelta(days=10 * 365)
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


@dataclass(frozen=True, slots=True)
class ServerTls:
    """A context to serve with, and what a person compares: SHA-256 of the DER certificate, hex."""

    context: ssl.SSLContext
    fingerprint: str


def server_tls(folder: Path, name: str, addresses: Sequence[str]) -> ServerTls:
    """The device's own certificate and key out of `folder`, made when missing.

    Args:
        name: common name and DNS name.
        addresses: IP addresses that the certificate names as well.

    Raises:
        StateError: the files cannot be read, written or understood.
    """
    key, certificate = folder / "server.key", folder / "server.crt"
    if not (key.exists() and certificate.exists()):
        _make(key, certificate, name, addresses)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    try:
        context.load_cert_chain(certificate, key)
        der = ssl.PEM_cert_to_DER_cert(certificate.read_text(encoding="ascii"))
    except (OSError, ssl.SSLError, ValueError) as problem:
        raise StateError(f"{certificate} and its key cannot be used: {problem}") from problem
    digest = hashes.Hash(hashes.SHA256())
    digest.update(der)
    return ServerTls(context, digest.finalize().hex())


def _make(key_path: Path, certificate_path: Path, name: str, addresses: Sequence[str]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    named: list[x509.GeneralName] = [x509.DNSName(name), x509.DNSName("localhost")]
    named += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + _YEARS)
        .add_extension(x509.SubjectAlternativeName(named), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_atomically(key_path, private)
    write_atomically(certificate_path, certificate.public_bytes(serialization.Encoding.PEM))
