"""The exchange of keys with a camera of ours: docs/design.md, “Camera ↔ box”. Any other camera answers 404."""

from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from nvr_box.cameras.ours import json_of, new_session, signed
from wire.base.errors import PeerError
from wire.base.logs import printable
from wire.keys import Recipient

PATH = "/veilcam/pairing"


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
            new_session() as session,
            session.get(_url(xaddr), ssl=False, allow_redirects=False) as reply,
        ):
            if reply.status != 200 or "json" not in reply.content_type:
                return None
            return _read(await json_of(reply))
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise PeerError(f"{_url(xaddr).host} does not answer: {error or type(error).__name__}") from error


async def pair(xaddr: str, user: str, password: str, offer: Offer) -> Paired:
    """Give the camera our keys; it uses them from its next key frame on.

    Raises:
        PeerError: it refuses, says why where it does, or does not answer.
    """
    return _read(await signed("POST", _url(xaddr), user, password, offer.to_json(), what="pairing"))


async def unpair(xaddr: str, user: str, password: str) -> None:
    """Make the camera forget us. Raises `PeerError` when it does not."""
    await signed("DELETE", _url(xaddr), user, password, None, what="pairing")


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
