"""Which box this camera belongs to: the keys it seals to, and where its packets go.

docs/design.md, "Camera <-> box". The document of a pairing is kept in the state directory (mode 600: it holds the push
token); the camera never holds a private key of the box.
"""

import contextlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from base import kept_file
from base.errors import SealError, StoreError, WireError
from firmware.bound import Authorise, Bound, refused
from firmware.identity import CameraIdentity
from firmware.viewer import ViewerAccount
from wire import meeting
from wire.meeting import STREAM_INFO, VERSION
from wire.pairing import PATH, CameraDocument, Pairing, bytes_of

log = logging.getLogger(__name__)

_FILE = "pairing.json"
_NOT_BY_THE_BOX = "this camera belongs to a box, whose signature this lacks; unpair it there, or reset the camera"


class Pairings:
    """The pairing in force, on disk and in memory; event-loop thread.

    Args:
        state: the state directory.

    A document that is damaged is put aside and its copy holds (`base/kept_file.py`); so is one with a key that nothing
    can be sealed to, with which the camera could never start: then it belongs to no box, and the box pairs again.
    """

    def __init__(self, state: Path) -> None:
        self._path = state / _FILE
        self._listeners: list[Callable[[Pairing | None, Pairing | None], None]] = []
        found = kept_file.read(self._path, lambda content: Pairing.from_json(json.loads(content)))
        self.damage, self.current = found.damage, found.value
        try:
            if self.current is not None:
                self.current.demand_usable()
        except WireError as error:
            self.current = None
            with contextlib.suppress(OSError, StoreError):
                self._path.rename(self._path.with_suffix(".refused"))
                kept_file.remove(self._path)
            log.error("%s is put aside, the camera belongs to no box: %s", self._path, error)  # noqa: TRY400  # a sentence for the operator

    def listen(self, changed: Callable[[Pairing | None, Pairing | None], None]) -> None:
        """Call `changed` with the pairing before and the new one whenever it changes."""
        self._listeners.append(changed)

    def set(self, pairing: Pairing | None) -> None:
        """Keep a new pairing, or none, and notify all listeners.

        Raises:
            StoreError: it cannot be written; the old one holds.
        """
        if pairing is None:
            kept_file.remove(self._path)
        else:
            kept_file.write(self._path, json.dumps(pairing.to_json()).encode())
        before, self.current = self.current, pairing
        for changed in self._listeners:
            changed(before, pairing)


@dataclass(frozen=True, slots=True)
class PairingEndpoint:
    """The HTTP side.

    A camera without a box takes the first one whose offer an administrator's password vouches for, and keeps that
    box's signing key; from then on only what that key signs changes anything.

    Args:
        pairings: what to show and change.
        identity, name, serial, appearance_model: what the camera says of itself.
        viewer: the account that the box gets for the streams; None for none.
    """

    pairings: Pairings
    identity: CameraIdentity
    name: str
    serial: str
    appearance_model: str
    viewer: ViewerAccount | None = None

    def routes(self, authorise: Authorise) -> list[web.RouteDef]:
        """To be added to the camera's web application; `authorise` raises unless an administrator calls."""

        async def pair(request: web.Request) -> web.Response:
            return await self.pair(request, await authorise(request))

        async def unpair(request: web.Request) -> web.Response:
            return await self.unpair(request, await authorise(request))

        return [web.get(PATH, self.show), web.post(PATH, pair), web.delete(PATH, unpair)]

    async def show(self, request: web.Request) -> web.Response:
        """The camera's identity; open to all, as it holds no secret. With `?nonce=` it is signed for this client."""
        document = self._document()
        if "nonce" in request.query:
            try:
                nonce = bytes_of(dict(request.query), "nonce", meeting.NONCE_BYTES)
            except WireError as error:
                return refused(400, str(error))
            document = meeting.met(self.identity.signer, nonce, document)
        return web.json_response(document)

    async def pair(self, request: web.Request, bound: Bound) -> web.Response:
        """Belong to the box that posts this."""
        try:
            table = json.loads(bound.body)
            pairing = Pairing.from_json(table)
            pairing.demand_usable()
            if pairing.box_key is None:
                raise WireError(f"version: want {VERSION}")
            if bytes_of(table, "camera_id", 8) != self.identity.camera_id:
                raise WireError("camera_id: this offer is for another camera")
        except (ValueError, RecursionError) as error:
            return refused(400, f"not JSON: {error}")
        except WireError as error:
            return refused(400, str(error))
        before = self.pairings.current
        pinned = before.box_key if before else None
        try:
            self._demand_order(request, bound, pinned or pairing.box_key)
            stream = self._stream(pairing, renew=pinned is None)
            self.pairings.set(pairing)
            answer = self._document() | stream
        except SealError:
            return refused(409, _NOT_BY_THE_BOX if pinned else "Veilcam-Order: want the signature of box_key")
        except StoreError as error:
            return refused(507, f"the pairing cannot be kept: {error}")
        return bound.answer(meeting.taken(self.identity.signer, bound.body, answer))

    async def unpair(self, request: web.Request, bound: Bound) -> web.Response:
        """Belong to no box: recovery data has no recipient from the next IDR picture on."""
        current = self.pairings.current
        try:
            if current is not None and current.box_key is not None:
                self._demand_order(request, bound, current.box_key)
            self.forget()
        except SealError:
            return refused(409, _NOT_BY_THE_BOX)
        except StoreError as error:
            return refused(507, f"the pairing cannot be ended: {error}")
        return bound.answer(meeting.taken(self.identity.signer, bound.body, self._document()))

    def forget(self) -> None:
        """End the pairing, as an order of the box or a hard factory default does. Raises StoreError."""
        self.pairings.set(None)
        if self.viewer is not None:
            self.viewer.forget()

    def _demand_order(self, request: web.Request, bound: Bound, box_key: bytes) -> None:
        order = meeting.SignedOrder(self.identity.camera_id, bound.nonce, request.method, request.path_qs, bound.body)
        order.check(box_key, request.headers.get(meeting.ORDER_HEADER, ""))

    def _stream(self, pairing: Pairing, *, renew: bool) -> dict[str, Any]:
        """The account for the streams, its password readable by the box alone."""
        if self.viewer is None:
            return {}
        user = self.viewer.renew() if renew else self.viewer.ensure()
        sealed = pairing.feature_key.seal(user.password.encode(), STREAM_INFO + self.identity.camera_id)
        return {"stream_user": user.name, "stream_password": sealed.hex()}

    def _document(self) -> dict[str, Any]:
        current = self.pairings.current
        return CameraDocument(
            signing_key=self.identity.signer.public,
            name=self.name,
            serial=self.serial,
            appearance_model=self.appearance_model,
            paired_with=current.box_id if current else None,
            box_key=current.box_key if current else None,
            sealed_to=tuple(recipient.kid for recipient in current.recipients) if current else (),
            stream_user=self.viewer.name if self.viewer else None,
        ).to_json()
