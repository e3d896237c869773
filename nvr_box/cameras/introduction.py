"""What the box tells a camera of itself when they are paired."""

import socket
from collections.abc import Callable
from dataclasses import dataclass

from yarl import URL

from nvr_box.cameras import pairing
from wire.base.errors import ConfigError, PeerError
from wire.keys import Recipient


@dataclass(frozen=True, slots=True)
class Introduction:
    """What the box tells a camera when they are paired.

    Attributes:
        box_id: 16 hex digits.
        feature_key: packets are sealed to it.
        recipients: the reveal keys as they are now, for the camera with this id.
        fingerprint: SHA-256 of the page's DER certificate, hex; empty when the page has no TLS.
        host: how cameras reach the box; empty to use the address that faces the camera.
        port: of the page; known once it listens.
    """

    box_id: str
    feature_key: Recipient
    recipients: Callable[[str], tuple[Recipient, ...]]
    fingerprint: str
    host: str
    port: Callable[[], int]

    def sealed_to(self, camera_id: str) -> str:
        """Ids of the keys that a camera is to seal to now, hex, by blanks; empty while there are none."""
        return kids(self.recipients(camera_id))

    def pairable(self, said: pairing.Paired | None) -> tuple[bool, str]:
        """Whether a camera that says this may be paired with us, and the words for it."""
        if said is None:
            return True, "of another make: it records and plays, without search and reveal"
        if said.paired_with not in (None, self.box_id):
            return False, f"it is paired with another box ({said.paired_with}); unpair it there first"
        return True, "ours"

    def offer(self, xaddr: str, token: str, camera_id: str) -> pairing.Offer:
        """What is given to the camera at `xaddr`; `camera_id` is what it calls itself.

        Raises:
            ConfigError: pairing needs TLS and a reveal key.
            PeerError: no way leads to the camera.
        """
        if not self.fingerprint:
            raise ConfigError("web.tls: cameras deliver their packets over TLS only; switch it on to pair with one")
        recipients = self.recipients(camera_id)
        if not recipients:
            raise ConfigError("no reveal key yet: make one with `python -m nvr_box keys create` before pairing")
        host = self.host or _facing(URL(xaddr).host or "127.0.0.1")
        url = URL.build(scheme="https", host=host, port=self.port(), path="/api/packets")
        return pairing.Offer(self.box_id, self.feature_key, recipients, str(url), self.fingerprint, token)


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
