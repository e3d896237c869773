"""Which box this camera belongs to: the keys it seals to, and where its packets go.

docs/design.md, "Camera <-> box". The document of a pairing is kept in the state directory (mode 600: it holds the push
token); the camera never holds a private key of the box.
"""

import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from firmware.identity import CameraIdentity
from wire.base.errors import ConfigError, WireError
from wire.keys import Recipient

VERSION = 1
PATH = "/veilcam/pairing"
_FILE = "pairing.json"
_MAX_BODY = 64 * 1024
_MAX_RECIPIENTS = 16


@dataclass(frozen=True, slots=True)
class Pairing:
    """What a box told this camera."""

    box_id: str
    feature_key: Recipient
    recipients: tuple[Recipient, ...]
    push_url: str
    push_fingerprint: bytes
    push_token: str = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """The document as the box posts it."""
        return {
            "version": VERSION,
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
        if table.get("version") != VERSION:
            raise WireError(f"version: want {VERSION}, got {table.get('version')!r}")
        recipients = table.get("recipients")
        if not isinstance(recipients, list) or not 1 <= len(recipients) <= _MAX_RECIPIENTS:
            raise WireError(f"recipients: want a list of 1 to {_MAX_RECIPIENTS} keys")
        url = _text(table, "push_url", 1000)
        try:
            parts = urlsplit(url)
            reachable = parts.scheme == "https" and parts.hostname and (parts.port or 443)
        except ValueError:
            reachable = None
        if not reachable:
            raise WireError(f"push_url: want https://host:port/path, got {url!r}")
        return cls(
            box_id=_hex(table, "box_id", 8).hex(),
            feature_key=Recipient(_hex(table, "feature_key", 32), "box"),
            recipients=tuple(Recipient.from_json(recipient) for recipient in recipients),
            push_url=url,
            push_fingerprint=_hex(table, "push_fingerprint", 32),
            push_token=_text(table, "push_token", 1000),
        )


class Pairings:
    """The pairing in force, on disk and in memory; event-loop thread.

    Args:
        state: the state directory.

    Raises:
        ConfigError: the kept document is damaged. It is not thrown away: the camera would fall silent.
    """

    def __init__(self, state: Path) -> None:
        self._path = state / _FILE
        self._listeners: list[Callable[[Pairing | None, Pairing | None], None]] = []
        self.current: Pairing | None = None
        try:
            self.current = Pairing.from_json(json.loads(self._path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, WireError) as error:
            raise ConfigError(f"{self._path}: the pairing is damaged ({error}); remove it and pair again") from error

    def listen(self, changed: Callable[[Pairing | None, Pairing | None], None]) -> None:
        """Call `changed` with the pairing before and the new one whenever it changes."""
        self._listeners.append(changed)

    def set(self, pairing: Pairing | None) -> None:
        """Keep a new pairing, or none, and tell everybody.

        Raises:
            OSError: it cannot be written; the old one holds.
        """
        if pairing is None:
            self._path.unlink(missing_ok=True)
        else:
            fresh = self._path.with_name(_FILE + ".new")
            fresh.unlink(missing_ok=True)
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                json.dump(pairing.to_json(), file)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        before, self.current = self.current, pairing
        for changed in self._listeners:
            changed(before, pairing)


@dataclass(frozen=True, slots=True)
class PairingEndpoint:
    """The HTTP side.

    Args:
        pairings: what to show and change.
        identity, name, serial, appearance_model: what the camera says of itself.
    """

    pairings: Pairings
    identity: CameraIdentity
    name: str
    serial: str
    appearance_model: str

    def routes(self, authorise: Callable[[web.Request], Awaitable[Any]]) -> list[web.RouteDef]:
        """To be added to the camera's web application.

        Args:
            authorise: returns when the request comes from an administrator; raises the 401 or 403 otherwise.
        """

        async def pair(request: web.Request) -> web.Response:
            await authorise(request)
            return await self.pair(request)

        async def unpair(request: web.Request) -> web.Response:
            await authorise(request)
            return await self.unpair(request)

        return [web.get(PATH, self.show), web.post(PATH, pair), web.delete(PATH, unpair)]

    async def show(self, _request: web.Request) -> web.Response:
        """Who this camera is; open to everybody, as it holds no secret."""
        return web.json_response(self._document())

    async def pair(self, request: web.Request) -> web.Response:
        """Belong to the box that posts this; the caller is an administrator."""
        if request.content_length is not None and request.content_length > _MAX_BODY:
            return _refused(413, f"the document is larger than {_MAX_BODY} bytes")
        body = await request.content.read(_MAX_BODY + 1)
        if len(body) > _MAX_BODY:
            return _refused(413, f"the document is larger than {_MAX_BODY} bytes")
        try:
            pairing = Pairing.from_json(json.loads(body))
        except (ValueError, RecursionError) as error:
            return _refused(400, f"not JSON: {error}")
        except WireError as error:
            return _refused(400, str(error))
        try:
            self.pairings.set(pairing)
        except OSError as error:
            return _refused(507, f"the pairing cannot be kept: {error}")
        return web.json_response(self._document())

    async def unpair(self, _request: web.Request) -> web.Response:
        """Belong to no box: recovery data is sealed to nobody from the next IDR picture on."""
        self.pairings.set(None)
        return web.json_response(self._document())

    def _document(self) -> dict[str, Any]:
        current = self.pairings.current
        return {
            "version": VERSION,
            "camera_id": self.identity.camera_id.hex(),
            "name": self.name,
            "serial": self.serial,
            "signing_key": self.identity.signer.public.hex(),
            "appearance_model": self.appearance_model,
            "paired_with": current.box_id if current else None,
        }


def _refused(status: int, why: str) -> web.Response:
    return web.json_response({"error": why}, status=status)


def _text(table: dict[str, Any], key: str, limit: int) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= limit or not value.isprintable():
        raise WireError(f"{key}: want text of 1 to {limit} characters")
    return value


def _hex(table: dict[str, Any], key: str, count: int) -> bytes:
    try:
        value = bytes.fromhex(_text(table, key, count * 2))
    except ValueError as error:
        raise WireError(f"{key}: want {count} bytes in hexadecimal") from error
    if len(value) != count:
        raise WireError(f"{key}: want {count} bytes in hexadecimal, got {len(value)}")
    return value
