"""A camera's pairing and selection as they are, in front of it whoever meddles with what passes, and a box's side."""

import contextlib
import json

import aiohttp
from aiohttp import web

from base.settings_file import Stored
from firmware import identity
from firmware.bound import authoriser
from firmware.pairing import PairingEndpoint, Pairings
from firmware.viewer import ViewerAccount
from nvr_box.cameras.pairing_offer import PairingOffers
from onvif.auth import Authenticator
from onvif.device_state import DeviceState
from onvif.users import Level, User
from wire.keys import Identity, SigningKey

USER, PASSWORD = "admin", "p@ss/word:1"
OPERATOR = Identity.generate(label="operator")


def introduction(**changes):
    """A box, another one at each call."""
    fields = {
        "identity": Identity.generate(),
        "signer": SigningKey.generate(),
        "recipients": lambda _camera_id: (OPERATOR.recipient,),
        "fingerprint": "ab" * 32,
        "host": "",
        "port": lambda: 8443,
    }
    return PairingOffers(**(fields | changes))


class CameraEnd:
    """The camera's real endpoint behind its real authentication, on a port of its own."""

    def __init__(self, state):
        state.mkdir(exist_ok=True)
        self.who = identity.load(state)
        self.pairings = Pairings(state)
        self.device = Stored(state / "device.json", DeviceState())
        self.device.change(users=(User(USER, PASSWORD, Level.ADMINISTRATOR), User("eve", "operator!", Level.OPERATOR)))
        viewer = ViewerAccount(self.device)
        self.endpoint = PairingEndpoint(self.pairings, self.who, "yard", "S1", "net-1", viewer)
        users = lambda: {user.name: user for user in self.device.value.users}  # noqa: E731 - read anew each time
        self.authenticator = Authenticator(users, realm="veilcam", now=None)
        self.xaddr = ""

    @contextlib.asynccontextmanager
    async def serving(self):
        app = web.Application()
        app.add_routes(self.endpoint.routes(authoriser(self.authenticator)))
        async with listening(app) as self.xaddr:
            yield self


class Meddler:
    """A proxy in front of `xaddr`: `request(method, headers, body)` and `answer(method, status, headers, body)` may
    change what passes. `seen` is what was asked, `query` the last one's.
    """

    def __init__(self, xaddr):
        self.target, self.xaddr = xaddr, ""
        self.request = lambda method, headers, body: body
        self.answer = lambda method, status, headers, body: (status, body)
        self.seen, self.query = [], {}

    @contextlib.asynccontextmanager
    async def serving(self):
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._pass)
        async with aiohttp.ClientSession() as self._session, listening(app) as self.xaddr:
            yield self

    async def _pass(self, request):
        body = await request.read()
        self.seen.append((request.method, dict(request.headers), body))
        self.query = request.query
        headers = {name: value for name, value in request.headers.items() if name not in ("Host", "Content-Length")}
        body = self.request(request.method, headers, body)
        url = self.target.rpartition("/onvif")[0] + request.path_qs
        async with self._session.request(request.method, url, data=body, headers=headers) as reply:
            passed = reply.headers.copy()
            for name in ("Content-Length", "Date", "Server"):
                passed.popall(name, None)
            status, said = self.answer(request.method, reply.status, passed, await reply.read())
            return web.Response(status=status, body=said, headers=passed)


@contextlib.asynccontextmanager
async def listening(app):
    """Yields the device address of an application on a free port of loopback."""
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/onvif/device_service"
    finally:
        await runner.cleanup()


def changed(body, **fields):
    """A JSON body with other fields."""
    return json.dumps(json.loads(body) | fields).encode()
