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


@dataclass(frozen=True, slots=True)
class Told:
    """One file's groups, its access units and how many of them are without recovery data or unreadable."""

    name: str
    units: int
    missing: int
    unreadable: int
    groups: tuple[Mapping[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "file": self.name,
            "access_units": self.units,
            "recovery_data_missing": self.missing,
            "recovery_data_unreadable": self.unreadable,
            "groups": [dict(group) for group in self.groups],
        }


def told(name: str, path: Path, signing_key: bytes | None, camera_id: bytes | None = None) -> Told:
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
    for sample in units:
        first = sample.time_s if first is None else first
        at_s = float(sample.time_s - first) if sample.time_s is not None and first is not None else 0.0
        opened = reader.open(sample.au)
        said[opened.reason] += 1
        for ended in reader.take_verdicts():
            groups.append(_group(ended, begun_s))
            begun_s = at_s
    groups += [_group(ended, begun_s) for ended in reader.finish()]
    readable = said[NOT_A_RECIPIENT] + said[NO_RECOVERY_DATA] + said[OTHER_CAMERA]
    return Told(name, said.total(), said[NO_RECOVERY_DATA], said.total() - readable, tuple(groups))


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


def as_json(told_of: Iterable[Told]) -> bytes:
    """The report for programs."""
    return json.dumps({"veilcam_report": 1, "files": [each.to_json() for each in told_of]}, indent=1).encode()


def as_text(told_of: Iterable[Told], about: Mapping[str, Any]) -> bytes:
    """The report for people."""
    lines = [
        f"Recording of {about['camera_name']}, {about['start']} to {about['end']} (UTC)",
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
    """A time as people read it."""
    return f"{datetime.fromtimestamp(utc_us / 1e6, UTC):%Y-%m-%d %H:%M:%S}"
