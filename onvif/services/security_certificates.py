"""Certificates, certification paths and validation policies (ONVIF Security Configuration 26.06, 5.2.6.3 ff.)."""

import base64
import datetime as dt
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.name import _ASN1Type
from lxml import etree

from onvif.errors import invalid
from onvif.keystore import Keystore, uploads
from onvif.keystore.algorithms import PrivateKey, signing_hash
from onvif.keystore.state import Policy, StoredCertificate
from onvif.keystore.subjects import subject
from onvif.names import TAS, q
from onvif.service import Call, Reply, operation

_NEVER = dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC)
"""RFC 5280 4.1.2.5: no well-defined expiration date."""
_DER = Encoding.DER
_EARLIEST = dt.datetime(1950, 1, 1, tzinfo=dt.UTC)


class CertificateOperations:
    """The handlers."""

    def __init__(self, keystore: Keystore) -> None:
        self._keys, self._certificates = keystore.keys, keystore.certificates

    @operation("CreatePKCS10CSR")
    async def create_pkcs10_csr(self, call: Call) -> Reply:
        key, hash_ = self._signer(call)
        builder = x509.CertificateSigningRequestBuilder().subject_name(_subject(call))
        try:
            for attribute in call.element.iterfind(q(TAS, "CSRAttribute")):
                builder = _with_attribute(builder, attribute)
            request = builder.sign(key, hash_)
            _ = request.extensions
        except (ValueError, TypeError) as problem:
            raise invalid(f"a CSR attribute cannot be used: {str(problem)[:100]}", "InvalidAttribute") from problem
        return {"PKCS10CSR": request.public_bytes(_DER)}

    @operation("CreateSelfSignedCertificate")
    async def create_self_signed_certificate(self, call: Call) -> Reply:
        requested = call.request
        if requested.X509Version not in {None, 3}:
            raise invalid("only X.509 version 3 is supported", "UnsupportedX509Version")
        key, hash_ = self._signer(call)
        name = _subject(call)
        now = dt.datetime.now(dt.UTC)
        begins, ends = (
            _utc(requested.notValidBefore, now - dt.timedelta(minutes=1)),
            _utc(requested.notValidAfter, _NEVER),
        )
        if begins >= ends:
            raise invalid("the certificate would end before it begins", "InvalidDateTime")
        self._certificates.room()
        try:
            builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), begins, ends)
            for extension in call.element.iterfind(q(TAS, "Extension")):
                builder = builder.add_extension(*_extension(extension))
            made = builder.sign(key, hash_)
            _ = made.extensions
        except (ValueError, TypeError) as problem:
            raise invalid(f"an extension cannot be used: {str(problem)[:100]}", "InvalidAttribute") from problem
        return {"CertificateID": self._certificates.add(made, str(requested.KeyID), str(requested.Alias or ""))}

    @operation("UploadCertificate")
    async def upload_certificate(self, call: Call) -> Reply:
        requested = call.request
        certificate_id, key_id = self._certificates.upload(
            bytes(requested.Certificate or b""), str(requested.Alias or ""), str(requested.KeyAlias or ""),
            private_required=bool(requested.PrivateKeyRequired),
        )  # fmt: skip
        return {"CertificateID": certificate_id, "KeyID": key_id}

    @operation("UploadCertificateWithPrivateKeyInPKCS12")
    async def upload_certificate_with_private_key(self, call: Call) -> Reply:
        requested = call.request
        integrity = self._keys.requested_passphrase(requested.Passphrase, requested.IntegrityPassphraseID)
        encryption = self._keys.requested_passphrase(requested.Passphrase, requested.EncryptionPassphraseID)
        # One passphrase protects both parts of nearly every file; the format's privacy mode of two is not read.
        if None not in {integrity, encryption} and integrity != encryption:
            raise invalid("integrity and encryption have to use one passphrase", "DecryptionFailed")
        pair, certificates = uploads.pkcs12_file(bytes(requested.CertWithPrivateKey or b""), encryption or integrity)
        if requested.IgnoreAdditionalCertificates:
            del certificates[1:]
        path_id, key_id = self._certificates.upload_pkcs12(
            pair, certificates, str(requested.CertificationPathAlias or ""), str(requested.KeyAlias or "")
        )
        return {"CertificationPathID": path_id, "KeyID": key_id}

    @operation("GetCertificate")
    async def get_certificate(self, call: Call) -> Reply:
        return {"Certificate": self._values(self._certificates.get(str(call.request.CertificateID)))}

    @operation("GetAllCertificates")
    async def get_all_certificates(self, _call: Call) -> Reply:
        return {"Certificate": [self._values(found) for found in self._certificates.all()]}

    @operation("DeleteCertificate")
    async def delete_certificate(self, call: Call) -> Reply:
        self._certificates.delete(str(call.request.CertificateID))
        return {}

    @operation("CreateCertificationPath")
    async def create_certification_path(self, call: Call) -> Reply:
        certificates = [str(found) for found in call.request.CertificateIDs.CertificateID]
        return {"CertificationPathID": self._certificates.create_path(certificates, str(call.request.Alias or ""))}

    @operation("GetCertificationPath")
    async def get_certification_path(self, call: Call) -> Reply:
        found = self._certificates.path(str(call.request.CertificationPathID))
        return {"CertificationPath": {"CertificateID": list(found.certificates), "Alias": found.alias}}

    @operation("GetAllCertificationPaths")
    async def get_all_certification_paths(self, _call: Call) -> Reply:
        return {"CertificationPathID": [path.id for path in self._certificates.paths()]}

    @operation("SetCertificationPath")
    async def set_certification_path(self, call: Call) -> Reply:
        wanted = call.request.CertificationPath
        self._certificates.set_path(
            str(call.request.CertificationPathID),
            [str(certificate_id) for certificate_id in wanted.CertificateID],
            str(wanted.Alias or ""),
        )
        return {}

    @operation("DeleteCertificationPath")
    async def delete_certification_path(self, call: Call) -> Reply:
        self._certificates.delete_path(str(call.request.CertificationPathID))
        return {}

    @operation("CreateCertPathValidationPolicy")
    async def create_policy(self, call: Call) -> Reply:
        _check_parameters(call.request.Parameters)
        made = self._certificates.create_policy(_anchors(call.request), str(call.request.Alias or ""))
        return {"CertPathValidationPolicyID": made}

    @operation("GetCertPathValidationPolicy")
    async def get_policy(self, call: Call) -> Reply:
        found = self._certificates.policy(str(call.request.CertPathValidationPolicyID))
        return {"CertPathValidationPolicy": _policy_values(found)}

    @operation("GetAllCertPathValidationPolicies")
    async def get_all_policies(self, _call: Call) -> Reply:
        return {"CertPathValidationPolicy": [_policy_values(found) for found in self._certificates.policies()]}

    @operation("SetCertPathValidationPolicy")
    async def set_policy(self, call: Call) -> Reply:
        wanted = call.request.CertPathValidationPolicy
        _check_parameters(wanted.Parameters)
        self._certificates.set_policy(
            str(call.request.CertPathValidationPolicyID or wanted.CertPathValidationPolicyID), _anchors(wanted),
            str(wanted.Alias or ""),
        )  # fmt: skip
        return {}

    @operation("DeleteCertPathValidationPolicy")
    async def delete_policy(self, call: Call) -> Reply:
        self._certificates.delete_policy(str(call.request.CertPathValidationPolicyID))
        return {}

    def _signer(self, call: Call) -> tuple[PrivateKey, Any]:
        key = self._keys.private(str(call.request.KeyID))
        return key, signing_hash(str(call.request.SignatureAlgorithm.algorithm), key)

    def _values(self, found: StoredCertificate) -> dict[str, Any]:
        return {
            "CertificateID": found.id, "KeyID": found.key_id, "Alias": found.alias,
            "CertificateContent": self._certificates.load(found.id).public_bytes(_DER),
            "HasPrivateKey": bool(self._keys.get(found.key_id).private),
        }  # fmt: skip


def _subject(call: Call) -> x509.Name:
    return subject(call.element.find(q(TAS, "Subject")))


def _utc(given: Any, default: dt.datetime) -> dt.datetime:
    if given is None:
        return default
    if not isinstance(given, dt.datetime):
        raise invalid("a date of the certificate cannot be read", "InvalidDateTime")
    at = given.replace(tzinfo=dt.UTC) if given.tzinfo is None else given
    try:
        at = at.astimezone(dt.UTC)
    except OverflowError as problem:
        raise invalid("a date of the certificate is out of range", "InvalidDateTime") from problem
    if not _EARLIEST <= at <= _NEVER:
        raise invalid("a date of the certificate is out of range", "InvalidDateTime")
    return at


def _base64(element: etree._Element, name: str) -> bytes:
    return base64.b64decode(element.findtext(q(TAS, name)) or "")


def _extension(element: etree._Element) -> tuple[x509.UnrecognizedExtension, bool]:
    oid = x509.ObjectIdentifier((element.findtext(q(TAS, "extnOID")) or "").strip())
    critical = (element.findtext(q(TAS, "critical")) or "false").strip() in {"true", "1"}
    return x509.UnrecognizedExtension(oid, _base64(element, "extnValue")), critical


def _with_attribute(
    builder: x509.CertificateSigningRequestBuilder, element: etree._Element
) -> x509.CertificateSigningRequestBuilder:
    extension = element.find(q(TAS, "X509v3Extension"))
    if extension is not None:
        return builder.add_extension(*_extension(extension))
    basic = element.find(q(TAS, "BasicRequestAttribute"))
    if basic is None:
        raise ValueError("of an unknown kind")
    value = _base64(basic, "value")
    if len(value) < 2 or value[1] != len(value) - 2:
        raise ValueError("its value is no short DER string")
    oid = x509.ObjectIdentifier((basic.findtext(q(TAS, "OID")) or "").strip())
    return builder.add_attribute(oid, value[2:], _tag=_ASN1Type(value[0]))


def _anchors(wanted: Any) -> list[str]:
    return [str(anchor.CertificateID) for anchor in wanted.TrustAnchor]


def _check_parameters(wanted: Any) -> None:
    if wanted is not None and (wanted.UseDeltaCRLs or wanted.RequireTLSWWWClientAuthExtendedKeyUsage):
        raise invalid("delta CRLs and client certificates are not offered", "CertPathValidationParameters")


def _policy_values(found: Policy) -> dict[str, Any]:
    return {
        "CertPathValidationPolicyID": found.id, "Alias": found.alias,
        "Parameters": {"RequireTLSWWWClientAuthExtendedKeyUsage": False, "UseDeltaCRLs": False},
        "TrustAnchor": [{"CertificateID": anchor} for anchor in found.anchors],
    }  # fmt: skip
