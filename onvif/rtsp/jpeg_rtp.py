"""A baseline JPEG picture as RTP packets.

RFC 2435: payload type 26, quantisation tables in the first packet of each picture, Huffman tables of the standard.
What its header cannot say (more than 2040 pixels, sizes that are no multiple of 8, other Huffman tables, wide or
three quantisation tables) goes into the RTP header extension of ONVIF Streaming 26.06, 5.1.3 (0xFFD8), which holds the
picture's own headers; a receiver that knows RFC 2435 only passes over it.
"""

import hashlib
import struct
from dataclasses import dataclass

PAYLOAD_TYPE = 26
MTU = 1400
_HEADER = struct.Struct(">BBHII")
_VERSION_2, _EXTENDED, _MARKER = 0x80, 0x10, 0x80
_START, _END = b"\xff\xd8", b"\xff\xd9"
_SOF0, _DHT, _SOS, _DQT, _DRI = 0xC0, 0xC4, 0xDA, 0xDB, 0xDD
_KEPT = {_SOF0, _DHT, _DQT, _DRI, _SOS}
_LARGEST = 2040
_TABLES_IN_BAND = 255
_WHOLE_PICTURE = 0xFFFF
"""Of the restart marker header: first and last bit, and a count that says that intervals follow no packet borders."""
_STANDARD_HUFFMAN = {
    0x00: "2f66814c875b5317",
    0x10: "a6283a08f5d97906",
    0x01: "602f734c8c12c1d9",
    0x11: "13f90e3c9dc476c6",
}
"""Class and number of each table of ISO/IEC 10918-1 K.3, and the beginning of its SHA-256."""


@dataclass(frozen=True, slots=True)
class JpegPicture:
    """What of a JPEG file RTP carries.

    Args:
        kind: RFC 2435's type: 0 for 4:2:2, 1 for 4:2:0.
        tables: the quantisation tables of luma and chroma, 64 bytes each in zigzag order.
        restart: macroblocks of a restart interval, 0 for none.
        headers: the marker segments that decoding needs, when RFC 2435 cannot say them; else empty.
        scan: the entropy-coded data without the end of image.
    """

    width: int
    height: int
    kind: int
    tables: bytes
    restart: int
    headers: bytes
    scan: bytes


class JpegPacketiser:
    """Cuts pictures into packets; keeps the sequence number. One thread."""

    def __init__(self, ssrc: int, sequence: int = 0) -> None:
        self.ssrc = ssrc
        self._sequence = sequence & 0xFFFF

    def packets(self, jpeg: bytes, rtp_time: int) -> list[bytes]:
        """The packets of one picture, in order.

        Raises:
            ValueError: this is no JPEG that RTP can carry; the message says why.
        """
        picture = read(jpeg)
        out: list[bytes] = []
        at = 0
        while at < len(picture.scan) or not out:
            extension = _extension(picture.headers) if at == 0 else b""
            main = _main_header(picture, at)
            room = MTU - _HEADER.size - len(extension) - len(main)
            if room <= 0:
                raise ValueError("the headers of this JPEG do not fit into one packet")
            chunk = picture.scan[at : at + room]
            at += len(chunk)
            first = _VERSION_2 | (_EXTENDED if extension else 0)
            marker = _MARKER if at >= len(picture.scan) else 0
            head = _HEADER.pack(
                first, marker | PAYLOAD_TYPE, self._sequence, rtp_time & 0xFFFFFFFF, self.ssrc & 0xFFFFFFFF
            )
            self._sequence = (self._sequence + 1) & 0xFFFF
            out.append(head + extension + main + chunk)
        return out


def read(jpeg: bytes) -> JpegPicture:
    """Take a JPEG file apart.

    Raises:
        ValueError: it is not whole, not baseline, or sampled otherwise than 4:2:0 or 4:2:2.
    """
    if not jpeg.startswith(_START):
        raise ValueError("a JPEG begins with FF D8")
    quantisers: dict[int, bytes] = {}
    frame, restart, standard, kept, at = b"", 0, True, [], len(_START)
    while True:
        marker, segment = _segment(jpeg, at)
        at += 4 + len(segment)
        if marker in _KEPT:
            kept.append(jpeg[at - 4 - len(segment) : at])
        if marker == _DQT:
            quantisers |= _quantisers(segment)
        elif marker == _DHT:
            standard &= _standard_huffman(segment)
        elif marker == _DRI:
            restart = int.from_bytes(segment[:2], "big")
        elif marker == _SOF0:
            frame = segment
        elif 0xC1 <= marker <= 0xCF:
            raise ValueError("RTP carries baseline JPEG only")
        elif marker == _SOS:
            break
    if len(frame) < 15 or frame[0] != 8 or frame[5] != 3 or kept[-1][4:5] != b"\x03":
        raise ValueError("RTP carries JPEG with three interleaved components of 8 bits")
    height, width = struct.unpack_from(">HH", frame, 1)
    kind = {(0x21, 0x11, 0x11): 0, (0x22, 0x11, 0x11): 1}.get((frame[7], frame[10], frame[13]))
    if kind is None or not width or not height:
        raise ValueError("RTP carries JPEG sampled 4:2:0 or 4:2:2 only")
    used = [quantisers.get(frame[number], b"") for number in (8, 11, 14)]
    plain = (
        standard and used[1] == used[2] and all(len(table) == 64 for table in used)
        and width <= _LARGEST and height <= _LARGEST and width % 8 == 0 and height % 8 == 0
    )  # fmt: skip
    tables = used[0] + used[1] if all(len(table) == 64 for table in used) else b""
    scan = jpeg[at:].removesuffix(_END)
    return JpegPicture(width, height, kind, tables, restart, b"" if plain else _joined(kept), scan)


def _segment(jpeg: bytes, at: int) -> tuple[int, bytes]:
    """Marker and content of the segment that begins at `at`."""
    size = int.from_bytes(jpeg[at + 2 : at + 4], "big")
    if len(jpeg) < at + 4 or jpeg[at] != 0xFF or size < 2 or len(jpeg) < at + 2 + size:
        raise ValueError(f"this JPEG breaks off or is damaged at byte {at}")
    return jpeg[at + 1], jpeg[at + 4 : at + 2 + size]


def _quantisers(segment: bytes) -> dict[int, bytes]:
    tables = {}
    while segment:
        size = 1 + (128 if segment[0] >> 4 else 64)
        tables[segment[0] & 15] = segment[1:size]
        segment = segment[size:]
    return tables


def _standard_huffman(segment: bytes) -> bool:
    while segment:
        size = 17 + sum(segment[1:17])
        if _STANDARD_HUFFMAN.get(segment[0]) != hashlib.sha256(segment[1:size]).hexdigest()[:16]:
            return False
        segment = segment[size:]
    return True


def _joined(segments: list[bytes]) -> bytes:
    """Segments up to the start of scan, filled with FF to whole words in front of it."""
    before = b"".join(segments[:-1])
    missing = -(len(before) + len(segments[-1])) % 4
    return before + b"\xff" * missing + segments[-1]


def _extension(headers: bytes) -> bytes:
    return _START + (len(headers) // 4).to_bytes(2, "big") + headers if headers else b""


def _main_header(picture: JpegPicture, offset: int) -> bytes:
    """RFC 2435 §3.1: main header, restart marker header, quantisation table header."""
    large = picture.width > _LARGEST or picture.height > _LARGEST
    across, down = (0, 0) if large else (-(-picture.width // 8), -(-picture.height // 8))
    quality = _TABLES_IN_BAND if picture.tables else 0
    kind = picture.kind | (64 if picture.restart else 0)
    head = offset.to_bytes(4, "big") + bytes([kind, quality, across, down])
    if picture.restart:
        head += struct.pack(">HH", picture.restart, _WHOLE_PICTURE)
    if offset == 0 and picture.tables:
        head += struct.pack(">BBH", 0, 0, len(picture.tables)) + picture.tables
    return head
