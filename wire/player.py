"""`python -m wire.player IN --identity KEY OUT`: a recorded stream with the originals put back, as an mp4.

IN is whatever libavformat reads and only copies: Annex B, mp4, mkv, ts. Where originals cannot be opened the mosaic
stays, and the report says why.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import av
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from base.errors import Error, WireError
from wire import grant, hold
from wire.compose import Composer
from wire.keys import Identity, first_line, load_identity
from wire.recording import samples
from wire.recovery.group import TrackKey
from wire.recovery.reader import STREAM_RESTARTED, Reader
from wire.recovery.verdict import GopVerdict

_PROGRESS_EVERY = 50


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
    granted: Mapping[bytes, Sequence[TrackKey]] | None = None,
    signing_key: bytes | None = None,
    tracks: frozenset[int] | None = None,
) -> Report:
    """Write `source` with its originals to `out`, an mp4.

    Raises:
        WireError: `source` cannot be read or has no picture.
    """
    codec, rate, units = samples(source)
    reader, composer = Reader(identities, codec, signing_key, held=held, granted=granted), Composer(codec)
    report = Report()
    part: int | None = None  # in which the tracks are: in another their numbers stand for other people
    first_s: Fraction | None = None
    last_pts = -1
    with av.open(str(out), "w", format="mp4") as container:
        target: VideoStream | None = None
        for sample in units:
            opened = reader.open(sample.au)
            if part is None and tracks is not None and any(region.track_id in tracks for region in opened.regions):
                part = reader.part
            elsewhere = part is not None and part != reader.part
            composed = composer.compose(sample.au, opened, tracks=frozenset() if elsewhere else tracks)
            if composed is not None and elsewhere:
                composed = replace(composed, revealed=False, reason=STREAM_RESTARTED)
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


def main() -> int:
    """The command; exit status 0 when every picture could be restored, 1 when some stayed mosaic, 2 on an error."""
    parser = argparse.ArgumentParser(prog="python -m wire.player", description=__doc__)
    parser.add_argument("source", type=Path, metavar="IN")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--identity", type=Path, action="append", required=True, help="identity file; may repeat")
    parser.add_argument("--passphrase-file", type=Path, help="passphrase of the identity files, first line")
    parser.add_argument("--hold", type=Path, help="hold file, when the identity is a case's (python -m wire.hold)")
    parser.add_argument("--grant", type=Path, help="one person's keys, given to the identity (python -m wire.grant)")
    parser.add_argument("--signing-key", help="the camera's Ed25519 public key, hexadecimal")
    parser.add_argument("--track", type=int, action="append", help="restore this person only; may repeat")
    parser.add_argument("--report", type=Path, help="write the verdicts as JSON")
    wanted = parser.parse_args()
    try:
        phrase = first_line(wanted.passphrase_file)
        identities = [load_identity(path, phrase) for path in wanted.identity]
        held = hold.unseal(wanted.hold.read_bytes(), identities[0]) if wanted.hold else None
        granted = grant.unseal(wanted.grant.read_bytes(), identities[0]) if wanted.grant else None
        signing_key = bytes.fromhex(wanted.signing_key) if wanted.signing_key else None
        tracks = frozenset(wanted.track) if wanted.track else None
        report = play(
            wanted.source, wanted.out, identities, held=held, granted=granted, signing_key=signing_key, tracks=tracks
        )
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
