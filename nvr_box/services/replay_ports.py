"""RTSP and RTSPS of recordings."""

import ssl

from base.errors import HostError
from nvr_box.config import OnvifConfig
from onvif.rtsp.replay import ReplayServer


class ReplayPorts:
    """`onvif.device.ports.RtspPorts` over the replay server.

    Args:
        tls: the page's certificate; None for a box without one.
    """

    def __init__(self, replay: ReplayServer, config: OnvifConfig, tls: ssl.SSLContext | None) -> None:
        self._replay, self._config, self._tls = replay, config, tls

    @property
    def port(self) -> int:
        """Of RTSP."""
        return self._replay.port

    async def start(self) -> None:
        """Open the way in for tunnels. Raises `HostError` when there is no port for it."""
        try:
            await self._replay.open("inner", "127.0.0.1", 0)
        except OSError as problem:
            raise HostError(f"no port for tunnels can be had: {problem.strerror}") from problem

    async def apply(self, *, enabled: bool, port: int) -> None:
        """See RtspPorts."""
        await self._open("plain", port if enabled else None)

    async def apply_secure(self, *, https: bool) -> None:
        """See RtspPorts."""
        await self._open("tls", self._config.rtsps_port if https else None)

    async def stop(self) -> None:
        """Close what serves recordings."""
        await self._replay.stop()

    async def _open(self, door: str, port: int | None) -> None:
        if port is None:
            await self._replay.close(door)
        else:
            await self._replay.open(door, self._config.host, port, self._tls if door == "tls" else None)
