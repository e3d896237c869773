"""Recorded access units and metadata as RTP packets with ONVIF's replay header extension.

RFC 3550 5.1 and 6.4.1; RFC 6184 5.6 to 5.8 (H.264), RFC 7798 4.4 (H.265); ONVIF Streaming 26.06, 6.2 (0xABAC).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

MTU = 1400
VIDEO_PAYLOADS, METADATA_PAYLOAD = (96, 97), 107
"""One payload type per codec of a recording, in the order in which they came."""
_HEADER = struct.Struct(">BBHII")
_EXTENSION = struct.Struct(">HHIIBBH")
_REPORT = struct.Struct(">BBHIIIIII")
_BYE = struct.Struct(">BBHI")
_NTP_EPOCH_S = 2_208_988_800
_START_CODE = b"\x00\x00\x01"


@dataclass(frozen=True, slots=True)
class Mark:
    """What the extension says of a sample.

    Args:
        utc_us: when it was taken.
        clean: a decoder can start here.
        end: the last sample of a contiguous section.
        discontinuous: what came before does not lead here.
        sequence: low byte of the CSeq of the PLAY request.
    """

    utc_us: int
    clean: bool
    end: bool
    discontinuous: bool
    sequence: int


@dataclass(slots=True)
class Packetiser:
    """One RTP stream: sequence numbers and counts for its sender reports."""

    ssrc: int
    payload_type: int
    sequence: int = 0
    packets_sent: int = field(default=0)
    octets_sent: int = field(default=0)

    def packets(self, payloads: list[bytes], mark: Mark) -> Iterator[bytes]:
        """RTP packets of one sample; the extension stands in the first, the marker bit in the last."""
        for index, payload in enumerate(payloads):
            last, first = index == len(payloads) - 1, index == 0
            head = _HEADER.pack(0x90 if first else 0x80, self.payload_type | (0x80 if last else 0), self.sequence,
                                rtp_time(mark.utc_us), self.ssrc)  # fmt: skip
            self.sequence = (self.sequence + 1) & 0xFFFF
            self.packets_sent += 1
            self.octets_sent += len(payload)
            yield head + (_extension(mark) if first else b"") + payload

    def report(self, utc_us: int) -> bytes:
        """An RTCP sender report that ties RTP time to the wall clock of the recording."""
        seconds, fraction = _ntp(utc_us)
        return _REPORT.pack(0x80, 200, 6, self.ssrc, seconds, fraction, rtp_time(utc_us),
                            self.packets_sent & 0xFFFFFFFF, self.octets_sent & 0xFFFFFFFF)  # fmt: skip

    def bye(self, utc_us: int) -> bytes:
        """A last report with BYE (RFC 3550 6.1, 6.6): nothing follows, so the client knows that its copy is whole."""
        return self.report(utc_us) + _BYE.pack(0x81, 203, 1, self.ssrc)


def rtp_time(utc_us: int) -> int:
    """90 kHz."""
    return utc_us * 9 // 100 & 0xFFFFFFFF


def video_payloads(access_unit: bytes, codec: str) -> list[bytes]:
    """RTP payloads of one Annex B access unit: single NAL units, or fragments of those that are too large."""
    room = MTU - _HEADER.size - _EXTENSION.size
    payloads: list[bytes] = []
    for nal in _nal_units(access_unit):
        if len(nal) <= room:
            payloads.append(nal)
        else:
            payloads += _fragments(nal, codec, room)
    return payloads


def metadata_payloads(document: bytes) -> list[bytes]:
    room = MTU - _HEADER.size - _EXTENSION.size
    return [document[at : at + room] for at in range(0, len(document), room)]


def _nal_units(access_unit: bytes) -> list[bytes]:
    units = access_unit.split(_START_CODE)[1:]
    # What precedes a four-byte start code ends with its first zero; trailing zeros are no part of a NAL unit.
    return [unit.rstrip(b"\x00") for unit in units if unit.rstrip(b"\x00")]


def _fragments(nal: bytes, codec: str, room: int) -> list[bytes]:
    """FU-A of RFC 6184, 5.8; FU of RFC 7798, 4.4.3."""
    if codec == "H265":
        kind = nal[0] >> 1 & 0x3F
        indicator, body = bytes([nal[0] & 0x81 | 49 << 1, nal[1]]), nal[2:]
    else:
        kind = nal[0] & 0x1F
        indicator, body = bytes([nal[0] & 0xE0 | 28]), nal[1:]
    size = room - len(indicator) - 1
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return [
        indicator + bytes([(0x80 if index == 0 else 0) | (0x40 if index == len(parts) - 1 else 0) | kind]) + part
        for index, part in enumerate(parts)
    ]


def _extension(mark: Mark) -> bytes:
    flags = (0x80 if mark.clean else 0) | (0x40 if mark.end else 0) | (0x20 if mark.discontinuous else 0)
    return _EXTENSION.pack(0xABAC, 3, *_ntp(mark.utc_us), flags, mark.sequence & 0xFF, 0)


def _ntp(utc_us: int) -> tuple[int, int]:
    seconds, rest = divmod(utc_us, 1_000_000)
    return (seconds + _NTP_EPOCH_S) & 0xFFFFFFFF, rest * (1 << 32) // 1_000_000
