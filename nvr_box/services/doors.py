"""The ports of the box's ONVIF face: HTTP, HTTPS and RTSP as chosen, and RTSPS while HTTPS is served.

A client that moves or closes one with SetNetworkProtocols sees it at once; connections in progress go on.
"""

import logging
import ssl

from aiohttp import web

from base.errors import HostError
from base.settings_file import Stored
from nvr_box.config import OnvifConfig
from onvif.device_state import DeviceState
from onvif.listener import Listener, can_listen
from onvif.rtsp.replay import ReplayServer

log = logging.getLogger(__name__)
_HTTPS_PORT = 443
"""Told while HTTPS is off and no port was chosen."""


class Doors:
    """Opens what the settings want.

    Args:
        tls: the page's certificate; None for a box without one, which serves no HTTPS.
    """

    def __init__(
        self, config: OnvifConfig, device: Stored[DeviceState], replay: ReplayServer, tls: ssl.SSLContext | None
    ) -> None:
        self._config, self._device, self._replay, self._tls = config, device, replay, tls
        self._http: Listener | None = None
        self._https: Listener | None = None

    @property
    def http(self) -> int:
        """The port as bound, 0 while it is closed."""
        return self._http.port if self._http else 0

    @property
    def https(self) -> int:
        return self._https.port if self._https else 0

    def wanted(self) -> dict[str, tuple[bool, int]]:
        """(enabled, port) by protocol; port 0 takes a free one."""
        config = self._config
        chosen = {"HTTP": (True, config.port), "RTSP": (True, config.replay_port)}
        if self._tls is not None:
            chosen["HTTPS"] = (config.https, config.https_port)
        stored = {found.name: (found.enabled, found.ports[0]) for found in self._device.value.protocols}
        return chosen | {name: stored[name] for name in chosen if name in stored}

    def shown(self) -> dict[str, tuple[bool, tuple[int, ...]]]:
        """What GetNetworkProtocols tells: the chosen ports, and the bound ones where none was chosen."""
        bound = {"HTTP": self.http, "HTTPS": self.https or _HTTPS_PORT, "RTSP": self._replay.port}
        return {name: (enabled, (port or bound[name],)) for name, (enabled, port) in self.wanted().items()}

    def free(self, port: int) -> bool:
        """Whether a port is ours already or could be had."""
        return port in {self.http, self.https, self._replay.port} or can_listen(self._config.host, port)

    async def start(self, runner: web.AppRunner) -> None:
        """Open what is wanted.

        Raises:
            StoreError: the operator's own ports cannot be listened on.
        """
        self._http, self._https = Listener(runner, self._config.host), Listener(runner, self._config.host)
        try:
            await self._replay.open("inner", "127.0.0.1", 0)
        except OSError as problem:
            raise HostError(f"no port for tunnels can be had: {problem.strerror}") from problem
        await self.follow()
        for name, bound, port in (
            ("port", self.http or self.https, self._config.port),
            ("replay_port", self._replay.port or not self.wanted()["RTSP"][0], self._config.replay_port),
        ):
            if not bound:
                raise HostError(f"onvif.{name}: {self._config.host}:{port} cannot be listened on")

    async def follow(self) -> None:
        """Listen as wanted now; what cannot be had is logged, and the rest goes on."""
        wanted = self.wanted()
        # What is opened comes first: a box is never without a way in.
        for on in (True, False):
            for name, listener in (("HTTPS", self._https), ("HTTP", self._http)):
                enabled, port = wanted.get(name, (False, 0))
                if listener is not None and enabled is on:
                    await self._web(name, listener, enabled=enabled, port=port)
        enabled, port = wanted["RTSP"]
        await self._rtsp("plain", enabled=enabled, port=port)
        await self._rtsp("tls", enabled=bool(self.https), port=self._config.rtsps_port)

    async def stop(self) -> None:
        """Close what serves recordings; the web server is its runner's to end."""
        await self._replay.stop()

    async def _web(self, name: str, listener: Listener, *, enabled: bool, port: int) -> None:
        if not enabled:
            await listener.close()
            return
        try:
            await listener.open(port, self._tls if name == "HTTPS" else None)
        except OSError as problem:
            log.error("%s cannot be served on port %d: %s", name, port, problem)  # noqa: TRY400 - an operator's sentence

    async def _rtsp(self, door: str, *, enabled: bool, port: int) -> None:
        if not enabled:
            await self._replay.close(door)
            return
        try:
            await self._replay.open(door, self._config.host, port, self._tls if door == "tls" else None)
        except OSError as problem:
            log.error("replay cannot be served on port %d: %s", port, problem)  # noqa: TRY400 - an operator's sentence
