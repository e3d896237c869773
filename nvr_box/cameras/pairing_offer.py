"""What the box tells a camera of itself when they are paired."""

import socket
from collections.abc import Callable
from dataclasses import dataclass

from yarl import URL

from base.errors import Conflict, PeerError, SealError
from nvr_box.cameras import pairing
from nvr_box.cameras.veilcam_client import RequestSigning
from wire import meeting
from wire.keys import Identity, Recipient, SigningKey


@dataclass(frozen=True, slots=True)
class PairingOffers:
    """What the box tells a camera when they are paired.

    Attributes:
        identity: the box's own; packets and the passwords of the streams are sealed to it.
        signer: the box's; a camera that is paired takes orders from it alone.
        recipients: the reveal keys as they are now, for the camera with this id.
        fingerprint: SHA-256 of the page's DER certificate, hex; empty when the page has no TLS.
        host: how cameras reach the box; empty to use the address that faces the camera.
        port: of the page; known once it listens.
    """

    identity: Identity
    signer: SigningKey
    recipients: Callable[[str], tuple[Recipient, ...]]
    fingerprint: str
    host: str
    port: Callable[[], int]

    @property
    def box_id(self) -> str:
        """16 hex digits."""
        return self.identity.kid.hex()

    def sealed_to(self, camera_id: str) -> str:
        """Ids of the keys that a camera is to seal to now, hex, by blanks; empty while there are none."""
        return kids(self.recipients(camera_id))

    def pairable(self, said: pairing.Paired | None) -> tuple[bool, str]:
        """Whether a camera that says this may be paired with us, and the words for it."""
        if said is None:
            return True, "of another make: it records and plays, without search and reveal"
        if said.paired_with not in (None, self.box_id):
            return False, f"it is paired with another box ({said.paired_with}); unpair it there first"
        if said.box_key not in (None, self.signer.public.hex()):
            return False, "it takes orders from another signing key than this box has; reset the camera to pair it"
        return True, "ours"

    async def pair(self, xaddr: str, user: str, password: str, seen: pairing.Paired, token: str) -> pairing.Paired:
        """Give the camera that was `seen` at `xaddr` our keys, and `token` for its packets.

        Raises:
            RequestError: pairing needs TLS and a reveal key.
            PeerError: no way leads to the camera, or it does not take them.
        """
        offer, order = self.offer(xaddr, seen.camera_id, token), self.order(seen.camera_id)
        return await pairing.pair(xaddr, user, password, offer, seen=seen, order=order)

    def order(self, camera_id: str) -> RequestSigning:
        """What a request is signed with that this camera takes from its own box alone."""
        return RequestSigning(bytes.fromhex(camera_id), self.signer)

    def stream_account(self, said: pairing.Paired) -> tuple[str, str] | None:
        """Name and password for the streams out of an answer to an offer; None where the camera made none.

        Raises:
            PeerError: it is not sealed to this box.
        """
        if not (said.stream_user and said.stream_password):
            return None
        info = meeting.STREAM_INFO + bytes.fromhex(said.camera_id)
        try:
            return said.stream_user, self.identity.open(said.stream_password, info).decode()
        except (SealError, UnicodeDecodeError) as error:
            raise PeerError(f"{said.name}: the password for its streams cannot be opened: {error}") from error

    def offer(self, xaddr: str, camera_id: str, token: str) -> pairing.Offer:
        """What is given to the camera at `xaddr`.

        Raises:
            RequestError: pairing needs TLS and a reveal key.
            PeerError: no way leads to the camera.
        """
        if not self.fingerprint:
            raise Conflict("web.tls: cameras deliver their packets over TLS only; switch it on to pair with one")
        recipients = self.recipients(camera_id)
        if not recipients:
            raise Conflict("no reveal key yet: make one with `python -m nvr_box keys create` before pairing")
        host = self.host or _facing(URL(xaddr).host or "127.0.0.1")
        url = URL.build(scheme="https", host=host, port=self.port(), path="/api/packets")
        return pairing.Offer(
            camera_id, self.box_id, self.signer.public.hex(), self.identity.recipient, recipients, str(url),
            self.fingerprint, token,
        )  # fmt: skip


def kids(recipients: tuple[Recipient, ...]) -> str:
    """Ids of keys, hex, by blanks."""
    return " ".join(each.kid.hex() for each in recipients)


def _facing(host: str) -> str:
    """Our address on the way to `host`; connecting a datagram socket sends nothing."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as link:
        try:
            link.connect((host, 9))
        except OSError as error:
            raise PeerError(f"{host} cannot be reached from here: {error.strerror or error}") from error
        return str(link.getsockname()[0])
