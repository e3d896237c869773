"""The keystore put together, and the device's own certificate in it."""

import datetime as dt
import ipaddress
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from base.settings_file import Stored
from onvif.errors import invalid
from onvif.events.bus import Bus
from onvif.events.settings_damage import publish_damage
from onvif.events.topics import KEY_STATUS
from onvif.keystore.algorithms import PrivateKey, generate_ecc, private_pem
from onvif.keystore.assignments import Assignments
from onvif.keystore.certificates import Certificates
from onvif.keystore.keys import KeyPairs
from onvif.keystore.state import KeystoreState

OWN = "made by the device"
"""Alias of the key, certificate and path that a device makes when HTTPS is on and nothing was assigned."""
_OWN_LIFE = dt.timedelta(days=10 * 365)
_RENEW_BEFORE = dt.timedelta(days=30)


class Keystore:
    """One device's keystore; event loop only.

    Args:
        folder: of the device's state; `keystore.json` in it has mode 0600.
        bus: where key status events are said.
    """

    def __init__(self, folder: Path, bus: Bus) -> None:
        self._stored = Stored(folder / "keystore.json", KeystoreState())
        publish_damage(bus, self._stored)
        self.folder = folder
        self._bus = bus
        self.keys = KeyPairs(self._stored, self._notify)
        self.certificates = Certificates(self._stored, self.keys)
        self.assignments = Assignments(self._stored, self.certificates)

    def listen(self, listener: Callable[[], None]) -> None:
        """Called after each change, on the event loop."""
        self._stored.listen(lambda _old, _new: listener())

    def reset(self) -> None:
        """Forget everything; a hard factory default. Identifiers go on counting."""
        self._stored.reset(next_number=self._stored.value.next_number)

    def server_pem(self) -> tuple[str, str] | None:
        """(chain, private key) that the TLS server presents, in PEM; None while nothing is assigned."""
        assigned = self.assignments.all()
        return self.path_pem(assigned[-1]) if assigned else None

    def path_pem(self, path_id: str) -> tuple[str, str]:
        """(chain, private key) of a path whose first certificate has its private key here."""
        found = [self.certificates.get(certificate) for certificate in self.certificates.path(path_id).certificates]
        return "".join(certificate.pem for certificate in found), private_pem(self.keys.private(found[0].key_id))

    def certificate_pem(self, certificate_id: str) -> tuple[str, str]:
        """(certificate, private key) of a certificate that has its private key here; for a TLS client.

        Raises:
            Fault: ter:CertificateID when there is none such.
        """
        found = self.certificates.get(certificate_id)
        if not self.keys.get(found.key_id).private:
            raise invalid(f"the certificate {certificate_id} has no private key here", "CertificateID")
        return found.pem, private_pem(self.keys.private(found.key_id))

    def trusted_pem(self, policy_id: str) -> str:
        """The trust anchors of a validation policy in PEM."""
        return "".join(self.certificates.get(anchor).pem for anchor in self.certificates.policy(policy_id).anchors)

    def ensure_own(self, name: str, addresses: Sequence[str]) -> None:
        """Assign a certificate of the device's own when nothing is assigned, or when the own one is about to end.

        Args:
            name: common name and DNS name.
            addresses: IP addresses that the certificate names as well.
        """
        assigned = self.assignments.all()
        if assigned and not self._own_ends(assigned[-1]):
            return
        key = generate_ecc("secp256r1")
        owner = self.keys.add(key, OWN, external=False)
        made = self.certificates.add(own_certificate(key, name, addresses), owner.id, OWN)
        path = self.certificates.create_path([made], OWN)
        if assigned:
            self.assignments.replace(assigned[-1], path)
        else:
            self.assignments.add(path)

    def _own_ends(self, path_id: str) -> bool:
        path = self.certificates.path(path_id)
        leaf = self.certificates.load(path.certificates[0])
        return path.alias == OWN and leaf.not_valid_after_utc - dt.datetime.now(dt.UTC) < _RENEW_BEFORE

    def _notify(self, key_id: str, old: str, new: str) -> None:
        data = {"OldStatus": old, "NewStatus": new} if old else {"NewStatus": new}
        self._bus.publish(KEY_STATUS.path, {"KeyID": key_id}, data)


def own_certificate(key: PrivateKey, name: str, addresses: Sequence[str]) -> x509.Certificate:
    """A self-signed server certificate that browsers accept once they trust it."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    now = dt.datetime.now(dt.UTC)
    named: list[x509.GeneralName] = [x509.DNSName(name), x509.DNSName("localhost")]
    named += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # A camera without a battery-backed clock may start in the past.
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + _OWN_LIFE)
        .add_extension(x509.SubjectAlternativeName(named), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        # RFC 5280 4.2.1.1 and 4.2.1.2; Python's default since 3.13 refuses a chain without.
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
