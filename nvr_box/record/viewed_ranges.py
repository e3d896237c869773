"""Which stretches of a recording an account was shown: one line for the audit log, however often it went back."""

from datetime import UTC, datetime

_TOGETHER_US = 2_000_000
_MOST_SAID = 40


class ViewedRanges:
    """Stretches of time, joined where they meet; UTC in microseconds."""

    def __init__(self) -> None:
        self._spans: list[tuple[int, int]] = []

    def add(self, start_us: int, end_us: int) -> None:
        """One more stretch; stretches less than two seconds apart count as one."""
        apart = []
        for start, end in self._spans:
            if end + _TOGETHER_US < start_us or end_us + _TOGETHER_US < start:
                apart.append((start, end))
            else:
                start_us, end_us = min(start, start_us), max(end, end_us)
        self._spans = sorted((*apart, (start_us, end_us)))

    def __str__(self) -> str:
        """ISO 8601 intervals with a comma between them, whole seconds; the first forty."""
        said = [f"{_iso(start)}/{_iso(end + 999_999)}" for start, end in self._spans[:_MOST_SAID]]
        more = len(self._spans) - _MOST_SAID
        return ", ".join(said) + (f" and {more} more" if more > 0 else "")


def _iso(utc_us: int) -> str:
    return f"{datetime.fromtimestamp(utc_us // 1_000_000, UTC):%Y-%m-%dT%H:%M:%SZ}"
