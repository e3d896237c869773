"""The access units of a recorded file, as they were encoded: what the player and the hold read."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.bitstream import BitStreamFilterContext
from av.error import FFmpegError
from av.video.stream import VideoStream

from base.errors import WireError
from wire.nal import Codec

_AVC_CONFIGURATION = b"\x01"


@dataclass(frozen=True, slots=True)
class RecordedSample:
    """One access unit as Annex B with its presentation time in seconds, None where the container has none."""

    au: bytes
    time_s: Fraction | None


def samples(path: Path) -> tuple[Codec, Fraction, Iterator[RecordedSample]]:
    """Codec, picture rate and access units of the first video track.

    Raises:
        WireError: not a media file with H.264 or H.265 in it.
    """
    try:
        container = av.open(str(path))
    except (FFmpegError, OSError) as error:
        raise WireError(f"{path}: cannot be read: {error}") from error
    if not container.streams.video:
        raise WireError(f"{path}: no video track")
    stream = container.streams.video[0]
    name = stream.codec_context.name
    if name not in {codec.value for codec in Codec}:
        raise WireError(f"{path}: the video is {name}, not H.264 or H.265")
    codec = Codec(name)
    rate = stream.average_rate or stream.guessed_rate or Fraction(25)
    return codec, Fraction(rate), _packets(container, stream, codec)


def _packets(container: av.container.InputContainer, stream: VideoStream, codec: Codec) -> Iterator[RecordedSample]:
    in_mp4 = (stream.codec_context.extradata or b"").startswith(_AVC_CONFIGURATION)
    annexb = BitStreamFilterContext(f"{codec.value}_mp4toannexb", stream) if in_mp4 else None
    with container:
        try:
            for packet in container.demux(stream):
                for unit in annexb.filter(packet) if annexb else [packet]:
                    if unit.size:
                        pts = unit.pts if unit.pts is not None else unit.dts
                        time_s = None if pts is None or unit.time_base is None else pts * unit.time_base
                        yield RecordedSample(bytes(unit), time_s)
        except FFmpegError as error:
            # A recording cut off in the middle: what came before it counts.
            print(f"reading ended early: {error}", file=sys.stderr)
