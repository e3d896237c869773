"""Whether the wall clock is to be believed, as rules without I/O: what goes for good by age goes by this.

A clock is believed while it moves as the machine's running time does, and over a restart while it was away for no
longer than a restart takes. After any other step it is doubted, until it is where it would have been without the
step, has run steadily for a day, or an administrator agrees.
"""

from dataclasses import dataclass

# NTP corrects a running clock by less; a restart, a power cut or an update take less than the second.
STEP_US = 10 * 60_000_000
AWAY_US = 3_600_000_000
STEADY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at the clocks.

    Attributes:
        wall_us: UTC, as the clock says.
        ran_us: how long the machine has run.
        boot: which start of the machine it is.
    """

    wall_us: int
    ran_us: int
    boot: str


@dataclass(frozen=True, slots=True)
class Trust:
    """What is known after a reading.

    Attributes:
        last: the reading.
        expected_us: what the clock should have said.
        steady_us: for how long a doubted clock has run without another step; None while it is believed.
        slack_us: how much later than `expected_us` it may be, after a restart of unknown length.
    """

    last: Reading
    expected_us: int
    steady_us: int | None = None
    slack_us: int = STEP_US

    @property
    def believed(self) -> bool:
        """Whether anything may be removed by age."""
        return self.steady_us is None

    @property
    def error_us(self) -> int:
        """How far a doubted clock is off; 0 while it is believed."""
        return 0 if self.believed else self.last.wall_us - self.expected_us


def first(reading: Reading, newest_us: int | None) -> Trust:
    """Of a box without a memory of its clock, whose newest recording ends at `newest_us`."""
    if newest_us is None or -STEP_US <= reading.wall_us - newest_us <= reading.ran_us + AWAY_US:
        return Trust(reading, reading.wall_us)
    return Trust(reading, newest_us, 0, AWAY_US)


def after(before: Trust, reading: Reading) -> Trust:
    """What is known after another reading."""
    if returned(before, reading):
        return Trust(reading, reading.wall_us)
    ran_us, restarted = _ran_us(before, reading), reading.boot != before.last.boot
    moved_us = reading.wall_us - before.last.wall_us - ran_us
    stepped = not -STEP_US <= moved_us <= (AWAY_US if restarted else STEP_US)
    steady_us = 0 if before.steady_us is None or stepped else before.steady_us + ran_us
    if steady_us >= STEADY_US:
        return Trust(reading, reading.wall_us)
    return Trust(reading, before.expected_us + ran_us, steady_us, _slack_us(before, reading))


def returned(before: Trust, reading: Reading) -> bool:
    """Whether the clock is where it was to be expected."""
    off_us = reading.wall_us - before.expected_us - _ran_us(before, reading)
    return -STEP_US <= off_us <= _slack_us(before, reading)


def agreed(now: Trust) -> Trust:
    """An administrator confirms that the clock is right."""
    return Trust(now.last, now.last.wall_us)


def _ran_us(before: Trust, reading: Reading) -> int:
    return reading.ran_us - (before.last.ran_us if reading.boot == before.last.boot else 0)


def _slack_us(before: Trust, reading: Reading) -> int:
    return before.slack_us if reading.boot == before.last.boot else AWAY_US
