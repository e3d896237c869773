"""The ports of a device: what SetNetworkProtocols requested, or else what its operator wrote.

HTTP and HTTPS are one application on two listeners. Each port is opened, closed and moved while the device runs; a
request in progress, the one that moves the port included, is answered on the connection it came by.
"""

import logging
import ssl
from collections.abc import Callable, Mapping
from typing import Protocol

from aiohttp import web

from base.errors import HostError, StoreError
from base.settings_file import Stored
from onvif.device_state import DeviceState
from onvif.listener import PortListener, can_listen

HTTPS_PORT = 443
"""Shown while HTTPS is off and no port was chosen."""
log = logging.getLogger(__name__)


class RtspPorts(Protocol):
    """RTSP and RTSPS, of live streams (`firmware.services.rtsp_ports`) or of recordings (`nvr_box.services`)."""

    @property
    def port(self) -> int:
        """Of RTSP, as bound."""

    async def apply(self, *, enabled: bool, port: int) -> None:
        """Serve RTSP there, or not. Raises OSError when the port cannot be had."""

    async def apply_secure(self, *, https: bool) -> None:
        """Serve RTSPS while HTTPS is served. Raises OSError when its port cannot be had."""


class DevicePorts:
    """Event loop only.

    Args:
        address: to listen on.
        device: what clients chose.
        operator: (enabled, port) by protocol, as configured; a protocol that is not in it is not offered.
        where: the key of the HTTP port in the operator's file, for the message that it cannot be had.
        tls: what HTTPS is served with, called whenever it is opened. Raises StoreError.
    """

    def __init__(
        self, address: str, device: Stored[DeviceState], *, operator: Mapping[str, tuple[bool, int]], where: str,
        rtsp: RtspPorts, tls: Callable[[], ssl.SSLContext | None],
    ) -> None:  # fmt: skip
        self._address, self._device, self._operator, self._where = address, device, operator, where
        self._rtsp, self._tls = rtsp, tls
        self._listeners: dict[str, PortListener] = {}

    @property
    def http(self) -> int:
        """The port of HTTP as bound, 0 while it is off."""
        return self._bound("HTTP")

    @property
    def https(self) -> int:
        """The port of HTTPS as bound, 0 while it is off."""
        return self._bound("HTTPS")

    def wanted(self) -> dict[str, tuple[bool, int]]:
        """(enabled, port) by protocol; port 0 leaves the choice to the device."""
        stored = {found.name: (found.enabled, found.ports[0]) for found in self._device.value.protocols}
        return {name: stored.get(name, chosen) for name, chosen in self._operator.items()}

    def shown(self) -> dict[str, tuple[bool, tuple[int, ...]]]:
        """What GetNetworkProtocols returns: the chosen ports, and the bound ones where none was chosen."""
        bound = {"HTTP": self.http, "HTTPS": self.https or HTTPS_PORT, "RTSP": self._rtsp.port}
        return {name: (enabled, (port or bound[name],)) for name, (enabled, port) in self.wanted().items()}

    def free(self, port: int) -> bool:
        """Whether a port is ours already or could be had."""
        return port in {self.http, self.https, self._rtsp.port} or can_listen(self._address, port)

    async def start(self, runner: web.AppRunner) -> None:
        """Open what is wanted.

        Raises:
            HostError: neither HTTP nor HTTPS can be served, so no client could reach the device.
        """
        self._listeners = {name: PortListener(runner, self._address) for name in ("HTTPS", "HTTP")}
        await self.reconcile()
        if self.http or self.https:
            return
        # A port that a client chose may be taken by now; the operator's own is the way back in.
        port = self._operator["HTTP"][1]
        try:
            await self._listeners["HTTP"].open(port)
        except OSError as error:
            raise HostError(f"{self._where} {port} cannot be listened on: {error}") from error

    async def reconcile(self) -> None:
        """Listen as wanted now; what cannot be had is logged, and the rest goes on."""
        wanted = self.wanted()
        # What is opened comes first: a device is never without a way in.
        for on in (True, False):
            for name, listener in self._listeners.items():
                enabled, port = wanted.get(name, (False, 0))
                if enabled is on:
                    await self._web(name, listener, enabled=enabled, port=port)
        enabled, port = wanted["RTSP"]
        try:
            await self._rtsp.apply(enabled=enabled, port=port)
        except OSError as problem:
            log.error("RTSP cannot be served on port %d: %s", port, problem)  # noqa: TRY400 - an operator's sentence
        try:
            await self._rtsp.apply_secure(https=bool(self.https))
        except OSError as problem:
            log.error("RTSPS cannot be served: %s", problem)  # noqa: TRY400 - an operator's sentence

    async def _web(self, name: str, listener: PortListener, *, enabled: bool, port: int) -> None:
        if not enabled:
            await listener.close()
            return
        try:
            await listener.open(port, self._tls() if name == "HTTPS" else None)
        except (OSError, StoreError) as problem:
            log.error("%s cannot be served on port %d: %s", name, port, problem)  # noqa: TRY400 - an operator's sentence

    def _bound(self, name: str) -> int:
        listener = self._listeners.get(name)
        return listener.port if listener is not None else 0
