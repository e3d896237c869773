"""What a reader without any private key says of a recording: four verdicts for every group of pictures.

*Authentic* needs a key and stays unknown here; *base intact*, *complete* and *origin* follow from the camera's signed
manifests, which travel in the recording itself. Recovery data that is missing is said to be missing.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from wire.recording import samples
from wire.recovery.reader import NO_RECOVERY_DATA, NOT_A_RECIPIENT, OTHER_CAMERA, Reader

QUESTIONS = ("authentic", "base_intact", "complete", "origin")
VERSION = 2
"""Since 2 the report says when each picture was taken."""
_MOST_SPANS = 20


@dataclass(frozen=True, slots=True)
class Holding:
    """What a recording holds: when its first and last picture were taken, and how many there are.

    It may begin before the time that was requested, since a recording can be cut at key frames only.
    """

    name: str
    pictures: int
    first_us: int
    last_us: int

    def to_json(self) -> dict[str, Any]:
        return {
            "file": self.name,
            "pictures": self.pictures,
            "first": utc(self.first_us),
            "last": utc(self.last_us),
            "length_us": self.last_us - self.first_us,
        }


def holding(name: str, path: Path, first_us: int) -> Holding:
    """Read it picture by picture.

    Raises:
        WireError: it is no video that we know.
    """
    at_us = _at_us(sample.time_s for sample in samples(path)[2])
    return Holding(name, len(at_us), first_us, first_us + at_us[-1] if at_us else first_us)


def spans(holdings: Iterable[Holding]) -> str | None:
    """For the log: from the first to the last picture of each; None for none."""
    said = [f"{utc(each.first_us)} to {utc(each.last_us)}, {each.pictures} pictures" for each in holdings]
    more = f" and {len(said) - _MOST_SPANS} more" if len(said) > _MOST_SPANS else ""
    return "; ".join(said[:_MOST_SPANS]) + more or None


def _at_us(times_s: Iterable[Fraction | None]) -> tuple[int, ...]:
    """When pictures are shown, in microseconds since the first; those without a time count as shown then."""
    found = [Fraction(0) if each is None else each for each in times_s]
    first = min(found, default=Fraction(0))
    return tuple(sorted(round((each - first) * 1_000_000) for each in found))


@dataclass(frozen=True, slots=True)
class ExportReport:
    """One file's groups, its access units and how many of them are without recovery data or unreadable."""

    name: str
    units: int
    missing: int
    unreadable: int
    groups: tuple[Mapping[str, Any], ...]
    at_us: tuple[int, ...] = ()
    """When each picture is shown, since the first."""

    def to_json(self, version: int = VERSION) -> dict[str, Any]:
        table: dict[str, Any] = {
            "file": self.name,
            "access_units": self.units,
            "recovery_data_missing": self.missing,
            "recovery_data_unreadable": self.unreadable,
            "groups": [dict(group) for group in self.groups],
        }
        return table | {"pictures_at_us": list(self.at_us)} if version > 1 else table


def export_report(name: str, path: Path, signing_key: bytes | None, camera_id: bytes | None = None) -> ExportReport:
    """Read one masked recording of the camera with this key and id.

    Raises:
        WireError: it is no video that we know.
    """
    codec, _, units = samples(path)
    reader = Reader([], codec, signing_key, camera_id=camera_id)
    groups: list[dict[str, Any]] = []
    said: Counter[str] = Counter()
    first: Fraction | None = None
    begun_s = 0.0
    times: list[Fraction | None] = []
    for sample in units:
        times.append(sample.time_s)
        first = sample.time_s if first is None else first
        at_s = float(sample.time_s - first) if sample.time_s is not None and first is not None else 0.0
        opened = reader.open(sample.au)
        said[opened.reason] += 1
        for ended in reader.take_verdicts():
            groups.append(_group(ended, begun_s))
            begun_s = at_s
    groups += [_group(ended, begun_s) for ended in reader.finish()]
    readable = said[NOT_A_RECIPIENT] + said[NO_RECOVERY_DATA] + said[OTHER_CAMERA]
    return ExportReport(
        name, said.total(), said[NO_RECOVERY_DATA], said.total() - readable, tuple(groups), _at_us(times)
    )


def _group(ended: Any, begun_s: float) -> dict[str, Any]:
    verdict = ended.verdict
    return {
        "gop_id": ended.gop_id,
        "at_s": round(begun_s, 3),
        "access_units": ended.frames_seen,
        "signed": ended.frames_signed,
        "masked": ended.masked_frames,
        **{question: getattr(verdict, question).value for question in QUESTIONS},
        "reason": ended.reason,
        "altered": list(ended.altered),
    }


def as_json(told_of: Iterable[ExportReport], version: int = VERSION) -> bytes:
    """The report for programs, always the same bytes; of an older version to compare it with an older package's."""
    table = {"veilcam_report": version, "files": [each.to_json(version) for each in told_of]}
    return (json.dumps(table, indent=1) if version == 1 else json.dumps(table, separators=(",", ":"))).encode()


def as_text(told_of: Iterable[ExportReport], about: Mapping[str, Any]) -> bytes:
    """The report for people."""
    lines = [
        f"Recording of {about['camera_name']}, asked for from {about['asked_start']} to {about['asked_end']} (UTC)",
        *(
            f"{each['file']} holds {each['pictures']} pictures, from {each['first']} to {each['last']}"
            for each in about["holds"]
        ),
        "A masked recording begins with the key frame before the time asked for and ends with a whole group.",
        f"Exported by {about['who']} on {about['made']}: {about['reason']}",
        f"Audit log of the box: entry {about['audit_entry']}, hash {about['audit_hash']}",
        f"Box {about['box']}; camera's signing key {about['camera_signing_key'] or 'none: a camera of another make'}",
        "",
        "Four questions, answered separately from the camera's signed manifests inside the recording:",
        "  authentic    the sealed originals are genuine (only a holder of the key can tell)",
        "  base intact  the masked picture is the one that the camera made",
        "  complete     no picture is missing",
        "  origin       the camera's signature is good and the chain unbroken",
        "The newest group of a recording has no manifest yet: complete and origin stay unknown there.",
        "",
    ]
    for each in told_of:
        lines.append(f"{each.name}: {each.units} pictures")
        for question in QUESTIONS:
            count = Counter(group[question] for group in each.groups)
            said = ", ".join(f"{word} {count[word]}" for word in ("yes", "no", "unknown") if count[word])
            lines.append(f"  {question.replace('_', ' '):<12} {said or 'nothing to judge'} (groups of pictures)")
        if each.missing:
            lines.append(f"  RECOVERY DATA IS MISSING in {each.missing} pictures: removed, or never there.")
            lines.append("  This does not mean that nothing was masked in them.")
        if each.unreadable:
            lines.append(f"  Recovery data of {each.unreadable} pictures cannot be read.")
        for group in each.groups:
            bad = [question for question in QUESTIONS if group[question] == "no"]
            if bad:
                named = ", ".join(bad).replace("_", " ")
                which = f", pictures {group['altered']}" if group["altered"] else ""
                lines.append(f"  at {group['at_s']:.1f} s: not {named}: {group['reason'] or 'altered'}{which}")
        lines.append("")
    return "\n".join(lines).encode()


def utc(utc_us: int) -> str:
    """A time as people read it, to the millisecond."""
    return f"{datetime.fromtimestamp(utc_us // 1_000_000, UTC):%Y-%m-%d %H:%M:%S}.{utc_us // 1000 % 1000:03d}"
