"""One TCP port of a running web application: opened, closed and moved while its connections go on."""

import ssl

from aiohttp import web

from onvif.connection_bounds import CONNECTION_LIMIT, listen


class PortListener:
    """One port of one application.

    Args:
        runner: of the application, set up.
        host: the address to listen on.
    """

    def __init__(self, runner: web.AppRunner, host: str) -> None:
        self._runner, self._host = runner, host
        self._site: web.SockSite | None = None
        self.port = 0
        """As bound; 0 while it is closed."""

    async def open(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        """Listen there; where it listened before is closed afterwards. Requests in progress are answered.

        Args:
            port: 0 takes a free one.

        Raises:
            OSError: the port cannot be had; where it listened before goes on.
        """
        if self._site is not None and port in {0, self.port}:
            return
        listener = listen(self._host, port, self._runner.app.get(CONNECTION_LIMIT))
        site = web.SockSite(self._runner, listener, ssl_context=tls)
        await site.start()
        before, self._site = self._site, site
        self.port = int(listener.getsockname()[1])
        if before is not None:
            await before.stop()

    async def close(self) -> None:
        """Take no new connections; those that are there may end what they began."""
        site, self._site, self.port = self._site, None, 0
        if site is not None:
            await site.stop()


def can_listen(host: str, port: int) -> bool:
    """Whether a port could be had now."""
    try:
        listen(host, port).close()
    except OSError:
        return False
    return True
