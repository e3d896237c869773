"""The TLS context of a running listener, which follows the keystore without a restart.

TLS 1.2 and newer, AEAD suites with forward secrecy only (ONVIF Security Baseline 25.12).
"""

import ssl
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from base.errors import StoreError
from onvif.keystore.keystore import Keystore

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class ServerTls:
    """What one listener serves with. Event loop only.

    Args:
        keystore: has an assigned path when this is made.

    Raises:
        StoreError: the assigned key or certificate cannot be used.
    """

    def __init__(self, keystore: Keystore) -> None:
        self._keystore = keystore
        self.fingerprint = ""
        """SHA-256 of the DER certificate that clients see, in hexadecimal."""
        self._pem = ("", "")
        self._present = self._fresh()
        self.context = self._present
        """For the listener. Each handshake is moved on to the context of the certificate that is assigned then."""
        self.context.sni_callback = self._choose
        self._limit()
        keystore.listen(self._apply)

    def _apply(self) -> None:
        if self._keystore.server_pem() not in {None, self._pem}:
            self._present = self._fresh()
        self._limit()

    def _fresh(self) -> ssl.SSLContext:
        pem = self._keystore.server_pem()
        if pem is None:
            raise StoreError("no certificate is assigned to the TLS server")
        self._pem = pem
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(_CIPHERS)
        load_chain(context, *pem, self._keystore.folder)
        leaf = x509.load_pem_x509_certificate(pem[0].encode())
        self.fingerprint = leaf.fingerprint(hashes.SHA256()).hex()
        return context

    def _limit(self) -> None:
        # The versions are those of the listener's context; moving on to another one does not change them.
        enabled = [_VERSIONS[version] for version in self._keystore.assignments.versions()]
        self.context.maximum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED
        self.context.minimum_version = min(enabled)
        self.context.maximum_version = max(enabled)

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """Called for every ClientHello, with or without a server name."""
        connection.context = self._present


def load_chain(context: ssl.SSLContext, chain: str, key: str, folder: Path) -> None:
    """Give a context its certificate; by a file of mode 0600 that is gone afterwards, for `ssl` reads files only.

    Raises:
        StoreError: they cannot be used together, or the folder cannot be written.
    """
    try:
        with tempfile.NamedTemporaryFile("w", dir=folder, prefix=".tls-", encoding="ascii") as file:
            file.write(key + chain)
            file.flush()
            context.load_cert_chain(file.name)
    except (OSError, ssl.SSLError, ValueError) as problem:
        raise StoreError(f"the TLS certificate cannot be used: {problem}") from problem
