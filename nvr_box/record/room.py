"""Room on the recordings' disk, as rules without I/O: what the recordings owe to the free-space floor, and what a full
disk may take of them.

The floor takes what the recordings' own growth cost. What other data grew by since there was last plenty of room is
not paid with evidence: it is said (`Owed.others`). Below the least span nothing is taken for the floor at all; a full
disk replaces the oldest by the newest there, byte for byte, so that no other program can eat the recordings up.
"""

from dataclasses import dataclass

MIB = 1 << 20
# There is plenty of room from this many floors on.
_PLENTY = 1.25
# The database and the file system take a little of what is removed; of a small archive no more than half.
_SLACK = 16
_PART = 2


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes of the disk: `ours` are the recordings and the database, `others` everything else."""

    free: int
    ours: int
    others: int


@dataclass(frozen=True, slots=True)
class Owed:
    """What follows from a look at the disk.

    Attributes:
        bytes: to be removed by the recordings.
        others: what other data has taken of the floor.
        others_before: what other data took when there was last plenty of room; to be remembered.
    """

    bytes: int
    others: int
    others_before: int


@dataclass(frozen=True, slots=True, order=True)
class Victim:
    """A segment that may be removed next; `age_us` orders them, oldest first."""

    age_us: int
    segment: int
    camera: int
    path: str
    bytes: int
    span_us: int


def owed(disk: Disk, others_before: int | None, floor: int) -> Owed:
    """What the recordings owe to a floor of so many bytes; `others_before` as remembered, None of a new box."""
    short = max(0, floor - disk.free)
    if others_before is None or disk.free >= floor * _PLENTY:
        others_before = disk.others - short
    others = min(short, max(0, disk.others - others_before))
    return Owed(short - others, others, others_before)


def spared(victim: Victim, span_us: int, least_us: int) -> bool:
    """Whether it belongs to the least span of its camera, of which `span_us` are recorded."""
    return span_us - victim.span_us < least_us


def replaces(ours: int, ours_before: int) -> bool:
    """Whether the recordings take at least what they took before the disk became full."""
    return ours >= ours_before - min(max(_SLACK * MIB, ours_before // _SLACK), ours_before // _PART)
