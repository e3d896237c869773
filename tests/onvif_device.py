"""A small device on loopback for tests of single services: the real server, the real credentials, one port."""

import contextlib
import socket
from datetime import UTC, datetime

from aiohttp import web

from onvif.auth import Authenticator
from onvif.registry import load
from onvif.server import SoapServer
from onvif.soap_transport import SoapTransport
from onvif.users import Level, User

USERS = {
    name: User(name, f"{name}-secret-1", level)
    for name, level in (("admin", Level.ADMINISTRATOR), ("operator", Level.OPERATOR), ("user", Level.USER))
}


class Asker:
    """Asks one device as one user; replies come as raw elements, faults as exceptions."""

    def __init__(self, base, user="admin"):
        self.base = base
        self._carrier = SoapTransport(user, USERS[user].password, timeout_s=60)

    async def ask(self, namespace, operation, *, to, wait_s=0.0, **values):
        found = load().operation(namespace, operation)
        url = to if "://" in to else f"{self.base}{to}"
        return await self._carrier.request(url, found.encode_request(values), action=found.action, wait_s=wait_s)

    async def values(self, namespace, operation, *, to, **values):
        """The same, strictly decoded."""
        return (
            load().operation(namespace, operation).decode_reply(await self.ask(namespace, operation, to=to, **values))
        )

    async def close(self):
        await self._carrier.close()


@contextlib.asynccontextmanager
async def device(*services, contexts=()):
    """Serve these services; yields a function that makes an Asker for a user."""
    authenticator = Authenticator(lambda: USERS, realm="veilcam", now=lambda: datetime.now(UTC))
    app = web.Application()
    app.cleanup_ctx.extend(contexts)
    app.add_routes(SoapServer(services, authenticator, now=lambda: datetime.now(UTC)).routes())
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    sock = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, sock).start()
    base = f"http://127.0.0.1:{sock.getsockname()[1]}"
    askers = []

    def asker(user="admin"):
        askers.append(Asker(base, user))
        return askers[-1]

    try:
        yield asker
    finally:
        for each in askers:
            await each.close()
        await runner.cleanup()
