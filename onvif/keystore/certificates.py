"""Certificates, certification paths and validation policies of a keystore (Security Configuration 26.06, 5.2.6)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from base.settings_file import Stored
from onvif.errors import impossible, invalid
from onvif.keystore import uploads
from onvif.keystore.algorithms import PrivateKey, certificate_pem, supported
from onvif.keystore.keys import LONGEST_ALIAS, KeyPairs
from onvif.keystore.state import KeystoreState, Path, Policy, StoredCertificate

MOST_CERTIFICATES = 32
MOST_PATHS = 8
MOST_POLICIES = 4
LONGEST_PATH = 8


class Certificates:
    """Event loop only."""

    def __init__(self, stored: Stored[KeystoreState], keys: KeyPairs) -> None:
        self._stored, self._keys = stored, keys
        self._holders: list[Callable[[str], bool]] = []

    def all(self) -> tuple[StoredCertificate, ...]:
        return self._stored.value.certificates

    def get(self, certificate_id: str) -> StoredCertificate:
        for found in self.all():
            if found.id == certificate_id:
                return found
        raise invalid(f"there is no certificate {certificate_id[:64]!r}", "CertificateID")

    def load(self, certificate_id: str) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.get(certificate_id).pem.encode())

    def add(self, certificate: x509.Certificate, key_id: str, alias: str) -> str:
        """Keep a certificate of that key; its identifier, the old one when the very same is kept already."""
        state, pem = self._stored.value, certificate_pem(certificate)
        for known in state.certificates:
            if known.pem == pem:
                return known.id
        self.room()
        made = StoredCertificate(f"certificate-{state.next_number}", key_id, pem, alias[:LONGEST_ALIAS])
        self._stored.change(certificates=(*state.certificates, made), next_number=state.next_number + 1)
        return made.id

    def upload(self, der: bytes, alias: str, key_alias: str, *, private_required: bool) -> tuple[str, str]:
        """Keep an uploaded certificate and its public key; (certificate identifier, key identifier)."""
        certificate = uploads.certificate(der)
        pem = certificate_pem(certificate)
        if any(known.pem == pem for known in self.all()):
            raise invalid("this certificate is kept already", "Duplicate")
        public = supported(certificate.public_key())
        key = self._keys.of(public)
        if private_required and (key is None or not key.private):
            raise impossible("the keystore has no private key for this certificate", "NoMatchingPrivateKey")
        if key is not None and key.status != "ok":
            raise invalid(f"the key {key.id} is {key.status}", "InvalidKeyStatus")
        self.room()
        key = self._keys.add_public(public, key_alias)
        return self.add(certificate, key.id, alias), key.id

    def upload_pkcs12(
        self, private: PrivateKey, certificates: Sequence[x509.Certificate], path_alias: str, key_alias: str
    ) -> tuple[str, str]:
        """Keep the pair, its certificates and the path that they make, or nothing; (path, key) identifiers."""
        check_path(certificates)
        self.room(len(certificates))
        self._room_for_path()
        new = [found for found in certificates if self._keys.of(supported(found.public_key())) is None]
        self._keys.room(len(new))
        key = self._keys.add(private, key_alias, external=True)
        kept = []
        for found in certificates:
            owner = self._keys.add_public(supported(found.public_key()), "")
            kept.append(self.add(found, owner.id, ""))
        return self.create_path(kept, path_alias), key.id

    def room(self, more: int = 1) -> None:
        if len(self.all()) + more > MOST_CERTIFICATES:
            raise impossible(
                f"the keystore holds at most {MOST_CERTIFICATES} certificates", "MaximumNumberOfCertificatesReached"
            )

    def delete(self, certificate_id: str) -> None:
        self.get(certificate_id)
        state = self._stored.value
        in_paths = any(certificate_id in path.certificates for path in state.paths)
        if in_paths or any(certificate_id in policy.anchors for policy in state.policies) or self._held(certificate_id):
            raise invalid(f"the certificate {certificate_id} is in use", "ReferenceExists")
        self._stored.change(certificates=tuple(kept for kept in self.all() if kept.id != certificate_id))

    def paths(self) -> tuple[Path, ...]:
        return self._stored.value.paths

    def path(self, path_id: str, fault: str = "CertificationPathID") -> Path:
        for found in self.paths():
            if found.id == path_id:
                return found
        raise invalid(f"there is no certification path {path_id[:64]!r}", fault)

    def create_path(self, certificate_ids: Sequence[str], alias: str) -> str:
        check_path([self.load(found) for found in certificate_ids])
        self._room_for_path()
        state = self._stored.value
        made = Path(f"path-{state.next_number}", tuple(certificate_ids), alias[:LONGEST_ALIAS])
        self._stored.change(paths=(*state.paths, made), next_number=state.next_number + 1)
        return made.id

    def set_path(self, path_id: str, certificate_ids: Sequence[str], alias: str) -> None:
        changed = replace(self.path(path_id), certificates=tuple(certificate_ids), alias=alias[:LONGEST_ALIAS])
        check_path([self.load(found) for found in certificate_ids])
        if path_id in self._stored.value.assigned and not self.has_private_key(changed):
            raise invalid("the TLS server uses this path; its first certificate needs a private key",
                          "InvalidCertificationPath")  # fmt: skip
        self._stored.change(paths=tuple(changed if kept.id == path_id else kept for kept in self.paths()))

    def delete_path(self, path_id: str) -> None:
        self.path(path_id)
        if path_id in self._stored.value.assigned:
            raise invalid(f"the TLS server uses the certification path {path_id}", "ReferenceExists")
        self._stored.change(paths=tuple(kept for kept in self.paths() if kept.id != path_id))

    def has_private_key(self, path: Path) -> bool:
        return bool(self._keys.get(self.get(path.certificates[0]).key_id).private)

    def policies(self) -> tuple[Policy, ...]:
        return self._stored.value.policies

    def policy(self, policy_id: str) -> Policy:
        for found in self.policies():
            if found.id == policy_id:
                return found
        raise invalid(f"there is no validation policy {policy_id[:64]!r}", "CertPathValidationPolicyID")

    def create_policy(self, anchors: Sequence[str], alias: str) -> str:
        if len(self.policies()) >= MOST_POLICIES:
            raise impossible(
                f"at most {MOST_POLICIES} validation policies are kept",
                "MaximumNumberOfCertificationPathValidationPoliciesReached",
            )
        state = self._stored.value
        made = Policy(f"policy-{state.next_number}", self._anchors(anchors), alias[:LONGEST_ALIAS])
        self._stored.change(policies=(*state.policies, made), next_number=state.next_number + 1)
        return made.id

    def set_policy(self, policy_id: str, anchors: Sequence[str], alias: str) -> None:
        changed = replace(self.policy(policy_id), anchors=self._anchors(anchors), alias=alias[:LONGEST_ALIAS])
        if self._held(policy_id):
            raise invalid(f"the validation policy {policy_id} is in use", "ReferenceExists")
        self._stored.change(policies=tuple(changed if kept.id == policy_id else kept for kept in self.policies()))

    def delete_policy(self, policy_id: str) -> None:
        self.policy(policy_id)
        if self._held(policy_id):
            raise invalid(f"the validation policy {policy_id} is in use", "ReferenceExists")
        self._stored.change(policies=tuple(kept for kept in self.policies() if kept.id != policy_id))

    def held_by(self, holder: Callable[[str], bool]) -> None:
        """A user of policies and certificates (event brokers) says whether it needs the one with this identifier."""
        self._holders.append(holder)

    def _held(self, identifier: str) -> bool:
        return any(holder(identifier) for holder in self._holders)

    def _anchors(self, certificate_ids: Sequence[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.get(found).id for found in certificate_ids))

    def _room_for_path(self) -> None:
        if len(self.paths()) >= MOST_PATHS:
            raise impossible(f"at most {MOST_PATHS} certification paths are kept",
                             "MaximumNumberOfCertificationPathsReached")  # fmt: skip


def check_path(certificates: Sequence[x509.Certificate]) -> None:
    """ter:InvalidCertificationPath unless each certificate is signed by the one behind it."""
    if not 0 < len(certificates) <= LONGEST_PATH:
        raise invalid(f"a certification path has 1 to {LONGEST_PATH} certificates", "InvalidCertificationPath")
    for number, (certificate, issuer) in enumerate(pairwise(certificates)):
        try:
            certificate.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature) as problem:
            raise invalid(f"certificate {number + 1} of the path is not signed by the next one",
                          "InvalidCertificationPath") from problem  # fmt: skip
