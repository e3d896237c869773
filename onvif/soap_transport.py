"""One device's HTTP side for our SOAP client: authentication that finds its own way, odd statuses, clock skew.

A device may want HTTP Digest (Profiles T, M, G), WS-UsernameToken (Profile S), either, or nothing for a given
operation; it does not say so in advance. The first refused request decides, and the choice is kept.
"""

import asyncio
import base64
import secrets
from datetime import UTC, datetime, timedelta
from enum import Enum

import aiohttp
from lxml import etree
from yarl import URL

from onvif import digest, names, soap
from onvif.auth import token_digest
from onvif.errors import NotAuthorized, NotOnvif, Unreachable
from onvif.names import q

LARGEST_REPLY = 4 << 20
"""Bytes; recorders with thousands of recordings answer with megabytes."""
# Answers are taken as they come: unpacking makes a thousand bytes of each one.
_PLAIN = {"Accept-Encoding": "identity"}


class _Scheme(Enum):
    UNKNOWN = "unknown"
    DIGEST = "digest"
    USERNAME_TOKEN = "token"  # noqa: S105 - the name of a scheme


class SoapTransport:
    """Sends envelopes to one device and returns what it answers. For one event loop.

    Args:
        user: empty for none.
        timeout_s: for one exchange; a pull adds its own waiting time.
        tls: as aiohttp's `ssl`; False accepts the self-signed certificates that cameras carry.
    """

    def __init__(
        self,
        user: str,
        password: str,
        *,
        timeout_s: float = 15.0,
        tls: bool | aiohttp.Fingerprint = False,
        session: aiohttp.ClientSession | None = None,
    ) -> None:
        self.user = user
        self.password = password
        self.skew = timedelta(0)
        """The device's clock minus ours; tokens are stamped with the device's time."""
        self._timeout_s = timeout_s
        self._tls = tls
        self._session = session
        self._own_session = session is None
        self._scheme = _Scheme.UNKNOWN
        self._challenge: digest.Challenge | None = None
        self._count = 0

    async def close(self) -> None:
        if self._session is not None and self._own_session:
            await self._session.close()

    async def request(
        self, url: str, body: etree._Element, *, action: str = "", headers: tuple[etree._Element, ...] = (),
        wait_s: float = 0.0, sign: bool = True,
    ) -> etree._Element:  # fmt: skip
        """Send one request, return the body element of the reply.

        Args:
            action: WS-Addressing action; its headers are sent when given.
            headers: further SOAP headers (reference parameters of a subscription).
            wait_s: how much longer than usual the device may take.
            sign: False sends no credentials (GetSystemDateAndTime).

        Raises:
            Fault: the device's fault, its subcodes as sent.
            NotAuthorized: it refuses these credentials in every way that it offers.
            NotOnvif: the answer is not SOAP.
            Unreachable: no answer.
        """
        for _ in range(4):
            tried = self._scheme if sign and self.user else _Scheme.UNKNOWN
            token = self._token() if tried is _Scheme.USERNAME_TOKEN else None
            message = _message(body, action=action, to=url, headers=headers, security=token)
            status, challenges, content = await self._post(url, message, action, wait_s, signed=tried is _Scheme.DIGEST)
            # Megabytes of XML take a second: not on the event loop, where recordings are watched and cameras attended.
            refused, answer = await asyncio.to_thread(_read, status, content)
            if not refused:
                return answer if answer is not None else _nothing(status, content)
            if not sign or not self.user or not self._next_scheme(tried, challenges):
                break
        raise NotAuthorized(
            f"{url} refuses the user {self.user!r}" if self.user else f"{url} wants a user and password"
        )

    def _next_scheme(self, tried: _Scheme, challenges: list[digest.Challenge]) -> bool:
        """Choose how to ask again after a refusal; False when nothing is left to try."""
        if tried is _Scheme.UNKNOWN:
            self._use(challenges)
            return True
        if tried is _Scheme.DIGEST:
            fresh = bool(challenges) and (challenges[0].stale or self._count > 1)
            if fresh:
                self._use(challenges)
            else:
                self._scheme = _Scheme.USERNAME_TOKEN
            return True
        self._scheme = _Scheme.UNKNOWN
        return False

    def _use(self, challenges: list[digest.Challenge]) -> None:
        self._scheme = _Scheme.DIGEST if challenges else _Scheme.USERNAME_TOKEN
        self._challenge = challenges[0] if challenges else None
        self._count = 0

    async def _post(
        self, url: str, message: bytes, action: str, wait_s: float, *, signed: bool
    ) -> tuple[int, list[digest.Challenge], bytes]:
        kind = "application/soap+xml; charset=utf-8" + (f'; action="{action}"' if action else "")
        headers = {"Content-Type": kind, **_PLAIN}
        if signed and self._challenge is not None:
            headers["Authorization"] = self.authorization("POST", url)
        timeout = aiohttp.ClientTimeout(total=self._timeout_s + wait_s)
        try:
            async with self.session.post(url, data=message, headers=headers, timeout=timeout, ssl=self._tls,
                                         allow_redirects=False) as response:  # fmt: skip
                content = await _limited(response)
                return response.status, digest.challenges(response.headers.getall("WWW-Authenticate", [])), content
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, OSError, ValueError) as problem:
            raise Unreachable(f"{url} does not answer") from problem

    def authorization(self, method: str, url: str) -> str:
        """Digest credentials for the present challenge."""
        assert self._challenge is not None
        self._count += 1
        target = URL(url).raw_path_qs
        return digest.credentials(
            self._challenge, user=self.user, password=self.password, method=method, uri=target, count=self._count
        )

    async def get(self, url: str) -> bytes:
        """Fetch a snapshot with the same credentials; raises as `ask`."""
        for attempt in range(2):
            headers = dict(_PLAIN)
            if self._challenge is not None:
                headers["Authorization"] = self.authorization("GET", url)
            timeout = aiohttp.ClientTimeout(total=self._timeout_s)
            try:
                async with self.session.get(url, headers=headers, timeout=timeout, ssl=self._tls,
                                            allow_redirects=False) as response:  # fmt: skip
                    content = await _limited(response)
                    if response.status == 200:
                        return content
                    challenges = digest.challenges(response.headers.getall("WWW-Authenticate", []))
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as problem:
                raise Unreachable(f"{url} does not answer") from problem
            if response.status != 401:
                raise NotOnvif(f"{url} answers with status {response.status}")
            if not challenges or attempt:
                break
            self._challenge, self._count = challenges[0], 0
        raise NotAuthorized(f"{url} refuses the user {self.user!r}")

    @property
    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit_per_host=4), auto_decompress=False
            )
        return self._session

    def _token(self) -> etree._Element:
        nonce = secrets.token_bytes(16)
        created = (datetime.now(UTC) + self.skew).strftime("%Y-%m-%dT%H:%M:%SZ")
        security = etree.Element(q(names.WSSE, "Security"))
        token = etree.SubElement(security, q(names.WSSE, "UsernameToken"))
        etree.SubElement(token, q(names.WSSE, "Username")).text = self.user
        password = etree.SubElement(token, q(names.WSSE, "Password"), Type=names.PASSWORD_DIGEST)
        password.text = token_digest(nonce, created, self.password).decode()
        encoded = etree.SubElement(token, q(names.WSSE, "Nonce"), EncodingType=names.BASE64_BINARY)
        encoded.text = base64.b64encode(nonce).decode()
        etree.SubElement(token, q(names.WSU, "Created")).text = created
        return security


def _message(
    body: etree._Element, *, action: str, to: str, headers: tuple[etree._Element, ...], security: etree._Element | None
) -> bytes:
    blocks = (*headers, security) if security is not None else headers
    return soap.request(body, action=action, to=to, headers=blocks)


def _read(status: int, content: bytes) -> tuple[bool, etree._Element | None]:
    """(refused for want of credentials, body element); raises Fault for any other fault."""
    try:
        envelope = soap.parse(content.strip(), limit=LARGEST_REPLY)
    except NotOnvif:
        if status in {401, 403}:
            return True, None
        raise
    element = envelope.body
    if element is not None and names.split(str(element.tag))[1] == "Fault":
        fault = soap.read_fault(element, status)
        # Subcodes, spelling and status all vary between devices; some say it only in the text.
        words = " ".join((*fault.subcodes, fault.reason)).lower().replace(" ", "")
        if status == 401 or "notauthorized" in words or "failedauthentication" in words or "unauthorized" in words:
            return True, None
        raise fault
    if status == 401:
        return True, None
    return False, element


def _nothing(status: int, content: bytes) -> etree._Element:
    raise NotOnvif(f"the answer (status {status}, {len(content)} bytes) has an empty SOAP Body")


async def _limited(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    while len(content) <= LARGEST_REPLY and (more := await response.content.read(LARGEST_REPLY + 1 - len(content))):
        content += more
    if len(content) > LARGEST_REPLY:
        raise NotOnvif(f"the answer is larger than {LARGEST_REPLY} bytes")
    return bytes(content)
