"""How a camera and its box know each other: what each of them signs (docs/design.md, "Camera ↔ box").

A camera is its Ed25519 key, and its id is that key's. It signs what it says of itself together with a nonce of the box,
and what it answers to an offer together with the offer; the box signs every request that changes something. Documents
are flat or nested JSON of texts, whole numbers, booleans and null, so that both ends write the same bytes.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from base.errors import SealError
from wire.keys import SigningKey, verify

VERSION = 2
NONCE_BYTES = 32
PROOF = "proof"
"""The field of a document that holds its signature."""
ORDER_HEADER = "Veilcam-Order"
STREAM_INFO = b"veilcam stream account 2\n"
"""HPKE info, before the camera's id, of the password for the streams that a camera seals to its box."""

_MEETING = b"veilcam meeting 2\n"
_TAKEN = b"veilcam pairing 2\n"
_ORDER = b"veilcam order 2\n"


def met(signer: SigningKey, nonce: bytes, document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with its proof: what a camera says of itself to a box that sent this nonce."""
    return _proven(signer, _MEETING + hashlib.sha256(nonce).digest(), document)


def check_met(public: bytes, nonce: bytes, document: Mapping[str, Any]) -> None:
    """Raise `SealError` unless the key `public` says this document to this nonce."""
    _check(public, _MEETING + hashlib.sha256(nonce).digest(), document)


def taken(signer: SigningKey, offer: bytes, document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with its proof: what a camera answers when it has taken the offer, to the byte."""
    return _proven(signer, _TAKEN + hashlib.sha256(offer).digest(), document)


def check_taken(public: bytes, offer: bytes, document: Mapping[str, Any]) -> None:
    """Raise `SealError` unless the key `public` answers this document to this offer."""
    _check(public, _TAKEN + hashlib.sha256(offer).digest(), document)


@dataclass(frozen=True, slots=True)
class SignedOrder:
    """One request of a box to one camera.

    Attributes:
        camera_id: its addressee, so that no other camera takes it.
        nonce: of the camera's digest challenge, so that it is not taken again later.
    """

    camera_id: bytes
    nonce: str
    method: str
    path: str
    body: bytes

    def sign(self, signer: SigningKey) -> str:
        """The value of `ORDER_HEADER`."""
        return signer.sign(self._message()).hex()

    def check(self, public: bytes, signature: str) -> None:
        """Raise `SealError` unless it is the signature of the box with this key."""
        try:
            verify(public, bytes.fromhex(signature), self._message())
        except ValueError as error:
            raise SealError("the order is not signed") from error

    def _message(self) -> bytes:
        line = f"{self.method} {self.path}\n{self.nonce}\n"
        return _ORDER + self.camera_id + hashlib.sha256(line.encode()).digest() + hashlib.sha256(self.body).digest()


def _proven(signer: SigningKey, about: bytes, document: Mapping[str, Any]) -> dict[str, Any]:
    return {**document, PROOF: signer.sign(about + _canonical(document)).hex()}


def _check(public: bytes, about: bytes, document: Mapping[str, Any]) -> None:
    try:
        proof = bytes.fromhex(document[PROOF])
    except (KeyError, TypeError, ValueError) as error:
        raise SealError("the document is not signed") from error
    verify(public, proof, about + _canonical(document))


def _canonical(document: Mapping[str, Any]) -> bytes:
    rest = {name: value for name, value in document.items() if name != PROOF}
    return json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
