"""The ports that a camera listens on: what SetNetworkProtocols asks for, or else what `camera.toml` says.

HTTP and HTTPS are one application on two listeners. Each port is opened, closed and moved while the camera runs; a
request in progress, the one that moves the port included, is answered on the connection it came by.
"""

import logging
import ssl
from collections.abc import Callable

from aiohttp import web

from base.errors import HostError, StoreError
from base.settings_file import Stored
from firmware.config import Camera as CameraConfig
from onvif.device_state import DeviceState
from onvif.keystore import Keystore
from onvif.keystore.serving import ServerTls
from onvif.listener import Listener, can_listen
from onvif.rtsp.serve import Server

HTTPS_PORT = 443
"""Shown while HTTPS is off and no port was chosen."""
log = logging.getLogger(__name__)


class Ports:
    """Event loop only.

    Args:
        own_certificate: makes sure that the keystore has a certificate to serve with.
        rtsp: of the live streams.
    """

    def __init__(
        self, config: CameraConfig, device: Stored[DeviceState], keystore: Keystore, *,
        own_certificate: Callable[[], None], rtsp: Server,
    ) -> None:  # fmt: skip
        self._config, self._device, self._keystore = config, device, keystore
        self._own_certificate, self._rtsp = own_certificate, rtsp
        self._rtsp_on = True
        self._http: Listener | None = None
        self._https: Listener | None = None
        self.tls: ServerTls | None = None
        """What every TLS listener of the camera serves with; None until one was wanted."""

    @property
    def http(self) -> int:
        """The port of HTTP, 0 while it is off."""
        return self._http.port if self._http is not None else 0

    @property
    def https(self) -> int:
        """The port of HTTPS, 0 while it is off."""
        return self._https.port if self._https is not None else 0

    def wanted(self) -> dict[str, tuple[bool, int]]:
        """(enabled, port) by protocol; port 0 leaves the choice to the camera."""
        config = self._config
        chosen = {
            "HTTP": (True, config.web_port), "HTTPS": (config.https, config.https_port),
            "RTSP": (True, config.rtsp_port),
        }  # fmt: skip
        chosen |= {found.name: (found.enabled, found.ports[0]) for found in self._device.value.protocols}
        return chosen

    def shown(self) -> dict[str, tuple[bool, tuple[int, ...]]]:
        """What GetNetworkProtocols tells: the chosen ports, and the bound ones where none was chosen."""
        bound = {"HTTP": self.http, "HTTPS": self.https or HTTPS_PORT, "RTSP": self._rtsp.port}
        return {name: (enabled, (port or bound[name],)) for name, (enabled, port) in self.wanted().items()}

    def free(self, port: int) -> bool:
        """Whether a port is ours already or could be had."""
        return port in {self.http, self.https, self._rtsp.port} or can_listen(self._config.address, port)

    async def start(self, runner: web.AppRunner) -> None:
        """Open what is wanted.

        Raises:
            HostError: neither HTTP nor HTTPS can be served, so nobody could reach the camera.
        """
        self._http, self._https = Listener(runner, self._config.address), Listener(runner, self._config.address)
        await self.follow()
        if not self.http and not self.https:
            # A port that a client chose may be taken by now; the operator's own is the way back in.
            try:
                await self._http.open(self._config.web_port)
            except OSError as error:
                raise HostError(
                    f"camera {self._config.name}: web_port {self._config.web_port} cannot be listened on: {error}"
                ) from error

    async def follow(self) -> None:
        """Listen as wanted now; what cannot be had is logged, and the rest goes on."""
        wanted = self.wanted()
        # What is opened comes first: a camera is never without a way in.
        for on in (True, False):
            await self._web("HTTPS", self._https, *wanted["HTTPS"], on=on)
            await self._web("HTTP", self._http, *wanted["HTTP"], on=on)
        self._follow_rtsp(*wanted["RTSP"])
        self._follow_rtsps()

    async def _web(self, name: str, listener: Listener | None, enabled: bool, port: int, *, on: bool) -> None:  # noqa: FBT001
        if listener is None or enabled is not on:
            return
        if not enabled:
            await listener.close()
            return
        try:
            await listener.open(port, self._context() if name == "HTTPS" else None)
        except (OSError, StoreError) as problem:
            log.error("%s cannot be served on port %d: %s", name, port, problem)  # noqa: TRY400 - an operator's sentence

    def _follow_rtsp(self, enabled: bool, port: int) -> None:  # noqa: FBT001
        if enabled and self._rtsp_on and port in {0, self._rtsp.port}:
            return
        try:
            self._rtsp.listen(port if enabled else 0)
            self._rtsp_on = enabled
        except OSError as problem:
            log.error("RTSP cannot be served on port %d: %s", port, problem)  # noqa: TRY400 - an operator's sentence

    def _follow_rtsps(self) -> None:
        """RTSPS while HTTPS is served; not where TLS 1.2 was switched off, for its versions cannot be limited."""
        pem = self._keystore.server_pem()
        if not self.https or pem is None or "1.2" not in self._keystore.assignments.versions():
            self._rtsp.end_tls()
            return
        try:
            self._rtsp.serve_tls(self._config.rtsps_port, "".join(pem))
        except OSError as problem:
            log.error("RTSPS cannot be served: %s", problem)  # noqa: TRY400 - an operator's sentence

    def _context(self) -> ssl.SSLContext:
        if self.tls is None:
            self._own_certificate()
            self.tls = ServerTls(self._keystore)
            self._keystore.listen(self._follow_rtsps)
            log.info("HTTPS certificate SHA-256 %s", self.tls.fingerprint)
        elif not self._keystore.assignments.all():
            self._own_certificate()
        return self.tls.context
