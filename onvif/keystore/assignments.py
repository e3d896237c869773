"""Which certification paths the TLS server presents, and which versions of TLS it speaks (26.06, 5.3)."""

from collections.abc import Sequence

from base.settings_file import Stored
from onvif.errors import impossible, invalid
from onvif.keystore.certificates import Certificates
from onvif.keystore.state import TLS_VERSIONS, KeystoreState, Path

MOST_ASSIGNED = 4


class Assignments:
    """Event loop only."""

    def __init__(self, stored: Stored[KeystoreState], certificates: Certificates) -> None:
        self._stored, self._certificates = stored, certificates

    def all(self) -> tuple[str, ...]:
        return self._stored.value.assigned

    def add(self, path_id: str) -> None:
        """Present this path from now on; the newest one is what a client sees."""
        self._with_key(self._certificates.path(path_id))
        assigned = self.all()
        if path_id in assigned:
            return
        if len(assigned) >= MOST_ASSIGNED:
            raise impossible(f"at most {MOST_ASSIGNED} paths can be assigned",
                             "MaximumNumberOfTLSCertificationPathsReached")  # fmt: skip
        self._stored.change(assigned=(*assigned, path_id))

    def remove(self, path_id: str, *, serving: bool) -> None:
        """Args: serving: whether the TLS server is enabled, which keeps every assignment."""
        self._assigned(path_id)
        if serving:
            raise invalid("HTTPS is on; replace the certificate instead, or switch HTTPS off", "ReferenceExists")
        self._stored.change(assigned=tuple(kept for kept in self.all() if kept != path_id))

    def replace(self, old_id: str, new_id: str) -> None:
        self._assigned(old_id)
        self._with_key(self._certificates.path(new_id, "NewCertificationPathID"))
        self._stored.change(assigned=tuple(dict.fromkeys(new_id if kept == old_id else kept for kept in self.all())))

    def versions(self) -> tuple[str, ...]:
        return self._stored.value.versions

    def set_versions(self, versions: Sequence[str]) -> None:
        if not versions:
            raise invalid("at least one version of TLS has to stay", "EmptyList")
        for version in versions:
            if version not in TLS_VERSIONS:
                raise invalid(f"TLS {version[:16]!r} is not offered; {', '.join(TLS_VERSIONS)} are", "TLSVersion")
        self._stored.change(versions=tuple(version for version in TLS_VERSIONS if version in versions))

    def _assigned(self, path_id: str) -> None:
        if path_id not in self.all():
            raise invalid(f"the certification path {path_id[:64]!r} is not assigned", "OldCertificationPathID")

    def _with_key(self, path: Path) -> None:
        if not self._certificates.has_private_key(path):
            raise invalid("the first certificate of the path has no private key here", "NoPrivateKey")
