"""A picture to begin with, for streams that have none in the middle: periodic intra refresh in a browser.

Browsers begin at an IDR picture and nowhere else, and some cameras send one at their start and never again. A grey one,
made of the stream's own parameters, lets them begin where the camera says that decoding may (the recovery point): what
follows paints over it within one refresh. It is made for viewers and never kept.

ITU-T H.264 (08/2021): 7.3.2.1 and 7.3.2.2 (parameter sets), 7.3.3 (slice header), 7.3.5 and 9.2 (macroblocks, CAVLC).
The picture has a parameter set of its own, so that it needs no CABAC whatever the stream codes with.
"""

import struct
from dataclasses import dataclass

from base.errors import Truncated, WireError
from nvr_box.record import fmp4
from wire import nal

# Of pictures; the highest that there may be, which no camera uses.
_PPS_ID = 255
_MOST_MACROBLOCKS = 139_264  # level 6.2, table A-1
_WITH_CHROMA = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_NON_IDR, _IDR, _SPS = 1, 5, 7
LEAD_90K = 90
"""How long it is shown: what follows begins so much later."""


class _Bits:
    """A raw byte sequence payload, read bit by bit. Raises `Truncated` behind its end."""

    def __init__(self, rbsp: bytes) -> None:
        self._text = "".join(f"{byte:08b}" for byte in rbsp)
        self._at = 0

    def u(self, count: int) -> int:
        if self._at + count > len(self._text):
            raise Truncated("sequence parameter set", at=self._at // 8)
        value = int(self._text[self._at : self._at + count] or "0", 2)
        self._at += count
        return value

    def ue(self) -> int:
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > 32:
                raise WireError("a number of more than 32 bits", at=self._at // 8)
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        value = self.ue()
        return (value + 1) // 2 if value % 2 else -(value // 2)


@dataclass(frozen=True, slots=True)
class _Sps:
    """What a slice header needs of a sequence parameter set."""

    number: int
    chroma: int
    frame_num_bits: int
    poc_bits: int
    delta_poc: bool
    macroblocks: int


def _sps(unit: bytes) -> _Sps:
    bits = _Bits(nal.unescape(unit[1:]))
    profile, _, _ = bits.u(8), bits.u(8), bits.u(8)
    number, chroma = bits.ue(), 1
    if profile in _WITH_CHROMA:
        chroma = bits.ue()
        if chroma == 3 and bits.u(1):
            raise WireError("pictures of separate colour planes")
        bits.ue(), bits.ue(), bits.u(1)
        if bits.u(1):
            for index in range(8 if chroma != 3 else 12):
                if bits.u(1):
                    _skip_scaling(bits, 16 if index < 6 else 64)
    frame_num_bits = bits.ue() + 4
    order, poc_bits, delta_poc = bits.ue(), 0, False
    if order == 0:
        poc_bits = bits.ue() + 4
    elif order == 1:
        delta_poc = not bits.u(1)
        bits.se(), bits.se()
        for _ in range(min(bits.ue(), 256)):
            bits.se()
    bits.ue(), bits.u(1)
    macroblocks = (bits.ue() + 1) * (bits.ue() + 1)
    if not bits.u(1):
        raise WireError("interlaced pictures")
    if macroblocks > _MOST_MACROBLOCKS or frame_num_bits > 16 or poc_bits > 16 or chroma > 3:
        raise WireError("a sequence parameter set beyond every level")
    return _Sps(number, chroma, frame_num_bits, poc_bits, delta_poc, macroblocks)


def _skip_scaling(bits: _Bits, count: int) -> None:
    last = following = 8
    for _ in range(count):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


def _ue(value: int) -> str:
    digits = f"{value + 1:b}"
    return "0" * (len(digits) - 1) + digits


def _unit(head: int, *parts: str) -> bytes:
    """A NAL unit of these bits and the trailing ones."""
    text = "".join((*parts, "1"))
    text += "0" * (-len(text) % 8)
    return bytes((head,)) + nal.escape(int(text, 2).to_bytes(len(text) // 8, "big"))


def picture(sps: bytes) -> list[bytes]:
    """The NAL units of a grey IDR picture in a stream with this sequence parameter set.

    Raises:
        WireError: it is none, or of a kind that this cannot make.
    """
    of = _sps(sps)
    # CAVLC, one slice group, one reference each, no weights, qp 26, and slices say whether they are deblocked.
    pps = _unit(0x68, _ue(_PPS_ID), _ue(of.number), "00", _ue(0) * 3, "000", _ue(0) * 3, "100")
    header = _ue(0) + _ue(7) + _ue(_PPS_ID) + "0" * of.frame_num_bits + _ue(0) + "0" * of.poc_bits
    header += (_ue(0) if of.delta_poc else "") + "00" + _ue(0) + _ue(1)
    # Intra_16x16 predicted from the mean of nothing, which is grey, and no coefficient.
    macroblock = _ue(3) + (_ue(0) if of.chroma in (1, 2) else "") + _ue(0) + "1" * (3 if of.chroma == 3 else 1)
    return [pps, _unit(0x65, header, macroblock * of.macroblocks)]


def led(init: bytes, data: bytes) -> bytes:
    """A fragment, behind a grey picture where its own first one is no IDR picture; as it is where that cannot be made.

    Args:
        init: the initialisation segment that it plays with.
    """
    try:
        place = next(fmp4.fragments(data, 0), None)
        at = init.find(b"avcC")
        if place is None or at < 0 or not place.key or _begins_whole(data):
            return data
        # ISO/IEC 14496-15:2022 5.3.3.1: five bytes, the count of sets, and each behind its length.
        (size,) = struct.unpack_from(">H", init, at + 10)
        units = picture(init[at + 12 : at + 12 + size])
    except (WireError, struct.error, IndexError):
        return data
    sample = b"".join(struct.pack(">I", len(unit)) + unit for unit in units)
    return _fragment(place.time_90k, sample) + fmp4.retimed(data, place, place.time_90k + LEAD_90K)


def _begins_whole(data: bytes) -> bool:
    """Whether the first coded slice of a fragment belongs to an IDR picture."""
    for kind, start, end in fmp4.boxes(data, 0, len(data)):
        at = start + 8
        while kind == b"mdat" and at + 5 <= end:
            if data[at + 4] & 0x1F in (_NON_IDR, _IDR):
                return data[at + 4] & 0x1F == _IDR
            at += 4 + int.from_bytes(data[at : at + 4], "big")
    return True


def _fragment(time_90k: int, sample: bytes) -> bytes:
    """`moof mdat` of one sample of `LEAD_90K` that can be decoded by itself."""

    def box(kind: bytes, *parts: bytes) -> bytes:
        content = b"".join(parts)
        return struct.pack(">I", len(content) + 8) + kind + content

    def moof(offset: int) -> bytes:
        run = struct.pack(">IIiIII", 0x000701, 1, offset, LEAD_90K, len(sample), 0x02000000)
        track = box(b"tfhd", struct.pack(">II", 0x020000, 1)), box(b"tfdt", struct.pack(">IQ", 1 << 24, time_90k))
        return box(b"moof", box(b"mfhd", struct.pack(">II", 0, 1)), box(b"traf", *track, box(b"trun", run)))

    return moof(len(moof(0)) + 8) + box(b"mdat", sample)
