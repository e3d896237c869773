"""A metadata document as RTP packets.

ONVIF Streaming Specification (24.12) 5.1.2.1: payload `vnd.onvif.metadata/90000`, one XML document spread over as many
packets as it needs, all of one RTP timestamp, the marker bit on the last. RFC 3550 §5.1 for the header.
"""

import struct

PAYLOAD_TYPE = 107
MTU = 1400
_HEADER = struct.Struct(">BBHII")
_VERSION_2 = 0x80
_MARKER = 0x80


class MetadataPacketiser:
    """Cuts documents into packets; keeps the sequence number. One thread."""

    def __init__(self, ssrc: int, sequence: int = 0) -> None:
        self.ssrc = ssrc
        self._sequence = sequence & 0xFFFF

    def packets(self, document: bytes, rtp_time: int) -> list[bytes]:
        """The packets of one document, in order; an empty document gives none."""
        room = MTU - _HEADER.size
        chunks = [document[at : at + room] for at in range(0, len(document), room)]
        out = []
        for index, chunk in enumerate(chunks):
            marker = _MARKER if index == len(chunks) - 1 else 0
            head = _HEADER.pack(
                _VERSION_2, marker | PAYLOAD_TYPE, self._sequence, rtp_time & 0xFFFFFFFF, self.ssrc & 0xFFFFFFFF
            )
            self._sequence = (self._sequence + 1) & 0xFFFF
            out.append(head + chunk)
        return out
