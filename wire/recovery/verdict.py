"""What a reader can say about an access unit and about a whole group of pictures: four questions, never one."""

from dataclasses import dataclass
from enum import Enum


class Check(Enum):
    """One question's answer; unknown is neither."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"

    @classmethod
    def of(cls, fact: bool | None) -> "Check":  # noqa: FBT001 - the fact is the subject
        return cls.UNKNOWN if fact is None else cls.YES if fact else cls.NO


@dataclass(frozen=True, slots=True)
class UnitVerdict:
    """The four questions of `wire/recovery.md`, "Verdicts".

    authentic: the sealed originals are what a holder of the content key sealed.
    base_intact: the masked picture is the one that was protected.
    complete: nothing is missing since the access unit, or group of pictures, before.
    origin: the camera's signed manifests vouch for it. For a single access unit: for the group before it.
    """

    authentic: Check = Check.UNKNOWN
    base_intact: Check = Check.UNKNOWN
    complete: Check = Check.UNKNOWN
    origin: Check = Check.UNKNOWN


@dataclass(frozen=True, slots=True)
class GopVerdict:
    """The same for a finished group of pictures, with what the manifest says it held."""

    gop_id: int
    frames_seen: int
    frames_signed: int | None
    masked_frames: int | None
    verdict: UnitVerdict
    reason: str
    altered: tuple[int, ...] = ()
