"""What a camera's process reports to its supervisor, and when it has stopped working.

One line of ASCII a second goes through a pipe whose number is in the environment: `pictures SEEN ENCODED LOST`, counted
since the start; and `failed SENTENCE` before the end of a process that cannot go on. The judgement has no I/O:

| state    | event                                         | next     |
|----------|-----------------------------------------------|----------|
| starting | the first picture encoded                     | serving  |
| starting | a report, and `start_s` is over               | stalled  |
| starting | a report that the sensor gives no picture     | starting, from now |
| serving  | both counters rose, or the sensor is lost     | serving, from now  |
| any      | no report for `stall_s` (once one had come)   | stalled  |
| serving  | either counter unchanged for `stall_s`        | stalled  |

A sensor that is lost is opened again by the camera itself and is an event of its own: it is no reason to kill.
"""

import contextlib
import os
import time
from dataclasses import dataclass

from base import service

PIPE = "VEILCAM_PROGRESS_FD"
"""Environment variable: the number of the pipe's end to write to."""

EVERY_S = 1.0
STALL_S = 20.0
START_S = 180.0
"""Until the first picture: networks are read and tested first, which takes a slow device a minute and more."""

LONGEST_LINE = 500


@dataclass(frozen=True, slots=True)
class Pictures:
    """Sums since the process started.

    Args:
        seen: pictures that detection took up, whatever came of them.
        encoded: access units of the main stream.
        lost: whether the sensor gives no picture at present.
    """

    seen: int
    encoded: int
    lost: bool

    def line(self) -> bytes:
        """As it goes through the pipe."""
        return b"pictures %d %d %d\n" % (self.seen, self.encoded, self.lost)


def failed_line(why: str) -> bytes:
    """The last line of a process that cannot go on; line breaks become spaces."""
    return b"failed " + " ".join(why.split()).encode("ascii", "replace")[:LONGEST_LINE] + b"\n"


def parse(line: bytes) -> Pictures | str | None:
    """A report, the reason of an end, or None for a line that is neither."""
    word, _, rest = line.rstrip(b"\n").partition(b" ")
    if word == b"failed":
        return rest.decode("ascii", "replace")[:LONGEST_LINE]
    numbers = rest.split(b" ")
    if word != b"pictures" or len(numbers) != 3 or not all(number.isdigit() for number in numbers):
        return None
    return Pictures(int(numbers[0]), int(numbers[1]), numbers[2] != b"0")


class Reporter:
    """The camera's end of the pipe; a process that nothing supervises is its own service and speaks to systemd itself.

    Args:
        pipe: the number of the pipe's end; None without a supervisor.
    """

    def __init__(self, pipe: int | None) -> None:
        self._pipe = pipe
        self._own = ProgressWatch(time.monotonic(), stall_s=STALL_S)
        self._ready = False
        if pipe is not None:
            os.set_blocking(pipe, False)
            os.set_inheritable(pipe, False)

    @classmethod
    def of_this_process(cls) -> "Reporter":
        """The one that the environment names."""
        number = os.environ.get(PIPE, "")
        return cls(int(number) if number.isdigit() else None)

    def pictures(self, pictures: Pictures) -> None:
        """Say how far it is; once every `EVERY_S`."""
        if self._pipe is not None:
            self._write(pictures.line())
            return
        now_s = time.monotonic()
        self._own.record(pictures, now_s)
        if self._own.serving and not self._ready:
            self._ready = True
            service.notify("READY=1")
        if not self._own.stalled(now_s):
            service.notify("WATCHDOG=1")

    def failed(self, why: str) -> None:
        """Say why it ends."""
        if self._pipe is not None:
            self._write(failed_line(why))
        else:
            service.notify(f"STATUS={why}")

    def _write(self, line: bytes) -> None:
        assert self._pipe is not None
        with contextlib.suppress(BlockingIOError, BrokenPipeError):  # a supervisor that is behind, or gone
            os.write(self._pipe, line)


class ProgressWatch:
    """The judgement over one process, from its start to its end.

    Args:
        now_s: monotonic seconds, here and in every call.
        stall_s: how long it may go without a report, or a counter without a rise.
    """

    def __init__(self, now_s: float, *, stall_s: float, start_s: float = START_S) -> None:
        self._stall_s, self._start_s = stall_s, start_s
        self._began_s = self._seen_s = self._encoded_s = now_s
        self._reported_s: float | None = None
        self._last = Pictures(0, 0, lost=False)

    @property
    def serving(self) -> bool:
        """Whether a masked picture has left it."""
        return self._last.encoded > 0

    def record(self, report: Pictures, now_s: float) -> None:
        """One report."""
        self._reported_s = now_s
        if report.seen > self._last.seen or report.lost:
            self._seen_s = now_s
        if report.encoded > self._last.encoded or report.lost:
            self._encoded_s = now_s
        if report.lost:
            self._began_s = now_s
        self._last = report

    def rest(self, now_s: float) -> None:
        """Count from now: the supervisor itself did not run for a while, and cannot know what it missed."""
        self._began_s = self._seen_s = self._encoded_s = now_s
        if self._reported_s is not None:
            self._reported_s = now_s

    def stalled(self, now_s: float) -> str:
        """Why it has to be killed; empty while it need not be."""
        if self._reported_s is not None and now_s - self._reported_s > self._stall_s:
            return f"it has reported nothing for {self._stall_s:g} s"
        if not self.serving:
            return f"no picture within {self._start_s:g} s" if now_s - self._began_s > self._start_s else ""
        if now_s - self._encoded_s > self._stall_s:
            return f"no picture has been encoded for {self._stall_s:g} s"
        if now_s - self._seen_s > self._stall_s:
            return f"detection has taken up no picture for {self._stall_s:g} s"
        return ""
