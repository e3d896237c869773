"""When a segment begins and ends: one table over what is known of a packet, no I/O.

| packet | no segment is open | a segment is open |
|---|---|---|
| no key frame | SKIP: nothing could be shown from it | WRITE; REOPEN after five minutes without a key frame |
| key frame | BEGIN | WRITE |
| ... of other parameter sets | BEGIN | ROLL: a file has one size and one codec |
| ... whole, while the segment began at a recovery point | BEGIN | ROLL: from here on any browser plays |
| ... of a full segment | BEGIN | ROLL |
| ... whose wall clock says something else than the running one | BEGIN | ROLL: a segment has one beginning in time |
| ... with the first time that the camera itself tells | BEGIN | ROLL: better than the arrival of packets |
"""

from dataclasses import dataclass
from enum import Enum

from nvr_box.record.fmp4 import TIMESCALE

# The running wall clock may drift from the packets' by this before a new segment states the time afresh.
CLOCK_STEP_US = 250_000
# Without a camera's clock packets are dated by their arrival, which jitters with the network.
ARRIVAL_STEP_US = 2_000_000
# A stream that went so long without a picture to begin with is requested again: a session begins with one.
KEYLESS_90K = 300 * TIMESCALE


class Cut(Enum):
    """What to do with a packet."""

    SKIP = "leave it out"
    BEGIN = "open a segment with it"
    WRITE = "write it into the open segment"
    ROLL = "finish the open segment and open the next with it"
    REOPEN = "ask for the stream again"


@dataclass(frozen=True, slots=True)
class OpenSegment:
    """What is known of the segment being written.

    Args:
        age_90k: of the packet at hand, since the segment's first.
        key_90k: when its last key frame came, since its first.
        gop_90k: how long its last whole group of pictures was; 0 before there was one.
        limit_90k: how long a segment may become.
        drift_us: the packet's wall clock against that of the segment's beginning and its own media time.
        has_clock: the segment's beginning is in the camera's own time.
        refreshes: it began at a recovery point.
    """

    age_90k: int
    key_90k: int
    gop_90k: int
    limit_90k: int
    drift_us: int
    has_clock: bool
    refreshes: bool

    @property
    def full(self) -> bool:
        """The group of pictures that begins here would end after the limit."""
        return self.age_90k + max(self.gop_90k, self.age_90k - self.key_90k) > self.limit_90k

    def stepped(self, *, camera_timed: bool) -> bool:
        """Whether the wall clock moved; `camera_timed` when the packet's time is the camera's own."""
        return abs(self.drift_us) > (CLOCK_STEP_US if self.has_clock and camera_timed else ARRIVAL_STEP_US)


def cut(segment: OpenSegment | None, *, key: bool, changed: bool, whole: bool, camera_timed: bool) -> Cut:
    """What the table says.

    Args:
        segment: None while none is open.
        key: decoding can begin at this packet.
        changed: its parameter sets are others than before.
        whole: it is an IDR picture, not a recovery point.
        camera_timed: its time is the camera's own, not that of its arrival.
    """
    if segment is None:
        return Cut.BEGIN if key else Cut.SKIP
    if not key:
        return Cut.REOPEN if segment.age_90k - segment.key_90k > KEYLESS_90K else Cut.WRITE
    found = camera_timed and not segment.has_clock
    rolls = (
        changed or (whole and segment.refreshes) or segment.full or segment.stepped(camera_timed=camera_timed) or found
    )
    return Cut.ROLL if rolls else Cut.WRITE
