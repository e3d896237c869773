"""What a camera and its box say to each other when they are paired: the documents (`wire/pairing.md`).

`wire/meeting.py` has what is signed about them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from base.errors import SealError, WireError
from wire.keys import Recipient, key_id
from wire.meeting import VERSION

PATH = "/veilcam/pairing"
UNPINNED = 1
"""The version of documents that named no key of the box; kept ones are read, and end with the next offer."""
_MOST_RECIPIENTS = 16


@dataclass(frozen=True, slots=True)
class Pairing:
    """What a box gives a camera. `box_key` is what the box signs with, None for what an older program kept."""

    box_id: str
    feature_key: Recipient
    recipients: tuple[Recipient, ...]
    push_url: str
    push_fingerprint: bytes
    push_token: str = field(repr=False)
    box_key: bytes | None = None

    def to_json(self) -> dict[str, Any]:
        """The document as the box posts it, without the camera that it is for."""
        key = {"box_key": self.box_key.hex()} if self.box_key else {}
        return key | {
            "version": VERSION if self.box_key else UNPINNED,
            "box_id": self.box_id,
            "feature_key": self.feature_key.public.hex(),
            "recipients": [recipient.to_json() for recipient in self.recipients],
            "push_url": self.push_url,
            "push_fingerprint": self.push_fingerprint.hex(),
            "push_token": self.push_token,
        }

    @classmethod
    def from_json(cls, table: Any) -> "Pairing":
        """Read a document from outside.

        Raises:
            WireError: a field is missing, of the wrong kind, or out of range; the message names it.
        """
        if not isinstance(table, dict):
            raise WireError("the pairing document must be a JSON object")
        if table.get("version") not in (VERSION, UNPINNED):
            raise WireError(f"version: want {VERSION}, got {table.get('version')!r}")
        recipients = table.get("recipients")
        if not isinstance(recipients, list) or not 1 <= len(recipients) <= _MOST_RECIPIENTS:
            raise WireError(f"recipients: want a list of 1 to {_MOST_RECIPIENTS} keys")
        url = text_of(table, "push_url", 1000)
        try:
            parts = urlsplit(url)
            reachable = parts.scheme == "https" and parts.hostname and (parts.port or 443)
        except ValueError:
            reachable = None
        if not reachable:
            raise WireError(f"push_url: want https://host:port/path, got {url!r}")
        return cls(
            box_id=bytes_of(table, "box_id", 8).hex(),
            feature_key=Recipient(bytes_of(table, "feature_key", 32), "box"),
            recipients=tuple(Recipient.from_json(recipient) for recipient in recipients),
            push_url=url,
            push_fingerprint=bytes_of(table, "push_fingerprint", 32),
            push_token=text_of(table, "push_token", 1000),
            box_key=bytes_of(table, "box_key", 32) if table["version"] == VERSION else None,
        )

    def demand_usable(self) -> None:
        """Raise `WireError`, which names the key, unless something can be sealed to every key of it."""
        for name, key in (
            ("feature_key", self.feature_key),
            *(("recipients", recipient) for recipient in self.recipients),
        ):
            try:
                key.demand_usable()
            except SealError as error:
                raise WireError(f"{name}: {error}") from error


@dataclass(frozen=True, slots=True)
class CameraDocument:
    """What a camera says of itself; whether its key says it, `wire.meeting` checks.

    Args:
        paired_with: the id of its box, hex; None without one.
        box_key: whose orders it takes; None while no box's in particular.
        sealed_to: ids of the keys that it seals the originals to.
        stream_user: its account for the streams, None where it has none.
    """

    signing_key: bytes
    name: str
    serial: str
    appearance_model: str
    paired_with: str | None
    box_key: bytes | None
    sealed_to: tuple[bytes, ...]
    stream_user: str | None

    @property
    def camera_id(self) -> bytes:
        """Eight bytes that follow from the key."""
        return key_id(self.signing_key)

    def to_json(self) -> dict[str, Any]:
        """As it is sent, without a proof."""
        return {
            "version": VERSION,
            "camera_id": self.camera_id.hex(),
            "name": self.name,
            "serial": self.serial,
            "signing_key": self.signing_key.hex(),
            "appearance_model": self.appearance_model,
            "paired_with": self.paired_with,
            "box_key": self.box_key.hex() if self.box_key else None,
            "sealed_to": [kid.hex() for kid in self.sealed_to],
            "stream_user": self.stream_user,
        }

    @classmethod
    def from_json(cls, table: Any) -> "CameraDocument":
        """Read a document from outside; texts are not yet fit to be shown.

        Raises:
            WireError: another version (the message names it), or a field that is missing or does not fit.
        """
        if not isinstance(table, Mapping):
            raise WireError("the pairing document must be a JSON object")
        if table.get("version") != VERSION:
            raise WireError(f"the camera speaks version {table.get('version')!r} of the pairing, this box {VERSION}")
        try:
            found = cls(
                bytes.fromhex(table["signing_key"]),
                str(table["name"]),
                str(table["serial"]),
                str(table["appearance_model"]),
                None if table["paired_with"] is None else str(table["paired_with"]),
                None if table["box_key"] is None else bytes.fromhex(table["box_key"]),
                tuple(bytes.fromhex(kid) for kid in table["sealed_to"]),
                None if table["stream_user"] is None else str(table["stream_user"]),
            )
            if len(found.signing_key) != 32 or table["camera_id"] != found.camera_id.hex():
                raise WireError("camera_id: it is not the id of signing_key")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise WireError("the camera's pairing document is broken") from error
        return found


def text_of(table: Mapping[str, Any], key: str, limit: int) -> str:
    """A printable text of 1 to `limit` characters. Raises WireError."""
    value = table.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= limit or not value.isprintable():
        raise WireError(f"{key}: want text of 1 to {limit} characters")
    return value


def bytes_of(table: Mapping[str, Any], key: str, count: int) -> bytes:
    """So many bytes, in hexadecimal. Raises WireError."""
    try:
        value = bytes.fromhex(text_of(table, key, count * 2))
    except ValueError as error:
        raise WireError(f"{key}: want {count} bytes in hexadecimal") from error
    if len(value) != count:
        raise WireError(f"{key}: want {count} bytes in hexadecimal, got {len(value)}")
    return value
