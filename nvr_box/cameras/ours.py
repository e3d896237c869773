"""Asking one of our cameras beside ONVIF: JSON over HTTP digest (docs/design.md, “Camera ↔ box”)."""

from typing import Any

import aiohttp
from yarl import URL

from nvr_box.record.source import SignInRefused
from onvif import digest
from wire.base.errors import PeerError, WireError
from wire.base.logs import printable
from wire.base.outside_json import read_json

TIMEOUT = aiohttp.ClientTimeout(total=15)
_LARGEST = 64 * 1024


async def signed(method: str, url: URL, user: str, password: str, body: dict[str, Any] | None, *, what: str) -> Any:
    """One exchange with HTTP digest: asked without, challenged, asked again; the JSON of the answer, None of a 204.

    Args:
        what: is asked for, in the words of a refusal.

    Raises:
        PeerError: it refuses, says why where it does, or does not answer.
    """
    headers: dict[str, str] = {}
    try:
        async with new_session() as session:
            for _ in range(2):
                async with session.request(
                    method, url, json=body, headers=headers, ssl=False, allow_redirects=False
                ) as reply:
                    if reply.status == 401:
                        if headers:
                            break
                        offered = digest.challenges(reply.headers.getall("WWW-Authenticate", []))
                        if not offered:
                            raise PeerError(f"{url.host} wants a password in a way that we do not speak")
                        answer = digest.credentials(
                            offered[0], user=user, password=password, method=method, uri=url.raw_path_qs
                        )
                        headers = {"Authorization": answer}
                        continue
                    if reply.status == 204:
                        return None
                    said = await json_of(reply) if "json" in reply.content_type else {}
                    if reply.status in (200, 201):
                        return said
                    why = printable(str(said.get("error", ""))) if isinstance(said, dict) else ""
                    raise PeerError(
                        f"{url.host} refuses {what} with status {reply.status}: {why or 'no reason given'}"
                    )
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise PeerError(f"{url.host} does not answer: {error or type(error).__name__}") from error
    raise SignInRefused(f"{url.host} refuses the password of {user!r}")


async def json_of(reply: aiohttp.ClientResponse) -> Any:
    """The JSON of an answer, `PeerError` when it is none."""
    body = b""
    while len(body) <= _LARGEST and (more := await reply.content.read(_LARGEST + 1 - len(body))):
        body += more
    try:
        return read_json(body, limit=_LARGEST, what="the answer")
    except WireError as error:
        raise PeerError(f"{reply.url.host} answers with broken JSON: {error}") from error


def new_session() -> aiohttp.ClientSession:
    """For one exchange. Answers are taken as they come: unpacking makes a thousand bytes of each one."""
    return aiohttp.ClientSession(timeout=TIMEOUT, auto_decompress=False, headers={"Accept-Encoding": "identity"})
