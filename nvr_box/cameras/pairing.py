"""The exchange of keys with a camera of ours: docs/design.md, “Camera ↔ box”. Any other camera answers 404.

A camera is its key: at every meeting it signs a nonce of ours, and its id has to be the id of that key.
"""

import os
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from base.errors import PeerError, SealError, WireError
from base.logs import printable
from nvr_box.cameras.veilcam_client import RequestSigning, json_of, new_session, signed
from wire import meeting
from wire.keys import Recipient
from wire.pairing import PATH, UNPINNED, CameraDocument, Pairing


class OlderPairing(PeerError):
    """The camera speaks the version of the pairing that proves no key: it is recorded, and cannot be given keys."""


@dataclass(frozen=True, slots=True)
class Paired:
    """What a camera says of itself, proven by its key. `signing_key`, `camera_id` and `box_key` are hex.

    Attributes:
        box_key: what it takes orders from, None while from any box.
        sealed_to: ids of the keys that it seals the originals to, hex, by blanks.
        stream_user: its account for the streams, None where it has none.
        stream_password: sealed to the box; only in the answer to an offer.
    """

    camera_id: str
    name: str
    serial: str
    signing_key: str
    appearance_model: str
    paired_with: str | None
    box_key: str | None = None
    sealed_to: str = ""
    stream_user: str | None = None
    stream_password: bytes = b""


@dataclass(frozen=True, slots=True)
class Offer:
    """What the box gives a camera: keys to seal to, where packets go, and whose orders it takes from then on.

    `camera_id` and `box_key` are hex.
    """

    camera_id: str
    box_id: str
    box_key: str
    feature_key: Recipient
    recipients: tuple[Recipient, ...]
    push_url: str
    push_fingerprint: str
    push_token: str

    def to_json(self) -> dict[str, Any]:
        """The body of the POST."""
        given = Pairing(
            self.box_id, self.feature_key, self.recipients, self.push_url, bytes.fromhex(self.push_fingerprint),
            self.push_token, bytes.fromhex(self.box_key),
        )  # fmt: skip
        return given.to_json() | {"camera_id": self.camera_id}


async def look(xaddr: str) -> Paired | None:
    """Ask the device at `xaddr` whether it is ours, and let it prove it; None when it is of another make.

    Raises:
        PeerError: it does not answer, answers nonsense, or has not the key that it says.
    """
    nonce = os.urandom(meeting.NONCE_BYTES)
    url = _url(xaddr).with_query(nonce=nonce.hex())
    try:
        async with (
            new_session() as session,
            session.get(url, ssl=False, allow_redirects=False) as reply,
        ):
            if reply.status != 200 or "json" not in reply.content_type:
                return None
            table = await json_of(reply)
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise PeerError(f"{url.host} does not answer; check its power, its cable and its address") from error
    said = _read(table)
    try:
        meeting.check_met(bytes.fromhex(said.signing_key), nonce, table)
    except SealError as error:
        raise PeerError(f"{url.host} does not prove that it is the camera {said.camera_id}: {error}") from error
    return said


async def pair(xaddr: str, user: str, password: str, offer: Offer, *, seen: Paired, order: RequestSigning) -> Paired:
    """Give the camera that was `seen` our keys; it uses them from its next key frame on.

    Raises:
        PeerError: it refuses, says why where it does, does not answer, is another camera by now, or does not prove
            that it took exactly this offer.
    """
    answer = await signed("POST", _url(xaddr), user, password, offer.to_json(), what="pairing", order=order)
    said = _read(answer.said)
    if said.signing_key != seen.signing_key:
        raise PeerError(f"another camera than {seen.name} answered the offer")
    try:
        meeting.check_taken(bytes.fromhex(said.signing_key), answer.sent, answer.said)
    except SealError as error:
        raise PeerError(f"{seen.name} does not prove that it took our keys: {error}") from error
    kids = " ".join(each.kid.hex() for each in offer.recipients)
    if (said.paired_with, said.box_key, said.sealed_to) != (offer.box_id, offer.box_key, kids):
        raise PeerError(f"{seen.name} took other keys than it was offered")
    return said


async def unpair(xaddr: str, user: str, password: str, order: RequestSigning) -> None:
    """Make the camera forget us. Raises `PeerError` when it does not."""
    await signed("DELETE", _url(xaddr), user, password, None, what="pairing", order=order)


def _read(table: Any) -> Paired:
    try:
        if table["version"] == UNPINNED:
            raise OlderPairing(
                "its program is older than this box and proves no key: update the camera's program, then pair it again"
            )
        if table["version"] != meeting.VERSION:
            mine = meeting.VERSION
            raise PeerError(f"the camera speaks version {table['version']!r} of the pairing, this box speaks {mine}")
        said = CameraDocument.from_json(table)
        return Paired(
            said.camera_id.hex(),
            printable(said.name, limit=64),
            printable(said.serial, limit=64),
            said.signing_key.hex(),
            printable(said.appearance_model, limit=64),
            printable(said.paired_with, limit=16) if said.paired_with is not None else None,
            said.box_key.hex() if said.box_key is not None else None,
            " ".join(kid.hex() for kid in said.sealed_to),
            printable(said.stream_user, limit=32) if said.stream_user is not None else None,
            bytes.fromhex(str(table.get("stream_password", ""))),
        )
    except (KeyError, TypeError, ValueError, AttributeError, WireError) as error:
        raise PeerError("the camera's pairing document is broken") from error


def _url(xaddr: str) -> URL:
    return URL(xaddr).with_path(PATH).with_query(None)
