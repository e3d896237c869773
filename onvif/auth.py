"""Authentication of clients: HTTP Digest and WS-UsernameToken at the server, and what stops guessing and replaying.

RFC 7616; OASIS Web Services Security UsernameToken Profile 1.0; ONVIF Core 26.06, 5.9.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from aiohttp import web
from lxml import etree

from base.throttle import Attempt, Limits, SignIns, Throttle, Throttled, place_of
from onvif import digest, names
from onvif.errors import Fault, NotAuthorized
from onvif.names import q
from onvif.users import User

T = TypeVar("T")
NONCE_LIFE_S = 300
TOKEN_WINDOW = timedelta(seconds=300)
"""How far the Created of a UsernameToken may be from our clock; as long are its nonces remembered."""
REMEMBERED = 10_000


class Authenticator:
    """Checks credentials against the present users. May be used from any thread.

    Args:
        users: the accounts at this moment, by name.
        realm: shown in challenges.
        now: the device's clock in UTC, which a client compares its tokens with.
        algorithms: of the digest, in order of preference.
        monotonic: for nonces and lock-outs.
        guard: counts wrong passwords, when others count with it.
    """

    def __init__(
        self,
        users: Callable[[], Mapping[str, User]],
        *,
        realm: str,
        now: Callable[[], datetime],
        algorithms: Callable[[], tuple[str, ...]] = lambda: digest.ALGORITHMS,
        monotonic: Callable[[], float] = time.monotonic,
        guard: "Guard | None" = None,
    ) -> None:
        self._users = users
        self._realm = realm
        self._now = now
        self._algorithms = algorithms
        self._monotonic = monotonic
        self._secret = secrets.token_bytes(32)
        self._counts = _Recent[int](REMEMBERED)
        self._tokens = _Recent[datetime](REMEMBERED)
        self._guard = guard or Guard(monotonic)
        self._lock = threading.Lock()

    def challenges(self, *, stale: bool = False, whole: bool = False, md5_first: bool = False) -> list[str]:
        """Values for WWW-Authenticate, one per algorithm; they share one nonce, for some clients mix the lines up.

        Args:
            md5_first: for HTTP, where a client that knows MD5 only tends to read the first challenge and give up;
                those of RTSP take the last. A client that knows SHA-256 chooses it wherever it stands.
            whole: demands that the whole body is bound, by SHA-256 whatever the device is set to offer elsewhere.
        """
        nonce = self._nonce()
        if whole:
            return [str(digest.Challenge(self._realm, nonce, "SHA-256", "veilcam", ("auth-int",), stale))]
        algorithms = sorted(self._algorithms(), key=digest.ALGORITHMS.index, reverse=md5_first)
        return [
            str(digest.Challenge(self._realm, nonce, algorithm, "veilcam", stale=stale)) for algorithm in algorithms
        ]

    def from_http(self, request: web.BaseRequest) -> User | None:
        """The user of an Authorization header, None without one; raises NotAuthorized."""
        header = request.headers.get("Authorization", "")
        return self.from_authorization(header, request.method, request.path_qs, request.remote or "")

    def from_authorization(
        self, header: str, method: str, path: str, address: str, *, body: bytes | None = None
    ) -> User | None:
        """The user of an Authorization value, None for an empty one; for RTSP too. Raises NotAuthorized.

        Args:
            body: what was sent, where the whole of it has to be bound (`challenges(whole=True)`).
        """
        if not header:
            return None
        scheme, _, rest = header.partition(" ")
        if scheme.lower() != "digest":
            raise NotAuthorized(f"the scheme {scheme[:20]} is not offered; use Digest")
        try:
            rest.encode()
        except UnicodeEncodeError:
            raise NotAuthorized("the digest is not text") from None
        given = digest.parameters(rest)
        if body is not None and (given.get("qop"), given.get("algorithm", "").upper()) != ("auth-int", "SHA-256"):
            raise NotAuthorized("this needs a digest over the whole body: qop=auth-int, algorithm=SHA-256")
        if body is None and given.get("qop") == "auth-int":
            raise NotAuthorized("a digest over the whole body is not offered here; use qop=auth")
        return self._digest(given, method, path, address, body)

    def vouch(self, header: str, user: User, answer: bytes) -> str:
        """`Authentication-Info` for the answer to a request whose whole body `from_authorization` has checked."""
        given = digest.parameters(header.partition(" ")[2])
        return digest.answer_info(given, user=user.name, password=user.password, body=answer)

    def from_token(self, header: etree._Element | None, address: str) -> User | None:
        """The user of a WS-UsernameToken in a SOAP header, None without one; raises Fault ter:NotAuthorized."""
        token = None if header is None else header.find(f"{q(names.WSSE, 'Security')}/{q(names.WSSE, 'UsernameToken')}")
        if token is None:
            return None
        name = token.findtext(q(names.WSSE, "Username")) or ""
        password = token.find(q(names.WSSE, "Password"))
        nonce = "".join((token.findtext(q(names.WSSE, "Nonce")) or "").split())  # some encoders fold base64
        created = (token.findtext(q(names.WSU, "Created")) or "").strip()
        if password is None or password.get("Type") != names.PASSWORD_DIGEST or not nonce or not created:
            raise _refused("the UsernameToken needs a PasswordDigest, a Nonce and a Created")
        user = self._users().get(name)
        try:
            raw = base64.b64decode(nonce, validate=True)
        except (binascii.Error, ValueError):
            raise _refused("the Nonce is not base64") from None
        try:
            with self._guard.attempt(address, name) as attempt:
                expected = token_digest(raw, created, user.password if user is not None else secrets.token_hex(8))
                if not hmac.compare_digest(expected, "".join((password.text or "").split()).encode()) or user is None:
                    raise _refused("the user name or password is wrong")
                # An overheard message that is replayed is right, too: it takes no wrong tries back.
                attempt.void()
                self._fresh(raw.hex(), created)
                attempt.passed()
                self._guard.worked(address, name)
        except Throttled as held:
            raise _refused(f"too many wrong passwords; wait {held.wait_s:.0f} s before trying again") from None
        return user

    def _fresh(self, nonce: str, created: str) -> None:
        at = _utc(created)
        now = self._now()
        if at is None or abs(at - now) > TOKEN_WINDOW:
            raise _refused("the time in Created is too far from this device's clock (GetSystemDateAndTime gives it)")
        with self._lock:
            if self._tokens.get(nonce + created) is not None:
                raise _refused("this UsernameToken was used before")
            self._tokens.set(nonce + created, now)

    def _digest(self, given: Mapping[str, str], method: str, path: str, address: str, body: bytes | None) -> User:
        name = given.get("username", "")
        if body is None and given.get("algorithm", "MD5").upper() not in self._algorithms():
            raise NotAuthorized("the digest algorithm is not offered")
        if given.get("realm") != self._realm or not _same_target(given.get("uri", ""), path):
            raise NotAuthorized("the digest is for another realm or address")
        user = self._users().get(name)
        password = user.password if user is not None else secrets.token_hex(8)
        try:
            expected = digest.response(given, user=name, password=password, method=method, body=body or b"")
        except KeyError as missing:
            raise NotAuthorized(f"the digest lacks {missing}") from None
        nonce = given.get("nonce", "")
        right = user is not None and hmac.compare_digest(expected.encode(), given.get("response", "").lower().encode())
        if user is not None and right and self._guard.vouches(address, name, nonce):
            self._counted(given)
            return user
        try:
            with self._guard.attempt(address, name) as attempt:
                if user is None or not right:
                    self._guard.doubt(address, name, nonce)
                    raise NotAuthorized("the user name or password is wrong")
                # An overheard message that is replayed is right, too: it takes no wrong tries back.
                attempt.void()
                self._counted(given)
                attempt.passed()
                self._guard.worked(address, name, nonce)
        except Throttled as held:
            raise NotAuthorized(f"too many wrong passwords; wait {held.wait_s:.0f} s before trying again") from None
        return user

    def _counted(self, given: Mapping[str, str]) -> None:
        nonce = given.get("nonce", "")
        if not self._issued(nonce):
            raise NotAuthorized("the nonce is not one of ours or too old", stale=True)
        try:
            count = int(given.get("nc", "0"), 16)
        except ValueError:
            raise NotAuthorized("nc is not hexadecimal") from None
        with self._lock:
            # Requests on parallel connections may overtake each other, so each count is accepted once, in any order.
            if given.get("qop") and self._counts.get(f"{nonce} {count}") is not None:
                raise NotAuthorized("this digest was used before", stale=True)
            self._counts.set(f"{nonce} {count}", count)

    def _nonce(self) -> str:
        stamp = f"{int(self._monotonic() * 1000):x}-{secrets.token_hex(6)}"
        return f"{stamp}-{self._sign(stamp)}"

    def _issued(self, nonce: str) -> bool:
        stamp, _, signature = nonce.rpartition("-")
        if not hmac.compare_digest(self._sign(stamp).encode(), signature.encode()):
            return False
        return self._monotonic() - int(stamp.partition("-")[0], 16) / 1000 < NONCE_LIFE_S

    def _sign(self, stamp: str) -> str:
        return hmac.new(self._secret, stamp.encode(), hashlib.sha256).hexdigest()[:32]


class Guard(SignIns):
    """Slows down guessing: after `FREE` wrong passwords an (address, user) waits, doubling up to a quarter of an hour.

    Counted per address and user, so that a stranger's guesses do not lock the owner out. Behind one address may be a
    recorder with an old password and a person with the new one: what just worked from an address goes on working.
    A client that guesses there has the tries of the address, which are few: it waits as well.
    """

    FREE = 8
    FIRST_S = 15.0
    LONGEST_S = 900.0
    KNOWN_S = 300.0

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        # An address that tries one name after the other waits a minute for each at the end.
        address = Limits(8 * self.FREE, 1.0, 60.0)
        super().__init__(Limits(self.FREE, self.FIRST_S, self.LONGEST_S), address, monotonic)
        self._monotonic = monotonic
        self._known = Throttle(Limits(1 << 30, 0.0, 0.0), monotonic)
        self._proven_s = _Recent[float](REMEMBERED)
        self._nonces = _Recent[bool](REMEMBERED)
        self._memory = threading.Lock()

    def attempt(self, address: str, name: str) -> Attempt:
        """As `SignIns.attempt`; by the address alone where this name has just worked."""
        key = f"{place_of(address)} {name[:64]}"
        with self._memory:
            proven_s = self._proven_s.get(key)
        if proven_s is None or self._monotonic() - proven_s > self.KNOWN_S:
            return super().attempt(address, name)
        wider = self._addresses.attempt(place_of(address))
        return self._known.attempt(key).within(wider)

    def worked(self, address: str, name: str, nonce: str = "") -> None:
        """These credentials were right; `nonce` of the digest that showed it."""
        with self._memory:
            self._proven_s.set(f"{place_of(address)} {name[:64]}", self._monotonic())
            if nonce:
                self._nonces.set(f"{place_of(address)} {name} {nonce}", True)

    def vouches(self, address: str, name: str, nonce: str) -> bool:
        """Whether that nonce was answered rightly from there: its client may go on however others guess."""
        with self._memory:
            return self._nonces.get(f"{place_of(address)} {name} {nonce}") is True

    def doubt(self, address: str, name: str, nonce: str) -> None:
        """It was answered wrongly since."""
        key = f"{place_of(address)} {name} {nonce}"
        with self._memory:
            if self._nonces.get(key):
                self._nonces.set(key, False)


def token_digest(nonce: bytes, created: str, password: str) -> bytes:
    """Base64(SHA-1(nonce + created + password)) of the UsernameToken Profile 1.0, 3.1."""
    return base64.b64encode(hashlib.sha1(nonce + created.encode() + password.encode(), usedforsecurity=False).digest())


def _refused(reason: str) -> Fault:
    return Fault(reason, "NotAuthorized")


def _utc(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _same_target(uri: str, path: str) -> bool:
    # Some clients put the whole URL into uri, proxies may have rewritten its host.
    if "://" in uri:
        uri = "/" + uri.split("://", 1)[1].partition("/")[2]
    return uri == path


class _Recent(Generic[T]):
    """The last so many entries of a mapping; the oldest gives way."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[str, T] = OrderedDict()

    def get(self, key: str) -> T | None:
        return self._entries.get(key)

    def set(self, key: str, value: T) -> None:
        self._entries[key] = value
        self._entries.move_to_end(key)
        while len(self._entries) > self._size:
            self._entries.popitem(last=False)
