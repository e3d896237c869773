"""Recorded GOPs as access units again: what replay over RTSP and export send on, SEI untouched."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
from av.bitstream import BitStreamFilterContext

from base.errors import StoreError
from nvr_box.record.recordings import RecordedGop
from wire.nal import Codec


@dataclass(frozen=True, slots=True)
class RecordedUnit:
    """One access unit: `data` in Annex B, parameter sets in front of every IDR picture."""

    data: bytes
    utc_us: int
    key: bool


def access_units(chunk: RecordedGop) -> tuple[Codec, Iterator[RecordedUnit]]:
    """The codec of a recorded GOP and its access units in decoding order.

    Raises:
        StoreError: it is neither H.264 nor H.265, or does not demultiplex; from the iterator as well.
    """
    whole = chunk.init + b"".join(data for _, data in chunk.fragments)
    try:
        container = av.open(io.BytesIO(whole), "r", format="mp4")
        stream = container.streams.video[0]
        codec = Codec(stream.codec_context.name)
        annex_b = BitStreamFilterContext(f"{codec.value}_mp4toannexb", stream)
    except (av.FFmpegError, ValueError, IndexError) as error:
        raise StoreError(f"the recording cannot be read as access units: {error}") from error

    def units() -> Iterator[RecordedUnit]:
        try:
            with container:
                for packet in container.demux(stream):
                    key = packet.is_keyframe
                    for part in annex_b.filter(packet if packet.size else None):
                        seconds = (part.pts or 0) * (part.time_base or Fraction(0))
                        yield RecordedUnit(bytes(part), chunk.segment_us + int(seconds * 1_000_000), key)
        except av.FFmpegError as error:
            raise StoreError(f"the recording does not demultiplex: {error}") from error

    return codec, units()
