"""NAL units of H.264 and H.265 in Annex B byte streams, and the hash that survives re-packaging.

ITU-T H.264 (08/2021) 7.3.1, 7.4.1, Annex B; ITU-T H.265 (08/2021) 7.3.1, 7.4.2, Annex B.
Bytes in, bytes out. Any bytes are an Annex B stream of zero or more NAL units: nothing here raises on content.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import NamedTuple

START_CODE = b"\x00\x00\x00\x01"
_PREFIX = b"\x00\x00\x01"
_NEEDS_EMULATION_PREVENTION = re.compile(rb"\x00\x00(?=[\x00-\x03])")

H264_SLICE, H264_IDR, H264_SEI, H264_SPS, H264_PPS = 1, 5, 6, 7, 8
H265_IRAP = range(16, 24)
H265_VPS, H265_SPS, H265_PPS, H265_PREFIX_SEI, H265_SUFFIX_SEI = 32, 33, 34, 39, 40


class Codec(Enum):
    """The two codecs a stream or a recovery payload may use; the value is libavcodec's name of the decoder."""

    H264 = "h264"
    H265 = "hevc"

    @property
    def header_bytes(self) -> int:
        """Length of the NAL unit header."""
        return 1 if self is Codec.H264 else 2

    def nal_type(self, nal: bytes) -> int:
        """nal_unit_type of a NAL unit without start code; -1 when there is no header."""
        if len(nal) < self.header_bytes:
            return -1
        return nal[0] & 0x1F if self is Codec.H264 else nal[0] >> 1 & 0x3F

    def is_vcl(self, nal: bytes) -> bool:
        """Whether the NAL unit carries slice data."""
        kind = self.nal_type(nal)
        return H264_SLICE <= kind <= H264_IDR if self is Codec.H264 else 0 <= kind < H265_VPS

    def is_idr(self, nal: bytes) -> bool:
        """Whether decoding can start at this slice: H.264 IDR, H.265 any IRAP picture."""
        kind = self.nal_type(nal)
        return kind == H264_IDR if self is Codec.H264 else kind in H265_IRAP

    def is_sei(self, nal: bytes) -> bool:
        """Whether the NAL unit is supplemental enhancement information, before or after the picture."""
        kind = self.nal_type(nal)
        return kind == H264_SEI if self is Codec.H264 else kind in {H265_PREFIX_SEI, H265_SUFFIX_SEI}

    def is_parameter_set(self, nal: bytes) -> bool:
        """Whether the NAL unit is a VPS, SPS or PPS."""
        kind = self.nal_type(nal)
        return kind in {H264_SPS, H264_PPS} if self is Codec.H264 else kind in {H265_VPS, H265_SPS, H265_PPS}

    def is_pps(self, nal: bytes) -> bool:
        """Whether the NAL unit is a PPS."""
        return self.nal_type(nal) == (H264_PPS if self is Codec.H264 else H265_PPS)


class NalSpan(NamedTuple):
    """Where one NAL unit lies in a byte stream: its start code begins at `code`, the unit is [start, end)."""

    code: int
    start: int
    end: int


def spans(stream: bytes) -> Iterator[NalSpan]:
    """Every non-empty NAL unit of an Annex B stream, trailing zeros left out (they belong to the next start code)."""
    found = stream.find(_PREFIX)
    while found >= 0:
        start = found + len(_PREFIX)
        following = stream.find(_PREFIX, start)
        end = len(stream) if following < 0 else following
        body = stream[start:end].rstrip(b"\x00")
        if body:
            code = found - 1 if found and stream[found - 1] == 0 else found
            yield NalSpan(code, start, start + len(body))
        found = following


def split(stream: bytes) -> list[bytes]:
    """The NAL units of an Annex B stream without start codes and trailing zeros."""
    return [nal for nal in (part.rstrip(b"\x00") for part in stream.split(_PREFIX)[1:]) if nal]


def join(nals: Iterable[bytes]) -> bytes:
    """An Annex B stream of these NAL units, each behind a four-byte start code."""
    return b"".join(START_CODE + nal for nal in nals)


def from_length_prefixed(sample: bytes, length_bytes: int = 4) -> bytes:
    """Annex B from a sample of ISO/IEC 14496-15 (mp4, mkv); a length past the end takes what is left."""
    nals = []
    at = 0
    while at + length_bytes <= len(sample):
        size = int.from_bytes(sample[at : at + length_bytes], "big")
        at += length_bytes
        nals.append(sample[at : at + size])
        at += size
    return join(nal for nal in nals if nal)


def is_idr(stream: bytes, codec: Codec) -> bool:
    """Whether decoding can start at this access unit."""
    return any(codec.is_idr(nal) for nal in split(stream))


def escape(rbsp: bytes) -> bytes:
    """Insert emulation prevention bytes (H.264 7.4.1, H.265 7.4.2.1)."""
    escaped = _NEEDS_EMULATION_PREVENTION.sub(b"\x00\x00\x03", rbsp)
    return escaped + b"\x03" if escaped.endswith(b"\x00") else escaped


def unescape(ebsp: bytes) -> bytes:
    """Remove emulation prevention bytes."""
    return ebsp.replace(b"\x00\x00\x03", b"\x00\x00")


def vcl_hash(nals: Iterable[bytes], codec: Codec) -> bytes:
    """SHA-256, cut to 16 bytes, over u32 length and bytes of every VCL NAL unit in order.

    Delimiters, parameter sets and SEI are left out and trailing zeros are stripped because multiplexers add, move
    and re-frame them; what remains is the same in every container that only copies.
    """
    digest = hashlib.sha256()
    for nal in nals:
        if codec.is_vcl(nal):
            body = nal.rstrip(b"\x00")
            digest.update(len(body).to_bytes(4, "big"))
            digest.update(body)
    return digest.digest()[:16]
