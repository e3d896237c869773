"""PKCS #8 and PKCS #12 uploads: DER from outside → keys and certificates, or the fault that the service names.

RFC 5958, RFC 7292; ONVIF Security Configuration 26.06, UploadKeyPairInPKCS8, UploadCertificateWithPrivateKeyInPKCS12.
"""

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key, pkcs12

from onvif.errors import invalid
from onvif.keystore.algorithms import PrivateKey, check_signed, supported

_SEQUENCE = 0x30
_ENCRYPTED_FIRST = 0x30
"""EncryptedPrivateKeyInfo begins with an AlgorithmIdentifier, OneAsymmetricKey with its version (an INTEGER)."""


def pkcs8(der: bytes, passphrase: str | None) -> PrivateKey:
    """The key pair of a PKCS #8 structure.

    Raises:
        Fault: ter:DecryptionFailed, ter:BadPKCS8File, ter:UnsupportedPublicKeyAlgorithm.
    """
    if passphrase is not None and not _looks_encrypted(der):
        raise invalid("a passphrase was given, but the key pair is not encrypted", "BadPKCS8File")
    try:
        key = load_der_private_key(der, passphrase.encode() if passphrase is not None else None)
    except UnsupportedAlgorithm as problem:
        raise invalid(f"the key pair cannot be read: {problem}", "UnsupportedPublicKeyAlgorithm") from problem
    except (ValueError, TypeError) as problem:
        if _looks_encrypted(der):
            raise invalid("the key pair cannot be decrypted with that passphrase", "DecryptionFailed") from problem
        raise invalid("this is no PKCS #8 key pair in DER", "BadPKCS8File") from problem
    return _private(key)


def pkcs12_file(der: bytes, passphrase: str | None) -> tuple[PrivateKey, list[x509.Certificate]]:
    """The key pair and the certificates of a PKCS #12 file, the key's own certificate first.

    Raises:
        Fault: ter:DecryptionFailed, ter:BadPKCS12File, ter:PublicPrivateKeyMismatch and those of keys and signatures.
    """
    try:
        found = pkcs12.load_pkcs12(der, passphrase.encode() if passphrase is not None else None)
    except UnsupportedAlgorithm as problem:
        raise invalid(f"the PKCS #12 file cannot be read: {problem}", "BadPKCS12File") from problem
    except (ValueError, TypeError) as problem:
        if der[:1] == bytes([_SEQUENCE]) and "password" in str(problem).lower():
            raise invalid("the PKCS #12 file cannot be opened with that passphrase", "DecryptionFailed") from problem
        raise invalid("this is no PKCS #12 file", "BadPKCS12File") from problem
    key = found.key
    others = [certificate.certificate for certificate in found.additional_certs]
    if key is None or (found.cert is None and not others):
        raise invalid("the PKCS #12 file needs a key pair and a certificate", "BadPKCS12File")
    if found.cert is None:
        raise invalid("no certificate of the PKCS #12 file is that of its key pair", "PublicPrivateKeyMismatch")
    private = _private(key)
    certificates = [found.cert.certificate, *others]
    for certificate in certificates:
        check(certificate)
    return private, certificates


def certificate(der: bytes) -> x509.Certificate:
    """One DER certificate, whatever its dates.

    Raises:
        Fault: ter:BadCertificate, ter:UnsupportedPublicKeyAlgorithm, ter:UnsupportedSignatureAlgorithm.
    """
    try:
        found = x509.load_der_x509_certificate(der)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension) as problem:
        raise invalid(f"this is no X.509 certificate in DER: {str(problem)[:100]}", "BadCertificate") from problem
    check(found)
    return found


def check(found: x509.Certificate) -> None:
    """Whether this keystore can use a certificate: version, key, signature, extensions."""
    try:
        version = found.version
        _ = found.extensions
        key = found.public_key()
    except UnsupportedAlgorithm as problem:
        raise invalid(f"the certificate's key: {problem}", "UnsupportedPublicKeyAlgorithm") from problem
    except (ValueError, x509.InvalidVersion, x509.DuplicateExtension) as problem:
        raise invalid(f"the certificate cannot be read: {str(problem)[:100]}", "BadCertificate") from problem
    if version is not x509.Version.v3:
        raise invalid("only X.509 version 3 is supported", "BadCertificate")
    supported(key)
    check_signed(found)


def _private(key: object) -> PrivateKey:
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise invalid("only RSA and ECC key pairs are supported", "UnsupportedPublicKeyAlgorithm")
    supported(key.public_key())
    return key


def _looks_encrypted(der: bytes) -> bool:
    if len(der) < 6 or der[0] != _SEQUENCE:
        return False
    header = 2 + (der[1] & 0x7F if der[1] & 0x80 else 0)
    return der[header : header + 1] == bytes([_ENCRYPTED_FIRST])
