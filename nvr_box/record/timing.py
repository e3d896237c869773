"""Where each picture of a stream belongs in time, out of three clocks of which none can be trusted alone.

The stream's own time stamps step back, jump when the first sender report places them, and begin again; the camera's
clock comes out of sender reports (RFC 3550 §6.4.1) through those time stamps and so steps with them until the next
report; arrival jitters with the network. Rules only: no stream, no clock of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from nvr_box.record.fmp4 import TIMESCALE

# Beyond this a step of the time stamps is a break (the first sender report moves them, a camera restarts), unless the
# pictures really came as far apart: a camera that saves bits may send one in ten seconds.
_BREAK_90K = 5 * TIMESCALE
_LONGEST_PAUSE_90K = 120 * TIMESCALE
_AGREES_90K = 2 * TIMESCALE
# A step of the stamps is a pause only if the camera's clock or the arrival of the pictures agrees, to this.
_PLACED_90K = TIMESCALE // 4
_STEP_US = 20_000
_SLACK_S = 0.3
# A camera whose clock is further off than this is recorded by the box's clock instead.
CLOCK_TOLERANCE_S = 5.0


@dataclass(frozen=True, slots=True)
class PictureTime:
    """One picture's.

    Attributes:
        dts_90k: from 0 at the first picture, always growing.
        step_90k: since the picture before.
        utc_us: when it was taken, as well as known.
        offset_s: the camera's clock minus the box's; None before its first sender report.
    """

    dts_90k: int
    step_90k: int
    utc_us: int
    offset_s: float | None


class StreamTiming:
    """One stream's, picture by picture.

    Args:
        nominal_90k: what lies between two pictures when nothing better is known.
    """

    def __init__(self, nominal_90k: int) -> None:
        self._nominal_90k = nominal_90k
        self._dts_90k = 0
        self._stamp_90k: int | None = None
        self._camera_us: int | None = None
        self._arrived_us: int | None = None
        self._bias_us = 0

    def place(self, stamp_90k: int | None, camera_us: int | None, arrived_us: int) -> PictureTime:
        """The next picture's.

        Args:
            stamp_90k: its time stamp, None when it has none.
            camera_us: the camera's clock, None before its first sender report.
            arrived_us: the box's clock when it came.
        """
        step_90k = self._nominal_90k
        if self._arrived_us is not None:
            step_90k = self._step(stamp_90k, camera_us, arrived_us)
            self._dts_90k += step_90k
            self._reconcile(stamp_90k, camera_us, step_90k)
        if stamp_90k is not None:
            self._stamp_90k = stamp_90k
        elif self._stamp_90k is not None:
            self._stamp_90k += step_90k
        self._camera_us, self._arrived_us = camera_us, arrived_us
        if camera_us is None:
            return PictureTime(self._dts_90k, step_90k, arrived_us, None)
        told_us = camera_us + self._bias_us
        offset_s = (told_us - arrived_us) / 1e6
        utc_us = told_us if abs(offset_s) <= CLOCK_TOLERANCE_S else arrived_us
        return PictureTime(self._dts_90k, step_90k, utc_us, offset_s)

    def _step(self, stamp_90k: int | None, camera_us: int | None, arrived_us: int) -> int:
        assert self._arrived_us is not None
        apart_90k = (arrived_us - self._arrived_us) * TIMESCALE // 1_000_000
        otherwise = self._otherwise(camera_us, apart_90k)
        if stamp_90k is None or self._stamp_90k is None:
            return otherwise
        moved = stamp_90k - self._stamp_90k
        reported = moved
        if camera_us is not None and self._camera_us is not None:
            reported = (camera_us - self._camera_us) * TIMESCALE // 1_000_000
        agrees = self._camera_us is not None and abs(reported - moved) <= _PLACED_90K
        if moved - apart_90k > _PLACED_90K and not agrees:
            # The first report of any track places the stamps of all again: no pause, for the pictures came close by.
            return otherwise
        if 0 < moved <= _BREAK_90K or (0 < moved <= _LONGEST_PAUSE_90K and abs(moved - apart_90k) <= _AGREES_90K):
            return moved
        return otherwise

    def _otherwise(self, camera_us: int | None, apart_90k: int) -> int:
        """The step without the stamps: by the camera's clock where they lack it, by arrival, or as usual."""
        if camera_us is not None and self._camera_us is not None:
            reported = (camera_us - self._camera_us) * TIMESCALE // 1_000_000
            if 0 < reported <= _LONGEST_PAUSE_90K and abs(reported - apart_90k) <= _AGREES_90K:
                return reported
        if self._nominal_90k * 3 // 2 < apart_90k <= _LONGEST_PAUSE_90K:
            return apart_90k
        return self._nominal_90k

    def _reconcile(self, stamp_90k: int | None, camera_us: int | None, step_90k: int) -> None:
        """Keep the camera's clock going where it only follows a step of the stamps, until a report puts it right."""
        if camera_us is None or self._camera_us is None:
            self._bias_us = 0
            return
        jump_us = camera_us - self._camera_us - step_90k * 1_000_000 // TIMESCALE
        if abs(jump_us) <= _STEP_US:
            return
        moved_us = None
        if stamp_90k is not None and self._stamp_90k is not None:
            moved_us = (stamp_90k - self._stamp_90k) * 1_000_000 // TIMESCALE
        stamps_stepped = moved_us is not None and abs(moved_us - step_90k * 1_000_000 // TIMESCALE) > _STEP_US
        with_them = moved_us is not None and abs(camera_us - self._camera_us - moved_us) <= _STEP_US
        self._bias_us = self._bias_us - jump_us if stamps_stepped and with_them else 0


def held_for_us(stamps_90k: Sequence[int | None], nominal_90k: int, opened_s: float) -> list[int]:
    """How long before the last of them pictures came that were held while their stream was analysed.

    By their time stamps, unless those tell of more time than there was: then the first report has moved them.

    Args:
        opened_s: how long looking at the stream took.
    """
    gaps = [nominal_90k] * (len(stamps_90k) - 1)
    for at, (one, other) in enumerate(pairwise(stamps_90k)):
        if one is not None and other is not None and other > one:
            gaps[at] = other - one
    if sum(gaps) > (opened_s + _SLACK_S) * TIMESCALE:
        gaps = [nominal_90k] * len(gaps)
    return [sum(gaps[at:]) * 1_000_000 // TIMESCALE for at in range(len(stamps_90k))]
