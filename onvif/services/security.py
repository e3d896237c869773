"""The Security Configuration service: keystore and TLS server (ONVIF Security Configuration 26.06, 5.2 and 5.3)."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from onvif.keystore import Keystore
from onvif.keystore.algorithms import CURVES, RSA_BITS, SIGNATURES
from onvif.keystore.assignments import MOST_ASSIGNED
from onvif.keystore.certificates import MOST_CERTIFICATES, MOST_PATHS, MOST_POLICIES
from onvif.keystore.keys import MOST_KEYS, MOST_PASSPHRASES
from onvif.keystore.state import TLS_VERSIONS
from onvif.names import TAS
from onvif.service import Call, Reply, Service, operation, service
from onvif.services.security_certificates import CertificateOperations
from onvif.services.security_keys import KeyOperations

PATH = "/onvif/advanced_security"


class TlsServerOperations:
    """The handlers of the TLS server.

    Args:
        serving: whether HTTPS is on at this moment.
    """

    def __init__(self, keystore: Keystore, serving: Callable[[], bool]) -> None:
        self._assignments, self._serving = keystore.assignments, serving

    @operation("AddServerCertificateAssignment")
    async def add_server_certificate_assignment(self, call: Call) -> Reply:
        self._assignments.add(str(call.request.CertificationPathID))
        return {}

    @operation("RemoveServerCertificateAssignment")
    async def remove_server_certificate_assignment(self, call: Call) -> Reply:
        self._assignments.remove(str(call.request.CertificationPathID), serving=self._serving())
        return {}

    @operation("ReplaceServerCertificateAssignment")
    async def replace_server_certificate_assignment(self, call: Call) -> Reply:
        self._assignments.replace(str(call.request.OldCertificationPathID), str(call.request.NewCertificationPathID))
        return {}

    @operation("GetAssignedServerCertificates")
    async def get_assigned_server_certificates(self, _call: Call) -> Reply:
        return {"CertificationPathID": list(self._assignments.all())}

    @operation("SetEnabledTLSVersions")
    async def set_enabled_tls_versions(self, call: Call) -> Reply:
        self._assignments.set_versions([str(version) for version in call.request.Versions or ()])
        return {}

    @operation("GetEnabledTLSVersions")
    async def get_enabled_tls_versions(self, _call: Call) -> Reply:
        return {"Versions": list(self._assignments.versions())}


def security_service(keystore: Keystore, serving: Callable[[], bool]) -> Service:
    """The service over one keystore; `serving` as `TlsServerOperations` has it."""
    parts = (KeyOperations(keystore), CertificateOperations(keystore), TlsServerOperations(keystore, serving))
    return service(parts, TAS, path=PATH, capabilities=capabilities)


def capabilities() -> Mapping[str, Any]:
    """tas:Capabilities."""
    return {
        "KeystoreCapabilities": {
            "SignatureAlgorithms": [{"algorithm": oid} for oid in SIGNATURES],
            "MaximumNumberOfKeys": MOST_KEYS, "MaximumNumberOfCertificates": MOST_CERTIFICATES,
            "MaximumNumberOfCertificationPaths": MOST_PATHS, "SetCertPath": True,
            "RSAKeyPairGeneration": True, "ECCKeyPairGeneration": True, "KeyPairGeneration": ["RSA", "ECC"],
            "RSAKeyLengths": list(RSA_BITS), "EllipticCurves": list(CURVES),
            "PKCS10ExternalCertificationWithRSA": True, "PKCS10": True,
            "SelfSignedCertificateCreationWithRSA": True, "SelfSignedCertificateCreation": True,
            "X509Versions": [3], "MaximumNumberOfPassphrases": MOST_PASSPHRASES,
            "PKCS8RSAKeyPairUpload": True, "PKCS8": True,
            "PKCS12CertificateWithRSAPrivateKeyUpload": True, "PKCS12": True,
            "PasswordBasedEncryptionAlgorithms": ["PBES2", "pbeWithSHAAnd3-KeyTripleDES-CBC"],
            "PasswordBasedMACAlgorithms": ["hmacWithSHA256", "hmacWithSHA1"],
            "MaximumNumberOfCRLs": 0, "MaximumNumberOfCertificationPathValidationPolicies": MOST_POLICIES,
            "EnforceTLSWebClientAuthExtKeyUsage": False, "NoPrivateKeySharing": False,
        },
        "TLSServerCapabilities": {
            "TLSServerSupported": list(TLS_VERSIONS), "EnabledVersionsSupported": True,
            "MaximumNumberOfTLSCertificationPaths": MOST_ASSIGNED, "SetupDuration": timedelta(seconds=1),
            "TLSClientAuthSupported": False, "CnMapsToUserSupported": False,
            "MaximumNumberOfTLSCertificationPathValidationPolicies": 0,
        },
    }  # fmt: skip
