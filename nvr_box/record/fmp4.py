"""Fragmented MP4 as this box writes it: finding fragments, moving them in time, naming the codec.

ISO/IEC 14496-12:2022: 4.2 (boxes), 8.8.5 to 8.8.8 (moof, traf, tfhd, trun), 8.8.12 (tfdt). The readers are total:
any bytes give a value or `WireError`.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from base.errors import Truncated, WireError

TIMESCALE = 90_000
CLAUSE = "ISO/IEC 14496-12:2022"
_NON_SYNC = 0x0001_0000  # sample_is_non_sync_sample, 8.8.3.1


@dataclass(frozen=True, slots=True)
class Fragment:
    """One `moof mdat` pair.

    Attributes:
        offset, size: where it lies, in bytes from the start of the file.
        time_90k, duration_90k: decode time and length in the file's own timeline.
        key: whether its first sample can be decoded without anything before it.
        time_at: offset of the 8-byte decode time within the fragment.
    """

    offset: int
    size: int
    time_90k: int
    duration_90k: int
    key: bool
    time_at: int


def init_size(data: bytes) -> int:
    """Length of the initialisation segment (`ftyp moov`) that `data` starts with.

    Raises:
        Truncated: `data` ends before it does.
        WireError: something else comes first.
    """
    for kind, at, end in boxes(data, 0, len(data)):
        if kind == b"moov":
            if end > len(data):
                raise Truncated("moov", at=at, clause=CLAUSE)
            return end
        if kind not in (b"ftyp", b"free"):
            break
    raise WireError("no moov at the start", at=0, clause=CLAUSE)


def fragments(data: bytes, start: int, *, base: int = 0) -> Iterator[Fragment]:
    """Whole fragments of `data` from `start` on; ends at the first that is cut off. `base` is added to offsets.

    Raises:
        WireError: a fragment contradicts itself.
    """
    moof = None
    for kind, at, end in boxes(data, start, len(data)):
        if end > len(data):
            return
        if kind == b"moof":
            moof = at
        elif kind == b"mdat" and moof is not None:
            yield _fragment(data, moof, at, end, base)
            moof = None


def boxes(data: bytes, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """(type, start, end) of the boxes in data[start:stop]; an `end` beyond `stop` means that the box is cut off.

    Raises:
        WireError: a box smaller than its own header.
    """
    at = start
    while at + 8 <= stop:
        size, header = int.from_bytes(data[at : at + 4], "big"), 8
        if size == 1:
            if at + 16 > stop:
                return
            size, header = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        if size < header:
            raise WireError(f"box of {size} bytes", at=at, clause=f"{CLAUSE}, 4.2")
        yield bytes(data[at + 4 : at + 8]), at, at + size
        at += size


def retimed(fragment: bytes, place: Fragment, time_90k: int) -> bytes:
    """The same fragment with its decode time set to `time_90k`."""
    return fragment[: place.time_at] + struct.pack(">Q", time_90k) + fragment[place.time_at + 8 :]


def mime(init: bytes) -> str:
    """Content type with the codec parameter of RFC 6381 §3.3 for an initialisation segment with one video track.

    Raises:
        WireError: no sample entry that a browser could be given.
    """
    at = init.find(b"avcC")
    if at > 0:
        return f'video/mp4; codecs="avc1.{init[at + 5 : at + 8].hex()}"'
    at = init.find(b"hvcC")
    if at > 0 and at + 17 <= len(init):
        return f'video/mp4; codecs="{_hevc(init[at + 4 :])}"'
    if b"mp4v" in init or b"jpeg" in init:
        return 'video/mp4; codecs="mp4v.6c"'
    raise WireError("no video sample entry", clause=CLAUSE)


def _hevc(record: bytes) -> str:
    """ISO/IEC 14496-15:2022 E.3: profile, compatibility reversed, tier and level, constraint bytes."""
    space = ["", "A", "B", "C"][record[1] >> 6]
    tier = "H" if record[1] & 0x20 else "L"
    flags = int(f"{int.from_bytes(record[2:6], 'big'):032b}"[::-1], 2)
    constraints = record[6:12].rstrip(b"\0")
    tail = "".join(f".{byte:x}" for byte in constraints)
    return f"hvc1.{space}{record[1] & 0x1F}.{flags:x}.{tier}{record[12]}{tail}"


def _fragment(data: bytes, moof: int, mdat: int, end: int, base: int) -> Fragment:
    traf = _child(data, moof, mdat, b"traf")
    tfhd, tfdt, trun = (_child(data, *traf, kind) for kind in (b"tfhd", b"tfdt", b"trun"))
    long_time = data[tfdt[0] + 8] == 1
    if not long_time:
        raise WireError("tfdt is not of version 1", at=base + tfdt[0], clause=f"{CLAUSE}, 8.8.12")
    try:
        (time_90k,) = struct.unpack_from(">Q", data, tfdt[0] + 12)
        default_duration, default_flags = _defaults(data, tfhd[0])
        duration, first_flags = _run(data, trun, default_duration, default_flags)
    except struct.error as error:
        raise Truncated("traf", at=base + traf[0], clause=CLAUSE) from error
    return Fragment(
        offset=base + moof,
        size=end - moof,
        time_90k=time_90k,
        duration_90k=duration,
        key=not first_flags & _NON_SYNC,
        time_at=tfdt[0] + 12 - moof,
    )


def _child(data: bytes, at: int, end: int, wanted: bytes) -> tuple[int, int]:
    for kind, start, stop in boxes(data, at + 8, end):
        if kind == wanted and stop <= end:
            return start, stop
    raise WireError(f"no {wanted.decode()}", at=at, clause=CLAUSE)


def _defaults(data: bytes, at: int) -> tuple[int, int]:
    """Default sample duration and flags out of tfhd (8.8.7.1); zero where it has none."""
    (flags,) = struct.unpack_from(">I", data, at + 8)
    place = at + 16 + (8 if flags & 0x01 else 0) + (4 if flags & 0x02 else 0)
    duration = sample_flags = 0
    if flags & 0x08:
        (duration,) = struct.unpack_from(">I", data, place)
        place += 4
    place += 4 if flags & 0x10 else 0
    if flags & 0x20:
        (sample_flags,) = struct.unpack_from(">I", data, place)
    return duration, sample_flags


def _run(data: bytes, trun: tuple[int, int], duration: int, first_flags: int) -> tuple[int, int]:
    """Sum of sample durations and the first sample's flags out of trun (8.8.8.1)."""
    at, end = trun
    flags, count = struct.unpack_from(">II", data, at + 8)
    place = at + 16 + (4 if flags & 0x01 else 0)
    if flags & 0x04:
        (first_flags,) = struct.unpack_from(">I", data, place)
        place += 4
    width = 4 * (flags & 0xF00).bit_count()
    if place + count * width > end:
        raise Truncated("trun", at=at, clause=f"{CLAUSE}, 8.8.8")
    if flags & 0x400 and not flags & 0x04 and count:
        skip = 4 * (flags & 0x300).bit_count()
        (first_flags,) = struct.unpack_from(">I", data, place + skip)
    if not flags & 0x100:
        return duration * count, first_flags
    total = sum(struct.unpack_from(">I", data, place + i * width)[0] for i in range(count))
    return total, first_flags
