"""Requests of an administrator beside ONVIF: the password vouches for the whole body, and for the whole answer.

HTTP digest with `qop=auth` covers method and address only, and a camera's certificate is its own: a proxy could put
other keys into a document on its way. `auth-int` leaves it nothing to change.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from onvif import digest
from onvif.auth import Authenticator
from onvif.connection_bounds import read_in_time
from onvif.errors import NotAuthorized
from onvif.users import AccessClass, User, may

MAX_BODY = 64 * 1024
BODY_S = 10.0


@dataclass(frozen=True, slots=True)
class Bound:
    """One such request, checked.

    Args:
        nonce: of the digest that was answered.
        vouch: the `Authentication-Info` of an answer with this body.
    """

    body: bytes
    nonce: str
    vouch: Callable[[bytes], str]

    def answer(self, document: dict[str, Any]) -> web.Response:
        """A JSON answer that only a holder of the password can have written."""
        body = json.dumps(document).encode()
        info = {"Authentication-Info": self.vouch(body)}
        return web.Response(body=body, content_type="application/json", headers=info)


Authorise = Callable[[web.Request], Awaitable[Bound]]
"""Returns when the request comes from an administrator; raises the 401, 403 or 413 otherwise."""


async def body_of(request: web.Request) -> bytes:
    """The whole body; raises 413 for one that no document of ours needs, 408 for one that does not come."""
    try:
        return await read_in_time(request, most=MAX_BODY, limit_s=BODY_S)
    except web.HTTPRequestEntityTooLarge as error:
        error.text = json.dumps({"error": f"the document is larger than {MAX_BODY} bytes"})
        raise


def authoriser(authenticator: Authenticator) -> Authorise:
    """For routes of administrators whose body the password has to vouch for."""

    async def authorise(request: web.Request) -> Bound:
        body = await body_of(request)
        user = authorised(authenticator, request, AccessClass.WRITE_SYSTEM, body)
        header = request.headers.get("Authorization", "")
        nonce = digest.parameters(header.partition(" ")[2])["nonce"]
        return Bound(body, nonce, lambda answer: authenticator.vouch(header, user, answer))

    return authorise


def authorised(
    authenticator: Authenticator, request: web.Request, access: AccessClass, body: bytes | None = None
) -> User:
    """The authenticated user, of a level that may; `body` where the digest has to cover the whole of it.

    Raises:
        web.HTTPException: the 401 with its challenge, or the 403.
    """
    header, address = request.headers.get("Authorization", ""), request.remote or ""
    try:
        user = authenticator.from_authorization(header, request.method, request.path_qs, address, body=body)
        if user is None:
            raise NotAuthorized("this needs a user and a password")
    except NotAuthorized as refusal:
        answer = web.HTTPUnauthorized(text=str(refusal))
        for challenge in authenticator.challenges(stale=refusal.stale, whole=body is not None, md5_first=True):
            answer.headers.add("WWW-Authenticate", challenge)
        raise answer from refusal
    if not may(user.level, access):
        raise web.HTTPForbidden(text=f"this is not for users of the level {user.level}")
    return user


def refused(status: int, why: str) -> web.Response:
    """A refusal in words."""
    return web.json_response({"error": why}, status=status)
