"""The account at the other end: sessions in memory, their cookie and the CSRF token.

A session is a random token in a cookie that scripts cannot read and other sites cannot send. Rights are not kept in
it: the account is read again at every request, so that a right taken away is gone at once.
"""

import hmac
import secrets
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from aiohttp import web

from nvr_box.box import BoxContext
from nvr_box.rights import Account

IDLE_S = 3600.0
LONGEST_S = 12 * 3600.0
_MOST_SESSIONS = 1000
CSRF_HEADER = "X-Veilcam-CSRF"


@dataclass(slots=True)
class WebSession:
    """One browser that signed in; times are monotonic seconds.

    `credential` is the account's when it began: a session under a password that holds no more is signed out,
    also when the command line changed it, or another account has the name now.
    """

    name: str
    credential: str
    csrf: str
    began_s: float
    used_s: float


@dataclass(slots=True)
class WebSessions:
    """The sessions of this process; a restart of the box signs everybody out."""

    box: BoxContext
    _held: dict[str, WebSession] = field(default_factory=dict)

    def begin(self, account: Account) -> tuple[str, WebSession]:
        """A new session of `account` and its token."""
        now = time.monotonic()
        self._held = {token: each for token, each in self._held.items() if _alive(each, now)}
        while len(self._held) >= _MOST_SESSIONS:
            del self._held[min(self._held, key=lambda token: self._held[token].used_s)]
        token = secrets.token_urlsafe(32)
        session = WebSession(account.name, self.box.users.credential(account.name), secrets.token_urlsafe(24), now, now)
        self._held[token] = session
        return token, session

    def find(self, request: web.Request) -> tuple[WebSession, Account] | None:
        """The session of this request and its account as it is now."""
        token = request.cookies.get(cookie_name(request), "")
        session = self._held.get(token)
        now = time.monotonic()
        if session is None or not _alive(session, now):
            self._held.pop(token, None)
            return None
        account = self.box.users.get(session.name)
        if account is None or session.credential != self.box.users.credential(session.name):
            del self._held[token]
            return None
        session.used_s = now
        return session, account

    def end(self, request: web.Request) -> None:
        """Forget the session of this request."""
        self._held.pop(request.cookies.get(cookie_name(request), ""), None)

    def renew(self, request: web.Request) -> None:
        """The account of this request's session has another password now: this session alone goes on."""
        session = self._held.get(request.cookies.get(cookie_name(request), ""))
        if session is not None:
            session.credential = self.box.users.credential(session.name)


def _alive(session: WebSession, now: float) -> bool:
    return now - session.used_s < IDLE_S and now - session.began_s < LONGEST_S


def cookie_name(request: web.Request) -> str:
    """RFC 6265bis 4.1.3.2: the prefix makes browsers refuse the cookie from any other host or path."""
    return "__Host-veilcam" if request.secure else "veilcam"


def set_cookie(request: web.Request, response: web.StreamResponse, token: str) -> None:
    """Hand the token to the browser; without TLS (loopback only) the cookie cannot be `Secure`."""
    response.set_cookie(cookie_name(request), token, path="/", httponly=True, secure=request.secure, samesite="Strict")


def same_origin(request: web.Request) -> bool:
    """Whether the browser says that our own page asks; WebSockets have no other protection against foreign pages."""
    origin = request.headers.get("Origin")
    if origin is None:
        return request.headers.get("Sec-Fetch-Site", "same-origin") in ("same-origin", "none")
    return urlsplit(origin).netloc == request.host


def csrf_fits(request: web.Request, session: WebSession) -> bool:
    """Whether a request that changes something carries the session's token."""
    return hmac.compare_digest(request.headers.get(CSRF_HEADER, "").encode(), session.csrf.encode())
