"""What the pipeline did, as numbers: one line in the log now and then, and the benchmark's figures."""

import threading
import time
from dataclasses import dataclass, field, fields


@dataclass(slots=True)
class Counters:
    """Sums since the start; each is written by one thread of the pipeline and read by any.

    Args:
        captured: pictures taken.
        dropped_raw: pictures dropped before they were masked because encoding was behind.
        skipped_by_vision: pictures that vision did not look at because it was behind.
        taken_up: times that vision began with a picture or with its networks, whatever came of it.
        detect_interval_ms: least time between two runs of the detector now; 0 where the machine affords every one.
        encoded: access units that left the main encoder; each of them is sent.
        masked_whole: pictures masked whole.
        waiting: pictures in the delay line now.
        cpu_s: CPU seconds of each stage's own thread.
    """

    captured: int = 0
    dropped_raw: int = 0
    skipped_by_vision: int = 0
    taken_up: int = 0
    detect_interval_ms: int = 0
    encoded: int = 0
    masked_whole: int = 0
    waiting: int = 0
    cpu_s: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def spend(self, stage: str, began_s: float) -> float:
        """Book this thread's CPU time since `began_s` (of `time.thread_time`) on `stage`; returns the time now."""
        now_s = time.thread_time()
        with self._lock:
            self.cpu_s[stage] = self.cpu_s.get(stage, 0.0) + now_s - began_s
        return now_s

    def line(self) -> str:
        """One line for the log."""
        shown = (f"{f.name}={getattr(self, f.name)}" for f in fields(self) if f.name not in {"cpu_s", "_lock"})
        stages = " ".join(f"{stage}={spent:.1f}s" for stage, spent in sorted(self.cpu_s.items()))
        return f"{' '.join(shown)} cpu: {stages}"
