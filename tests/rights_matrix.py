"""Who may do what, asked of the running box route by route; `docs/rights.md` is what comes out.

`PYTHONPATH=. python tests/rights_matrix.py` writes that file anew; `test_box_rights.py` holds it to the box.
"""

import asyncio
import contextlib
import functools
import json
import re
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path

from aiohttp import WSMsgType
from aiohttp.test_utils import TestClient, TestServer
from box_fakes import CAMERA_ID, best_shot, jpeg, masked_h264, record_file

from nvr_box import app
from nvr_box.cameras.camera_store import CameraRow
from nvr_box.config import BoxConfig, OnvifConfig, RecordConfig, WebConfig
from nvr_box.export.exports import ExportRequest
from nvr_box.rights import Account, Right
from nvr_box.web import app as page
from nvr_box.web.request_fields import iso
from nvr_box.web.sessions import CSRF_HEADER
from wire.features.packet import AppearanceCode, CodeKind, FeaturePacket
from wire.features.vocabulary import ObjectClass
from wire.keys import SigningKey

DOCUMENT = Path(__file__).parents[1] / "docs/rights.md"
CONSOLE = Account("setup", frozenset(Right))
PASSPHRASE, REASON = "a passphrase of an operator", "bicycle theft, case 12"
SIGNER = SigningKey.generate()
T0 = 1_795_000_000_000_000


@dataclass(frozen=True)
class Asking:
    """How a route is asked for something that is there; `{camera}` stands for one camera or another.

    `make`: what has to be there before, made by somebody who may; its keys are filled in as well.
    """

    body: dict | None = None
    query: dict | None = None
    make: str = ""
    socket: bool = False
    of_camera: bool = True


AT = iso(T0 + 1_000_000)
STRETCH = {"start": iso(T0), "end": iso(T0 + 2_000_000)}
REVEAL = {"camera": "{camera}", "reason": REASON, "from": AT, "passphrase": PASSPHRASE}
NOBODY = {"password": "newcomer's password", "rights": [], "cameras": []}
ASKED = {
    "POST /api/sign-out": Asking(of_camera=False),
    "GET /api/me": Asking(of_camera=False),
    "GET /api/accounts": Asking(of_camera=False),
    "PUT /api/accounts/{name}": Asking(NOBODY, make="name", of_camera=False),
    "DELETE /api/accounts/{name}": Asking(make="account", of_camera=False),
    "GET /api/cameras": Asking(of_camera=False),
    "POST /api/clock": Asking(of_camera=False),
    "POST /api/cameras": Asking({"address": "127.0.0.1:9", "user": "u", "password": "p"}, of_camera=False),
    "POST /api/cameras/test": Asking({"address": "127.0.0.1:9", "user": "u", "password": "p"}, of_camera=False),
    "POST /api/cameras/discover": Asking(of_camera=False),
    "PATCH /api/cameras/{camera}": Asking({"name": "yard"}),
    "POST /api/cameras/{camera}/pair": Asking(),
    "DELETE /api/cameras/{camera}": Asking(),
    "PUT /api/cameras/{camera}/selection": Asking({"mode": "except", "label": "guard", "passage": "{passage}"}),
    "DELETE /api/cameras/{camera}/selection": Asking(),
    "POST /api/cameras/{camera}/released-places": Asking({"box": [0.1, 0.1, 0.3, 0.9], "reason": REASON}),
    "DELETE /api/cameras/{camera}/released-places/{place}": Asking(make="place"),
    "GET /api/cameras/{camera}/timeline": Asking(query=STRETCH),
    "GET /api/cameras/{camera}/beside": Asking(query={"at": AT}),
    "GET /api/cameras/{camera}/thumbnail": Asking(query={"at": AT}),
    "POST /api/cameras/{camera}/freeze": Asking({"at": AT}),
    "POST /api/stills/{key}/picks": Asking({"box": [0.1, 0.1, 0.5, 0.9], "class": "person"}, make="still"),
    "WS /api/cameras/{camera}/stream": Asking(query={"from": AT}, socket=True),
    "WS /api/cameras/{camera}/stream (live)": Asking(socket=True),
    "WS /api/cameras/{camera}/stream (reveal)": Asking(query={"reveal": "{key}"}, make="reveal", socket=True),
    "POST /api/searches": Asking({"passage": "{passage}"}),
    "POST /api/searches (by filters)": Asking({"cameras": ["{camera}"]}, of_camera=False),
    "GET /api/passages/{passage}/shot": Asking(),
    "POST /api/reveals": Asking(REVEAL),
    "POST /api/reveals (in the browser)": Asking({**REVEAL, "in_browser": True}),
    "GET /api/reveals": Asking(of_camera=False),
    "POST /api/reveals/{key}/opened": Asking({"proof": "{proof}"}, make="handed"),
    "POST /api/reveals/requests": Asking({"camera": "{camera}", "reason": REASON, "from": AT}),
    "POST /api/reveals/requests/{key}": Asking({"approve": True}, make="request"),
    "DELETE /api/reveals/requests/{key}": Asking(make="own request", of_camera=False),
    "DELETE /api/reveals/{key}": Asking(make="reveal", of_camera=False),
    "POST /api/reveals/{key}/verdicts": Asking({}, make="reveal"),
    "WS /api/reveals/{key}/units": Asking(query={"from": AT}, make="opened", socket=True),
    "GET /api/reveals/{key}/still": Asking(query={"at": AT}, make="reveal"),
    "GET /api/reveals/{key}/cards/{passage}": Asking(make="reveal"),
    "POST /api/exports": Asking({**STRETCH, "camera": "{camera}", "reason": REASON}),
    "POST /api/exports (revealed)": Asking(
        {**STRETCH, "camera": "{camera}", "reason": REASON, "passphrase": PASSPHRASE}
    ),
    "GET /api/exports/{key}": Asking(make="package"),
    "GET /api/keys": Asking(of_camera=False),
    "POST /api/keys/{kid}/revoke": Asking(make="kid", of_camera=False),
    "POST /api/keys/days/{day}/shred": Asking({"typed": "2001-01-01"}, make="day", of_camera=False),
    "POST /api/keys/holds": Asking({**STRETCH, "camera": "{camera}", "case": "case-1", "reason": REASON}),
    "POST /api/keys/holds/{number}/seal": Asking(
        {"passphrase": PASSPHRASE, "case_passphrase": "a passphrase of the case"}, make="hold"
    ),
    "DELETE /api/keys/holds/{number}": Asking({"reason": REASON}, make="hold"),
    "GET /api/audit": Asking(of_camera=False),
    "POST /api/audit/verify": Asking(of_camera=False),
}  # fmt: skip
NO_SESSION = {
    "GET /", "GET /favicon.ico", "GET /static", "POST /api/sign-in", "POST /api/packets", "POST /api/claim",
}  # fmt: skip


NAME = "subject"
_SINGLE = [frozenset({right}) for right in Right]
_ALL_BUT = [frozenset(Right) - {right} for right in Right]


@dataclass(frozen=True)
class Row:
    """Which rights open a route: one of `alone`, or all of `needed` together; and what a limit to a camera leaves."""

    route: str
    alone: frozenset[Right]
    needed: frozenset[Right]
    own: bool
    other: bool | None

    def __str__(self):
        cells = ["yes" if right in self.alone else "with" if right in self.needed else "" for right in Right]
        limited = ["yes" if self.own else "no", "" if self.other is None else "yes" if self.other else "no"]
        if self.other is None:
            limited = ["the box: yes" if self.own else "the box: no", ""]
        return f"| `{self.route}` | {' | '.join((*cells, *limited))} |"


class Running:
    """A whole box with two cameras, three seconds of each, and a client of its page."""

    def __init__(self, box, parts, client, cameras):
        self.box, self.parts, self.client = box, parts, client
        self.reveals, self.roster, self.cameras = box.reveals, box.cameras._roster, cameras

    async def row(self, route):
        """Ask as everybody whom it takes to tell."""
        if not await self.allowed(route, frozenset(Right)):
            raise AssertionError(f"{route}: refused to who may do everything")
        alone = [await self.allowed(route, rights) for rights in _SINGLE]
        rest = [all(alone) or await self.allowed(route, rights) for rights in _ALL_BUT]
        own = await self.allowed(route, frozenset(Right), limit=1)
        other = await self.allowed(route, frozenset(Right), camera=2, limit=1) if ASKED[route].of_camera else None
        named = zip(Right, alone, rest, strict=True)
        yes, needed = [], []
        for right, enough, without in named:
            yes += [right] if enough else []
            needed += [] if without or enough else [right]
        return Row(route, frozenset(yes), frozenset(needed), own, other)

    async def allowed(self, route, rights, *, camera=1, limit=None):
        """Whether somebody with these rights gets past the door, when what is asked for is there."""
        asking, users = ASKED[route], self.box.users
        await users.save(CONSOLE, NAME, rights=frozenset(Right), every_camera=True)
        filled = {"camera": camera, "passage": camera} | await self.made(asking.make, users.get(NAME), camera)
        token, session = self.client.server.app[page.SESSIONS].begin(users.get(NAME))
        await users.save(CONSOLE, NAME, rights=rights, cameras=None if limit is None else [limit])
        headers = {"Cookie": f"veilcam={token}", CSRF_HEADER: session.csrf}
        try:
            return await self._asked(route, asking, filled, headers)
        finally:
            for key in tuple(self.reveals._running):
                await self.reveals.end(CONSOLE, key)
            for by in (CONSOLE, Account(NAME, frozenset())):
                for request in self.reveals.approvals.of(by):
                    self.reveals.approvals.withdraw(by, request.key)
            if route.startswith("DELETE /api/cameras/{camera}"):
                self.cameras[camera] = await self.roster.add(self.cameras[camera], "p", None, "test")

    async def _asked(self, route, asking, filled, headers):
        method, path = route.partition(" (")[0].split(" ")
        path = path.format(**filled)
        query = {name: str(_filled(value, filled)) for name, value in (asking.query or {}).items()}
        if method == "WS":
            async with self.client.ws_connect(path, params=query, headers=headers) as socket:
                message = await socket.receive(timeout=60)
                refused = message.type is WSMsgType.CLOSE and message.data in (4001, 4003)
                return not refused
        body = None if asking.body is None else json.dumps(_filled(asking.body, filled))
        reply = await self.client.request(method, path, params=query, data=body, headers=headers)
        said = (await reply.read()).decode(errors="replace")
        if reply.status not in (200, 201, 204, 400, 403, 404, 502):
            raise AssertionError(f"{route}: {reply.status} {said}")
        if reply.status == 400 and '"field": null' not in said:
            raise AssertionError(f"{route}: asked wrongly: {said}")
        return reply.status != 403

    async def made(self, what, account, camera):
        """What a route is asked about: made for the account while they may do everything."""
        match what:
            case "name":
                return {"name": f"n{secrets.token_hex(4)}"}
            case "account":
                name = f"n{secrets.token_hex(4)}"
                await self.box.users.save(CONSOLE, name, password="somebody's password", rights=[], cameras=[])
                return {"name": name}
            case "still":
                return {"key": (await self.box.stills.freeze(account, camera, T0 + 1_000_000)).key}
            case "reveal":
                return {"key": (await self.reveals.start(account, camera, reason=REASON, passphrase=PASSPHRASE)).key}
            case "handed" | "opened":
                key = (await self.reveals.start_in_browser(account, camera, reason=REASON)).key
                nonce = self.reveals.handed(account, key).nonce
                if what == "opened":
                    await self.reveals.opened(account, key, nonce)
                return {"key": key, "proof": nonce.hex()}
            case "request" | "own request":
                by = CONSOLE if what == "request" else account
                return {"key": (await self.reveals.approvals.ask(by, camera, reason=REASON, from_us=T0)).key}
            case "package":
                wish = ExportRequest(camera, T0, T0 + 2_000_000, REASON)
                return {"key": (await self.box.exports.make(account, wish)).key}
            case "hold":
                placed = await self.box.holds.place(CONSOLE, "case-1", camera, T0, T0 + 2_000_000, reason=REASON)
                return {"number": placed.number}
        return {"kid": "0" * 16, "day": "2001-01-01", "place": "stand"}


def _filled(value, filled):
    """`{camera}` and its like, alone in a string, as what they are."""
    if isinstance(value, dict):
        return {name: _filled(each, filled) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, filled) for each in value]
    if isinstance(value, str) and (named := re.fullmatch(r"\{(\w+)\}", value)):
        return filled[named.group(1)]
    return value


@contextlib.asynccontextmanager
async def running(state):
    """The box of `nvr_box.app`, recording nothing more, with its page on a port of its own."""
    onvif, web = OnvifConfig(enabled=False), WebConfig(tls=False, port=0)
    config = BoxConfig(state=state, web=web, onvif=onvif, record=RecordConfig(keep_free_mib=0))
    async with app.built(config) as (box, parts):
        keys, segments, passages = parts.keys, box.recordings._segments, parts.housekeeping._passages
        await passages.load()  # as housekeeping does in a box that runs
        keys.create(NAME, PASSPHRASE)
        await box.users.save(CONSOLE, "root", password="the setup's password", rights=[Right.ADMIN])
        await box.users.save(CONSOLE, NAME, password="the subject's password", rights=[])
        cameras = {}
        for number in (1, 2):
            identity = CAMERA_ID[:7] + bytes([number])
            camera = CameraRow(
                0,
                f"yard {number}",
                "http://127.0.0.1:9/onvif/device_service",
                "u",
                "rtsp://127.0.0.1:9/",
                "main",
                "",
                "",
                "",
                identity.hex(),
                SIGNER.public.hex(),
                "net-1",
                False,
                False,
                0,
            )
            cameras[number] = await box.cameras._roster.add(camera, "p", None, "test")
            recipients = keys.recipients(identity.hex())
            file = masked_h264(state / f"{number}.h264", 75, recipients, SIGNER, start_us=T0)
            hub, later = box.recordings.hub(number), asyncio.get_running_loop().call_soon_threadsafe
            live = functools.partial(later, hub.publish)
            await asyncio.to_thread(record_file, segments, number, file, T0, publish=live)
            at_ms = T0 // 1000 + 1000
            packet = FeaturePacket(
                camera_id=identity, sequence=1, track_id=1, class_=ObjectClass.PERSON, first_utc_ms=at_ms,
                best_utc_ms=at_ms, last_utc_ms=at_ms, quality=0.5, box=(0, 0, 9, 9),
                codes=(AppearanceCode("net-1", CodeKind.INT8, 64, bytes(range(64))),),
            )  # fmt: skip
            shot = best_shot(packet, recipients, SIGNER, masked=jpeg(1, (96, 48)), clear=jpeg(100, (96, 48)))
            await passages.add(number, [shot])
        async with TestClient(TestServer(page.application(box))) as client:
            yield Running(box, parts, client, cameras)


def routes_of(application):
    """Every route, by method and path; a WebSocket by `WS`."""
    for route in application.router.routes():
        path = re.sub(r"\{(\w+)(:[^}]*)?\}", r"{\1}", route.resource.canonical)
        socket = route.handler.__name__ in {"stream", "units"}
        if route.method != "HEAD":
            yield f"{'WS' if socket else route.method} {path}"


HEAD = """\
# Who may do what

Every route and WebSocket of the page, asked of a running box as an account with each right alone, with every right but
one, and with every right for one camera only. `tests/rights_matrix.py` writes this file and `tests/test_box_rights.py`
holds it to the box: what is here is what the box did, not what it should do.

- **yes**: this right alone is enough; where every right says so, being signed in is.
- **with**: needed, together with the others of the row.
- *limited*: an account with every right, limited to one camera, asks about that camera and about another; *the box*:
  the route is about no camera, or about all of them.

An account sees of lists (cameras, search results, requests, log entries) what is of its own cameras. Whoever may
approve does not thereby see; whoever runs the box does not thereby see faces. Rights are read anew at every request
and at every picture of a stream; a right that is taken away ends what runs.

| route | viewer | operator | reveal | approve | admin | limited: its camera | another |
|---|---|---|---|---|---|---|---|
"""
TAIL = """
Without a session: `GET /` and `GET /static/…` (the page's own files), `GET /favicon.ico`, `POST /api/sign-in`, and
`POST /api/packets`, where a paired camera signs in with its token. `POST /api/claim` is the first account's alone,
until it has chosen a password of its own; until then it opens nothing else.

What a reveal shows is decided by what was granted and not by what is asked of these routes (`web/api.md`); what is
limited to a person, a stretch of time or a second person's word is opened on the box alone.
"""


async def matrix(state):
    """The whole document."""
    async with running(state) as box:
        found = set(routes_of(box.client.server.app))
        listed = {route.partition(" (")[0] for route in ASKED}
        assert found - listed == NO_SESSION, f"routes that nobody asks: {found - listed - NO_SESSION}"
        assert listed <= found, f"routes that are gone: {listed - found}"
        # A camera that was removed has nothing live any more: that comes last.
        order = sorted(ASKED, key=lambda route: route == "DELETE /api/cameras/{camera}")
        rows = {route: str(await box.row(route)) for route in order}
    return HEAD + "\n".join(rows[route] for route in ASKED) + "\n" + TAIL


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        DOCUMENT.write_text(asyncio.run(matrix(Path(folder))), encoding="utf-8")
