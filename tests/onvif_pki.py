"""Certificates for tests: an authority, what it signs, and DER in the shapes that clients upload."""

import datetime as dt

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12

DER = serialization.Encoding.DER
NOW = dt.datetime.now(dt.UTC)
SOON = NOW + dt.timedelta(days=30)


KEY_USES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


def ecc():
    return ec.generate_private_key(ec.SECP256R1())


def rsa_key(bits=2048):
    return rsa.generate_private_key(65537, bits)


def certificate(name, key, issuer=None, *, ends=SOON, addresses=(), ca=False, sign=hashes.SHA256):
    """A certificate for `key`, signed by itself or by `issuer` (its certificate and key)."""
    by, by_key = issuer or (None, key)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(NOW, ends) - dt.timedelta(days=1))
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by_key.public_key()), critical=False)
    )
    if ca:
        signs = dict.fromkeys(KEY_USES, False) | {"key_cert_sign": True, "crl_sign": True}
        builder = builder.add_extension(x509.KeyUsage(**signs), critical=True)
    if addresses:
        names = [x509.IPAddress(one) for one in addresses]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(by_key, sign())


def authority(name="Test authority"):
    """(certificate, key) of a certification authority."""
    key = ecc()
    return certificate(name, key, ca=True), key


def der(made):
    return made.public_bytes(DER)


def pem(made):
    return made.public_bytes(serialization.Encoding.PEM).decode()


def key_pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def pkcs8(key, passphrase=None):
    protection = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else (
        serialization.NoEncryption())  # fmt: skip
    return key.private_bytes(DER, serialization.PrivateFormat.PKCS8, protection)


def p12(key, made, others, passphrase):
    protection = serialization.BestAvailableEncryption(passphrase.encode())
    return pkcs12.serialize_key_and_certificates(b"server", key, made, others, protection)
