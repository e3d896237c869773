"""The page as an aiohttp application: routes, the checks that every request passes, and the static files.

Every request but the sign-in, the cameras' push and the static files needs a session; every request that changes
something carries the session's CSRF token. Errors of the box's parts become a status and a sentence here.
"""

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from base.errors import Error
from base.refusals import field, hides, status
from nvr_box.box import BoxContext
from nvr_box.web import (
    account,
    accounts,
    audit,
    cameras,
    exports,
    frames,
    keys,
    masking,
    packets,
    refusals,
    reveal,
    searches,
    stream,
)
from nvr_box.web.request_fields import ACCOUNT, BOX, SESSION, SESSIONS
from nvr_box.web.sessions import WebSessions, csrf_fits, same_origin
from onvif.connection_bounds import Bounds, ConnectionLimit, bound_connections

_log = logging.getLogger(__name__)
_STATIC = Path(__file__).parent / "static"
_OPEN = {"/", "/api/sign-in", "/api/packets", "/favicon.ico"}
# All that an account may do whose password was made up and lies in a file.
_UNCLAIMED = {"/api/me", "/api/claim", "/api/sign-out"}
_MOST_PUSH_BYTES = 8 << 20
# A wall of 64 tiles is a WebSocket each, and several guards may come from one address.
_BOUNDS = Bounds(in_all=512, per_address=192)

# Nothing but our own files runs, and no site may frame the page. blob: is what MediaSource plays; data: are the
# pictures that the page cuts out of a frozen frame.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(box: BoxContext) -> web.Application:
    """The page of `box`, ready for an `AppRunner`; the caller serves it over TLS, or on loopback without."""
    app = web.Application(middlewares=[_say_what_went_wrong, _know_who_asks], client_max_size=_MOST_PUSH_BYTES)
    bound_connections(app, ConnectionLimit(_BOUNDS))
    app[BOX] = box
    app[SESSIONS] = WebSessions(box)
    watched = (cameras, masking, frames, stream, searches, reveal, exports)
    for part in (account, accounts, *watched, keys, audit, packets):
        app.add_routes(part.routes)
    app.router.add_get("/", _page)
    app.router.add_get("/favicon.ico", _mark)
    app.router.add_static("/static", _STATIC)
    app.cleanup_ctx.append(reveal.end_unwatched)
    app.on_response_prepare.append(_guard)
    return app


async def _page(_request: web.Request) -> web.StreamResponse:
    return web.FileResponse(_STATIC / "index.html")


async def _mark(_request: web.Request) -> web.StreamResponse:
    return web.FileResponse(_STATIC / "mark.svg")


async def _guard(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    # What an account sees must not be left in a browser where another one signs in next.
    response.headers.setdefault("Cache-Control", "no-store" if request.path.startswith("/api/") else "no-cache")
    if request.secure:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")


def _refusal(status: int, sentence: str, field: str | None = None) -> web.Response:
    return web.json_response({"error": sentence, "field": field}, status=status)


@web.middleware
async def _know_who_asks(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.path in _OPEN or request.path.startswith("/static/"):
        return await handler(request)
    found = request.app[SESSIONS].find(request)
    if found is None:
        return _refusal(401, "Sign in first.")
    session, user = found
    if request.method not in ("GET", "HEAD") and not (same_origin(request) and csrf_fits(request, session)):
        return _refusal(403, "This request did not come from the page itself; load the page again.")
    if request.path not in _UNCLAIMED and request.app[BOX].users.must_claim(user.name):
        return _refusal(403, "Choose a password of your own first.", "password")
    request[SESSION], request[ACCOUNT] = session, user
    return await handler(request)


@web.middleware
async def _say_what_went_wrong(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Error as error:
        if hides(error):
            _log.error("%s %s: %s", request.method, request.path, error)
        return _refusal(status(error), refusals.sentence(error), field(error))
    except web.HTTPRequestEntityTooLarge:
        return _refusal(413, "The request is too long.")
    except web.HTTPException as error:
        if request.path.startswith("/api/"):
            return _refusal(error.status, f"{error.reason}: {request.method} {request.path}")
        raise
    except ConnectionError:
        raise  # the browser went away
    except Exception:  # noqa: BLE001  # a bug of ours: its trace is for the log, and the page still gets an answer it can show
        _log.exception("%s %s", request.method, request.path)
        return _refusal(500, refusals.UNFORESEEN)
