"""The index of a segment: where its key frames are, as one small blob in the segment's row.

Layout: for each key fragment in order, two LEB128 numbers: ticks of 1/90000 s and bytes, each since the one before
(since 0 for the first).
"""

from collections.abc import Iterable

from base.errors import Truncated, WireError


def pack(keys: Iterable[tuple[int, int]]) -> bytes:
    """The blob of (time_90k, offset) pairs, both ascending."""
    out = bytearray()
    time = offset = 0
    for key_time, key_offset in keys:
        for step in (key_time - time, key_offset - offset):
            rest = step
            while rest >= 0x80:
                out.append(rest & 0x7F | 0x80)
                rest >>= 7
            out.append(rest)
        time, offset = key_time, key_offset
    return bytes(out)


def unpack(blob: bytes) -> tuple[tuple[int, int], ...]:
    """The (time_90k, offset) pairs of a blob.

    Raises:
        WireError: the blob ends inside a number, or a number is absurdly long.
    """
    numbers: list[int] = []
    value = shift = 0
    for at, byte in enumerate(blob):
        value |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
            if shift > 63:
                raise WireError("number above 64 bits", at=at)
            continue
        numbers.append(value)
        value = shift = 0
    if shift or len(numbers) % 2:
        raise Truncated("index ends inside an entry", at=len(blob))
    keys: list[tuple[int, int]] = []
    time = offset = 0
    for step in range(0, len(numbers), 2):
        time, offset = time + numbers[step], offset + numbers[step + 1]
        keys.append((time, offset))
    return tuple(keys)
