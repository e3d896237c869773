"""Signing in and out, and the account that is signed in."""

import math
import time

from aiohttp import web

from nvr_box.accounts.users import TooMany
from nvr_box.rights import Account
from nvr_box.web.request_fields import SESSION, SESSIONS, account_of, body, box, iso, text
from nvr_box.web.sessions import WebSession, cookie_name, same_origin, set_cookie

routes = web.RouteTableDef()


def _answer(request: web.Request, account: Account, session: WebSession) -> web.Response:
    return web.json_response(
        {
            "name": account.name,
            "rights": sorted(right.value for right in account.rights),
            "cameras": None if account.cameras is None else sorted(account.cameras),
            "csrf": session.csrf,
            "claim": box(request).users.must_claim(account.name),
            "box": box(request).config.name,
            "now": iso(time.time_ns() // 1000),
        }
    )


@routes.post("/api/sign-in")
async def sign_in(request: web.Request) -> web.Response:
    """Check a name and a password; the session's cookie comes with the answer."""
    if not same_origin(request):
        return web.json_response({"error": "Another site asked to sign in here.", "field": None}, status=403)
    sessions = request.app[SESSIONS]
    fields = await body(request)
    name, password = text(fields, "name", most=64), text(fields, "password", most=1024)
    try:
        account = await box(request).users.authenticate(name, password, peer=request.remote or "?")
    except TooMany as held:
        said = str(held)
        return web.json_response(
            {"error": f"{said[:1].upper()}{said[1:]}.", "field": None},
            status=429,
            headers={"Retry-After": str(math.ceil(held.wait_s))},
        )
    sessions.end(request)
    token, session = sessions.begin(account)
    response = _answer(request, account, session)
    set_cookie(request, response, token)
    return response


@routes.post("/api/sign-out")
async def sign_out(request: web.Request) -> web.Response:
    """End the session; what it was watching closes within seconds."""
    request.app[SESSIONS].end(request)
    await box(request).audit.write(account_of(request).name, "sign-out")
    response = web.Response(status=204)
    response.del_cookie(cookie_name(request), path="/", secure=request.secure, httponly=True, samesite="Strict")
    return response


@routes.post("/api/claim")
async def claim(request: web.Request) -> web.Response:
    """Choose a password in the place of the one that was made up; every other session of the account ends."""
    account = account_of(request)
    await box(request).users.claim(account, text(await body(request), "password", most=1024))
    request.app[SESSIONS].renew(request)
    return _answer(request, account, request[SESSION])


@routes.get("/api/me")
async def me(request: web.Request) -> web.Response:
    """The account that is signed in, its rights, and the token that changes need."""
    return _answer(request, account_of(request), request[SESSION])
