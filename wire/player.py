"""`python -m wire.player IN --identity KEY OUT`: a recorded stream with the originals put back, as an mp4.

IN is whatever libavformat reads and only copies: Annex B, mp4, mkv, ts. Where originals cannot be opened the mosaic
stays, and the report says why.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
from av.bitstream import BitStreamFilterContext
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from wire.base.errors import Error, WireError
from wire.compose import Composer
from wire.keys import Identity, load_identity
from wire.nal import Codec
from wire.recovery.reader import Reader
from wire.recovery.verdict import GopVerdict

_AVC_CONFIGURATION = b"\x01"
_PROGRESS_EVERY = 50


@dataclass(frozen=True, slots=True)
class Sample:
    """One access unit as Annex B with its presentation time in seconds, None where the container has none."""

    au: bytes
    time_s: Fraction | None


def samples(path: Path) -> tuple[Codec, Fraction, Iterator[Sample]]:
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


def _packets(container: av.container.InputContainer, stream: VideoStream, codec: Codec) -> Iterator[Sample]:
    in_mp4 = (stream.codec_context.extradata or b"").startswith(_AVC_CONFIGURATION)
    annexb = BitStreamFilterContext(f"{codec.value}_mp4toannexb", stream) if in_mp4 else None
    with container:
        try:
            for packet in container.demux(stream):
                for unit in annexb.filter(packet) if annexb else [packet]:
                    if unit.size:
                        pts = unit.pts if unit.pts is not None else unit.dts
                        time_s = None if pts is None or unit.time_base is None else pts * unit.time_base
                        yield Sample(bytes(unit), time_s)
        except FFmpegError as error:
            # A recording cut off in the middle: what came before it counts.
            print(f"reading ended early: {error}", file=sys.stderr)


@dataclass(slots=True)
class Report:
    """What was seen and shown."""

    pictures: int = 0
    revealed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    groups: list[GopVerdict] = field(default_factory=list)

    def to_json(self) -> dict[str, object]:
        groups = [
            {
                "gop_id": g.gop_id,
                "frames_seen": g.frames_seen,
                "frames_signed": g.frames_signed,
                "masked_frames": g.masked_frames,
                "authentic": g.verdict.authentic.value,
                "base_intact": g.verdict.base_intact.value,
                "complete": g.verdict.complete.value,
                "origin": g.verdict.origin.value,
                "altered": list(g.altered),
                "reason": g.reason,
            }
            for g in self.groups
        ]
        return {
            "pictures": self.pictures,
            "revealed": self.revealed,
            "mosaic_because": dict(self.reasons),
            "groups": groups,
        }


def play(
    source: Path,
    out: Path,
    identities: list[Identity],
    *,
    held: Mapping[bytes, bytes] | None = None,
    signing_key: bytes | None = None,
    tracks: frozenset[int] | None = None,
) -> Report:
    """Write `source` with its originals to `out`, an mp4.

    Raises:
        WireError: `source` cannot be read or has no picture.
    """
    codec, rate, units = samples(source)
    reader, composer = Reader(identities, codec, signing_key, held=held), Composer(codec)
    report = Report()
    first_s: Fraction | None = None
    last_pts = -1
    with av.open(str(out), "w", format="mp4") as container:
        target: VideoStream | None = None
        for sample in units:
            opened = reader.open(sample.au)
            composed = composer.compose(sample.au, opened, tracks=tracks)
            report.groups += reader.take_verdicts()
            if composed is None:
                continue
            if target is None:
                target = container.add_stream("libx264", rate=rate, options={"crf": "18", "preset": "veryfast"})
                target.height, target.width = composed.i420.shape[0] * 2 // 3, composed.i420.shape[1]
                target.pix_fmt = "yuv420p"
                target.time_base = Fraction(1, 90_000)
            first_s = sample.time_s if first_s is None else first_s
            at_s = report.pictures / rate if sample.time_s is None or first_s is None else sample.time_s - first_s
            frame = VideoFrame.from_ndarray(composed.i420, format="yuv420p")
            last_pts = max(last_pts + 1, round(at_s * 90_000))
            frame.pts, frame.time_base = last_pts, Fraction(1, 90_000)
            container.mux(target.encode(frame))
            report.pictures += 1
            report.revealed += composed.revealed
            if not composed.revealed:
                report.reasons[composed.reason] += 1
            if report.pictures % _PROGRESS_EVERY == 0:
                print(f"\r{report.pictures} pictures, {report.revealed} with originals", end="", file=sys.stderr)
        if target is None:
            raise WireError(f"{source}: no picture in it")
        container.mux(target.encode(None))
    report.groups += reader.finish()
    print(f"\r{report.pictures} pictures, {report.revealed} with originals", file=sys.stderr)
    return report


def passphrase(path: Path | None) -> str | None:
    """The first line of a passphrase file; None without one."""
    return None if path is None else path.read_text(encoding="utf-8").splitlines()[0]


def main() -> int:
    """The command; exit status 0 when every picture could be restored, 1 when some stayed mosaic, 2 on an error."""
    parser = argparse.ArgumentParser(prog="python -m wire.player", description=__doc__)
    parser.add_argument("source", type=Path, metavar="IN")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--identity", type=Path, action="append", required=True, help="identity file; may repeat")
    parser.add_argument("--passphrase-file", type=Path, help="passphrase of the identity files, first line")
    parser.add_argument("--hold", type=Path, help="hold file, when the identity is a case's (python -m wire.hold)")
    parser.add_argument("--signing-key", help="the camera's Ed25519 public key, hexadecimal")
    parser.add_argument("--track", type=int, action="append", help="restore this person only; may repeat")
    parser.add_argument("--report", type=Path, help="write the verdicts as JSON")
    wanted = parser.parse_args()
    from wire import hold  # it reads recordings by means of this module

    try:
        phrase = passphrase(wanted.passphrase_file)
        identities = [load_identity(path, phrase) for path in wanted.identity]
        held = hold.unseal(wanted.hold.read_bytes(), identities[0]) if wanted.hold else None
        signing_key = bytes.fromhex(wanted.signing_key) if wanted.signing_key else None
        tracks = frozenset(wanted.track) if wanted.track else None
        report = play(wanted.source, wanted.out, identities, held=held, signing_key=signing_key, tracks=tracks)
    except (Error, OSError, ValueError, IndexError) as error:
        print(f"wire.player: {error}", file=sys.stderr)
        return 2
    if wanted.report:
        wanted.report.write_text(json.dumps(report.to_json(), indent=1), encoding="utf-8")
    for reason, count in report.reasons.items():
        print(f"{count} pictures stay masked: {reason}", file=sys.stderr)
    return 0 if report.revealed == report.pictures else 1


if __name__ == "__main__":
    sys.exit(main())
