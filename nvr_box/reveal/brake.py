"""Slowing down who guesses passphrases."""

import time

from nvr_box.rights import Refused

_FREE_FAILURES, _BRAKE_S = 5, 60.0


class Brake:
    """Counts each account's wrong passphrases; after some of them the next try has to wait."""

    def __init__(self) -> None:
        self._failures: dict[str, tuple[int, float]] = {}

    def demand(self, name: str) -> None:
        """Raise `Refused` while `name` has to wait."""
        count, last_mono_s = self._failures.get(name, (0, 0.0))
        wait_s = last_mono_s + _BRAKE_S - time.monotonic()
        if count >= _FREE_FAILURES and wait_s > 0:
            raise Refused(f"too many wrong passphrases; try again in {wait_s:.0f} s")

    def failed(self, name: str) -> None:
        """Another wrong one."""
        count, _ = self._failures.get(name, (0, 0.0))
        self._failures[name] = (count + 1, time.monotonic())

    def passed(self, name: str) -> None:
        """A right one: forget the wrong ones."""
        self._failures.pop(name, None)
