"""Asking one of our cameras beside ONVIF: JSON over HTTP digest (docs/design.md, “Camera ↔ box”)."""

import json
from typing import Any

import aiohttp
from yarl import URL

from onvif import digest
from wire.base.errors import PeerError
from wire.base.logs import printable

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
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
            for _ in range(2):
                async with session.request(method, url, json=body, headers=headers, ssl=False) as reply:
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
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise PeerError(f"{url.host} does not answer; check its power, its cable and its address") from error
    raise PeerError(f"{url.host} refuses the password of {user!r}")


async def json_of(reply: aiohttp.ClientResponse) -> Any:
    """The JSON of an answer, `PeerError` when it is none."""
    body = await reply.content.read(_LARGEST)
    try:
        return json.loads(body)
    except ValueError as error:
        raise PeerError(f"{reply.url.host} answers with broken JSON") from error
