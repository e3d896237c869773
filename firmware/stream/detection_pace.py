"""How often the detector runs on a machine that cannot afford it for every picture.

A picture whose detection is not there in time is masked whole, which is safe and shows nothing. Before that the
detector runs less often: every picture is still examined, tracks are predicted in between, and people that come in are
found up to `LONGEST_S` later. What a machine affords is not computed but seen: pictures that detection has to skip, or
that wait for half of their deadline, say that it is too much, whatever takes the time; while there are none of either
it comes to run more often again.
"""

import threading

LONGEST_S = 1.0
"""Between two runs. From half of it on whatever moves and is not explained is masked (`Sight.sparse`)."""

_FIRST_S, _GROWS = 0.1, 1.25
_LATE, _EASY = 0.5, 0.4
_SHRINKS_PER_S = 0.03
"""Slowly: a machine that was at its limit a moment ago is most likely near it."""


class DetectionPace:
    """The interval, adjusted by what is seen. `observe` on the vision thread, `interval_s` on any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._interval_s = 0.0
        self._observed_s: float | None = None
        self._skipped = 0

    def interval_s(self) -> float:
        """The least time from one run of the detector to the next; 0 runs it as often as the settings say."""
        with self._lock:
            return self._interval_s

    def observe(self, waited: float, skipped: int, now_s: float) -> None:
        """Take note of how things stand when the next picture is taken up.

        Args:
            waited: how long the oldest picture has waited for its mask, as a share of its deadline.
            skipped: pictures that were never taken up, since the start.
            now_s: monotonic seconds.
        """
        with self._lock:
            since_s = 0.0 if self._observed_s is None else now_s - self._observed_s
            self._observed_s = now_s
            behind, self._skipped = skipped > self._skipped, skipped
            if behind or waited > _LATE:
                self._interval_s = min(max(self._interval_s * _GROWS, _FIRST_S), LONGEST_S)
            elif waited < _EASY:
                self._interval_s = max(self._interval_s - _SHRINKS_PER_S * since_s, 0.0)
