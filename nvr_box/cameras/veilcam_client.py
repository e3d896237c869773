"""Asking one of our cameras beside ONVIF: JSON over HTTP digest (docs/design.md, “Camera ↔ box”)."""

import hmac
import json
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from base.errors import PeerError, WireError
from base.logs import printable
from base.outside_json import read_json
from nvr_box.record.source import SignInRefused
from onvif import digest
from wire import meeting
from wire.keys import SigningKey

TIMEOUT = aiohttp.ClientTimeout(total=15)
_LARGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class RequestSigning:
    """What a request that a camera takes from its own box alone is signed with.

    Args:
        camera_id: 8 bytes.
        signer: the box's.
    """

    camera_id: bytes
    signer: SigningKey


@dataclass(frozen=True, slots=True)
class CameraAnswer:
    """What was sent, to the byte, and the JSON that came back; None of a 204."""

    sent: bytes
    said: Any


async def signed(
    method: str,
    url: URL,
    user: str,
    password: str,
    body: dict[str, Any] | None,
    *,
    what: str,
    order: RequestSigning | None = None,
) -> CameraAnswer:
    """One exchange in which the password vouches for the whole body and for the whole answer (`auth-int`).

    Args:
        what: is requested, in the words of a refusal.

    Raises:
        PeerError: it refuses, says why where it does, does not answer, or what comes was altered on the way.
    """
    sent = b"" if body is None else json.dumps(body).encode()
    try:
        async with new_session() as session:
            # Without the body: a server that demands the password first gets no document to read.
            async with session.request(method, url, ssl=False, allow_redirects=False) as reply:
                if reply.status != 401:
                    raise PeerError(f"{url.host} refuses {what} with status {reply.status}: {await _why(reply)}")
                offered = digest.challenges(reply.headers.getall("WWW-Authenticate", []), whole=True)
            if not offered:
                raise PeerError(f"{url.host} does not let the password vouch for what is sent; its program is too old")
            header = digest.credentials(
                offered[0], user=user, password=password, method=method, uri=url.raw_path_qs, body=sent
            )
            headers = {"Authorization": header, "Content-Type": "application/json"}
            if order is not None:
                mine = meeting.SignedOrder(order.camera_id, offered[0].nonce, method, url.raw_path_qs, sent)
                headers[meeting.ORDER_HEADER] = mine.sign(order.signer)
            async with session.request(
                method, url, data=sent, headers=headers, ssl=False, allow_redirects=False
            ) as reply:
                if reply.status == 401:
                    raise SignInRefused(f"{url.host} refuses the password of {user!r}")
                if reply.status not in (200, 201, 204):
                    raise PeerError(f"{url.host} refuses {what} with status {reply.status}: {await _why(reply)}")
                raw = await _body(reply)
                info = digest.parameters(reply.headers.get("Authentication-Info", ""))
                given = digest.parameters(header.partition(" ")[2])
                proof = digest.response(given, user=user, password=password, method="", body=raw)
                if not hmac.compare_digest(proof.encode(), info.get("rspauth", "").encode(errors="replace")):
                    raise PeerError(f"what {url.host} answers was altered on the way, or it has not the password")
                return CameraAnswer(sent, None if reply.status == 204 else parsed(raw, url.host))
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise PeerError(f"{url.host} does not answer; check its power, its cable and its address") from error
    except ValueError as error:
        # Bytes of its challenge that are no text, or that no header can carry back.
        raise PeerError(f"{url.host} asks for the password in a way that cannot be answered") from error


async def _why(reply: aiohttp.ClientResponse) -> str:
    """The reason of a refusal, as far as the camera gives one."""
    said = await json_of(reply) if "json" in reply.content_type else {}
    return (printable(str(said.get("error", ""))) if isinstance(said, dict) else "") or "no reason given"


async def json_of(reply: aiohttp.ClientResponse) -> Any:
    """The JSON of an answer, `PeerError` when it is none."""
    return parsed(await _body(reply), reply.url.host)


async def _body(reply: aiohttp.ClientResponse) -> bytes:
    body = b""
    while len(body) <= _LARGEST and (more := await reply.content.read(_LARGEST + 1 - len(body))):
        body += more
    if len(body) > _LARGEST:
        raise PeerError(f"{reply.url.host} answers with more than {_LARGEST} bytes")
    return body


def parsed(body: bytes, host: str | None) -> Any:
    """JSON that a camera sent, `PeerError` when it is none."""
    try:
        return read_json(body, limit=_LARGEST, what="the answer")
    except WireError as error:
        raise PeerError(f"{host} answers with broken JSON: {error}") from error


def new_session() -> aiohttp.ClientSession:
    """For one exchange. Answers are taken as they come: unpacking makes a thousand bytes of each one."""
    return aiohttp.ClientSession(timeout=TIMEOUT, auto_decompress=False, headers={"Accept-Encoding": "identity"})
