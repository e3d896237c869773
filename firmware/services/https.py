"""The camera's services over TLS, switched on and moved by SetNetworkProtocols while they run."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from aiohttp import web

from onvif.errors import StateError
from onvif.tls import ServerTls, server_tls

log = logging.getLogger(__name__)


class Https:
    """A second listener for the same handlers.

    Args:
        build: a fresh application with the camera's routes.
        wanted: (enabled, port) at this moment; port 0 takes a free one.
    """

    def __init__(
        self, build: Callable[[], web.Application], wanted: Callable[[], tuple[bool, int]], *, folder: Path, host: str,
        name: str, addresses: tuple[str, ...],
    ) -> None:  # fmt: skip
        self.port = 0
        self._build, self._wanted = build, wanted
        self._folder, self._host, self._name, self._addresses = folder, host, name, addresses
        self._runner: web.AppRunner | None = None
        self._tls: ServerTls | None = None
        self._lock = asyncio.Lock()

    @property
    def fingerprint(self) -> str:
        """Of the certificate, empty while HTTPS was never on."""
        return self._tls.fingerprint if self._tls is not None else ""

    async def running(self, _app: web.Application) -> AsyncIterator[None]:
        """Belongs in the application's `cleanup_ctx`."""
        await self.follow()
        yield
        await self._close()

    async def follow(self) -> None:
        """Listen as wanted now; a port that is taken is logged, and plain HTTP goes on."""
        async with self._lock:
            enabled, port = self._wanted()
            if self._runner is not None and (not enabled or port not in {0, self.port}):
                await self._close()
            if enabled and self._runner is None:
                try:
                    await self._open(port)
                except (OSError, StateError) as problem:
                    log.error("HTTPS cannot be served: %s", problem)  # noqa: TRY400 - an operator's sentence
                    await self._close()

    async def _open(self, port: int) -> None:
        if self._tls is None:
            self._tls = await asyncio.to_thread(server_tls, self._folder, self._name, self._addresses)
            log.info("HTTPS certificate SHA-256 %s", self._tls.fingerprint)
        self._runner = web.AppRunner(self._build(), access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, port, ssl_context=self._tls.context).start()
        self.port = int(self._runner.addresses[0][1])

    async def _close(self) -> None:
        runner, self._runner, self.port = self._runner, None, 0
        if runner is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2.0):
                    await runner.cleanup()
