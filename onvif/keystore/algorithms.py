"""Keys and signatures that the keystore works with (ONVIF Security Baseline 25.12: RSA, P-256 and P-384, SHA-2)."""

from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from onvif.errors import invalid

RSA_BITS = (2048, 3072, 4096)
CURVES: dict[str, type[ec.EllipticCurve]] = {"secp256r1": ec.SECP256R1, "secp384r1": ec.SECP384R1}

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature algorithm by its object identifier (RFC 4055, RFC 5758)."""

    oid: str
    rsa: bool
    hash: type[hashes.SHA256 | hashes.SHA384 | hashes.SHA512]


SIGNATURES = {
    found.oid: found
    for found in (
        Signature("1.2.840.113549.1.1.11", True, hashes.SHA256),
        Signature("1.2.840.113549.1.1.12", True, hashes.SHA384),
        Signature("1.2.840.113549.1.1.13", True, hashes.SHA512),
        Signature("1.2.840.10045.4.3.2", False, hashes.SHA256),
        Signature("1.2.840.10045.4.3.3", False, hashes.SHA384),
        Signature("1.2.840.10045.4.3.4", False, hashes.SHA512),
    )
}


def generate_rsa(bits: int) -> rsa.RSAPrivateKey:
    """Seconds of work; other threads go on meanwhile."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def generate_ecc(curve: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(CURVES[curve]())


def supported(key: object) -> PublicKey:
    """The public key, if it is one that the baseline allows; ter:UnsupportedPublicKeyAlgorithm otherwise."""
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= RSA_BITS[0]:
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in CURVES:
        return key
    curves = ", ".join(CURVES)
    raise invalid(f"RSA of at least {RSA_BITS[0]} bits and {curves} are supported", "UnsupportedPublicKeyAlgorithm")


def signing_hash(oid: str, key: PrivateKey) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512:
    """The hash to sign with.

    Raises:
        Fault: ter:UnsupportedSignatureAlgorithm, ter:KeySignatureAlgorithmMismatch.
    """
    found = SIGNATURES.get(oid)
    if found is None:
        raise invalid(f"the signature algorithm {oid[:60]} is not supported", "UnsupportedSignatureAlgorithm")
    if found.rsa != isinstance(key, rsa.RSAPrivateKey):
        raise invalid(f"the key is not one for the signature algorithm {oid}", "KeySignatureAlgorithmMismatch")
    return found.hash()


def check_signed(certificate: x509.Certificate) -> None:
    """ter:UnsupportedSignatureAlgorithm for a certificate signed by anything but SHA-2 with RSA or ECDSA."""
    oid = certificate.signature_algorithm_oid.dotted_string
    if oid not in SIGNATURES:
        raise invalid(f"the signature algorithm {oid} is not supported", "UnsupportedSignatureAlgorithm")


def public_pem(key: PublicKey) -> str:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def private_pem(key: PrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def certificate_pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
