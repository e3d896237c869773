"""RTSP and RTSPS of the live streams, and the certificate that HTTPS and they share."""

import logging
import ssl
from collections.abc import Callable

from onvif.keystore import Keystore
from onvif.keystore.serving import ServerTls
from onvif.rtsp.serve import RtspServer

log = logging.getLogger(__name__)


class LiveRtspPorts:
    """`onvif.device.ports.RtspPorts` over the server of the live streams. Event loop only.

    Args:
        rtsp: started already, on the operator's port.
        secure_port: of RTSPS; 0 takes a free one.
        own_certificate: makes sure that the keystore has a certificate to serve with.
    """

    def __init__(
        self, rtsp: RtspServer, secure_port: int, keystore: Keystore, own_certificate: Callable[[], None]
    ) -> None:
        self._rtsp, self._secure_port, self._keystore = rtsp, secure_port, keystore
        self._own_certificate = own_certificate
        self._on, self._https = True, False
        self.tls: ServerTls | None = None
        """What every TLS listener of the camera serves with; None until one was wanted."""

    @property
    def port(self) -> int:
        """Of RTSP."""
        return self._rtsp.port

    async def apply(self, *, enabled: bool, port: int) -> None:
        """See RtspPorts."""
        if enabled and self._on and port in {0, self._rtsp.port}:
            return
        self._rtsp.listen(port if enabled else 0)
        self._on = enabled

    async def apply_secure(self, *, https: bool) -> None:
        """See RtspPorts."""
        self._https = https
        self._serve_secure()

    def context(self) -> ssl.SSLContext:
        """For HTTPS. Raises StoreError when the keystore cannot keep a certificate."""
        if self.tls is None:
            self._own_certificate()
            self.tls = ServerTls(self._keystore)
            self._keystore.listen(self._certificate_changed)
            log.info("HTTPS certificate SHA-256 %s", self.tls.fingerprint)
        elif not self._keystore.assignments.all():
            self._own_certificate()
        return self.tls.context

    def _certificate_changed(self) -> None:
        try:
            self._serve_secure()
        except OSError as problem:
            log.error("RTSPS cannot be served: %s", problem)  # noqa: TRY400 - an operator's sentence

    def _serve_secure(self) -> None:
        """Not where TLS 1.2 was switched off, for the versions of RTSPS cannot be limited."""
        pem = self._keystore.server_pem()
        if not self._https or pem is None or "1.2" not in self._keystore.assignments.versions():
            self._rtsp.end_tls()
            return
        self._rtsp.serve_tls(self._secure_port, "".join(pem))
