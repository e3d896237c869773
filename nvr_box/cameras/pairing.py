"""The exchange of keys with a camera of ours: docs/design.md, “Camera ↔ box”. Any other camera answers 404."""

import json
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from onvif import digest
from wire.base.errors import PeerError
from wire.base.logs import printable
from wire.keys import Recipient

PATH = "/veilcam/pairing"
_LARGEST = 64 * 1024
_TIMEOUT = aiohttp.ClientTimeout(total=15)


@dataclass(frozen=True, slots=True)
class Paired:
    """What a camera says of itself. `signing_key` and `camera_id` are hex."""

    camera_id: str
    name: str
    serial: str
    signing_key: str
    appearance_model: str
    paired_with: str | None


@dataclass(frozen=True, slots=True)
class Offer:
    """What the box gives a camera: keys to seal to, and where packets go."""

    box_id: str
    feature_key: Recipient
    recipients: tuple[Recipient, ...]
    push_url: str
    push_fingerprint: str
    push_token: str

    def to_json(self) -> dict[str, Any]:
        """The body of the POST."""
        return {
            "version": 1,
            "box_id": self.box_id,
            "feature_key": self.feature_key.public.hex(),
            "recipients": [each.to_json() for each in self.recipients],
            "push_url": self.push_url,
            "push_fingerprint": self.push_fingerprint,
            "push_token": self.push_token,
        }


async def look(xaddr: str) -> Paired | None:
    """Ask the device at `xaddr` whether it is ours; None when it is of another make.

    Raises:
        PeerError: it does not answer, or answers nonsense.
    """
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT) as session,
            session.get(_url(xaddr), ssl=False, allow_redirects=False) as reply,
        ):
            if reply.status != 200 or "json" not in reply.content_type:
                return None
            return _read(await _json(reply))
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise PeerError(f"{_url(xaddr).host} does not answer: {error or type(error).__name__}") from error


async def pair(xaddr: str, user: str, password: str, offer: Offer) -> Paired:
    """Give the camera our keys; it uses them from its next key frame on.

    Raises:
        PeerError: it refuses, says why where it does, or does not answer.
    """
    reply = await _signed("POST", xaddr, user, password, offer.to_json())
    return _read(reply)


async def unpair(xaddr: str, user: str, password: str) -> None:
    """Make the camera forget us. Raises `PeerError` when it does not."""
    await _signed("DELETE", xaddr, user, password, None)


async def _signed(method: str, xaddr: str, user: str, password: str, body: dict[str, Any] | None) -> Any:
    """One exchange with HTTP digest: asked without, challenged, asked again."""
    url = _url(xaddr)
    headers: dict[str, str] = {}
    try:
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            for _ in range(2):
                async with session.request(method, url, json=body, headers=headers, ssl=False) as reply:
                    if reply.status == 401 and not headers:
                        offered = digest.challenges(reply.headers.getall("WWW-Authenticate", []))
                        if not offered:
                            raise PeerError(f"{url.host} wants a password in a way that we do not speak")
                        answer = digest.credentials(offered[0], user=user, password=password, method=method, uri=PATH)
                        headers = {"Authorization": answer}
                        continue
                    if reply.status == 204:
                        return None
                    said = await _json(reply) if "json" in reply.content_type else {}
                    if reply.status in (200, 201):
                        return said
                    why = printable(str(said.get("error", ""))) if isinstance(said, dict) else ""
                    raise PeerError(
                        f"{url.host} refuses pairing with status {reply.status}: {why or 'no reason given'}"
                    )
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise PeerError(f"{url.host} does not answer: {error or type(error).__name__}") from error
    raise PeerError(f"{url.host} refuses the password of {user!r}")


async def _json(reply: aiohttp.ClientResponse) -> Any:
    body = await reply.content.read(_LARGEST)
    try:
        return json.loads(body)
    except ValueError as error:
        raise PeerError(f"{reply.url.host} answers with broken JSON") from error


def _read(table: Any) -> Paired:
    try:
        if table["version"] != 1:
            raise PeerError(f"the camera speaks version {table['version']!r} of the pairing, this box speaks 1")
        camera_id, signing_key = bytes.fromhex(table["camera_id"]), bytes.fromhex(table["signing_key"])
        if len(camera_id) != 8 or len(signing_key) != 32:
            raise ValueError("a key of the wrong length")
        paired_with = table["paired_with"]
        return Paired(
            camera_id.hex(),
            printable(str(table["name"]), limit=64),
            printable(str(table["serial"]), limit=64),
            signing_key.hex(),
            printable(str(table["appearance_model"]), limit=64),
            None if paired_with is None else printable(str(paired_with), limit=16),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise PeerError(f"the camera's pairing document is broken: {error}") from error


def _url(xaddr: str) -> URL:
    return URL(xaddr).with_path(PATH).with_query(None)
