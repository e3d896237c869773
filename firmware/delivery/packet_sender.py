"""From a description to the outbox: the best shot's original sealed for revealing, the packet to the box."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from base.errors import Error
from firmware.delivery.outbox import Outbox
from firmware.describe.thumbnail import Clear
from firmware.identity import CameraIdentity
from firmware.pairing import Pairings
from wire import thumbnail
from wire.features import seal
from wire.features.packet import FeaturePacket
from wire.keys import Recipient

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PacketSender:
    """Any thread. Without a box there is no recipient, and nothing is kept.

    Args:
        news: called when the outbox has more.
        thumbnails: "recoverable", "masked" (no original inside) or "none".
    """

    outbox: Outbox
    pairings: Pairings
    identity: CameraIdentity
    news: Callable[[], None]
    thumbnails: str = "recoverable"

    def send(self, packet: FeaturePacket, clear: Clear | None = None) -> None:
        """Queue one packet; `clear` is the original of its thumbnail."""
        pairing = self.pairings.current
        if pairing is None:
            return
        camera = self.identity
        if self.thumbnails == "none":
            packet = replace(packet, thumbnail=b"")
        original = clear if self.thumbnails == "recoverable" and packet.thumbnail else None

        def sealed(sequence: int) -> bytes:
            named = replace(packet, camera_id=camera.camera_id, sequence=sequence)
            if original is not None:
                named = self._with_original(named, original, pairing.recipients)
            return seal.seal(named, pairing.feature_key, camera.signer)

        self.outbox.add(sealed)
        self.news()

    def _with_original(self, packet: FeaturePacket, clear: Clear, recipients: tuple[Recipient, ...]) -> FeaturePacket:
        """The packet with its original sealed into the thumbnail, under the keys of the stream; masked where not."""
        label = thumbnail.Label(packet.camera_id, packet.sequence, packet.best_utc_ms, clear.inside)
        try:
            jpeg = thumbnail.seal(packet.thumbnail, clear.jpeg, label, recipients, self.identity.signer)
        except Error as error:
            log.warning("packet %d goes without its original: %s", packet.sequence, error)
            return packet
        return replace(packet, thumbnail=jpeg)
