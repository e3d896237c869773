"""Slowing down guesses of passphrases: one count for all that a passphrase opens, one try of an account at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

from base.errors import RightRefused
from base.throttle import Attempt, Limits, Throttle, Throttled

LIMITS = Limits(free=5, first_s=60.0, longest_s=900.0)


class PassphraseThrottle:
    """Counts each account's wrong passphrases; after some of them the next try has to wait."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._throttle = Throttle(limits, alone=True)

    def demand(self, name: str) -> None:
        """Raise `RightRefused` where `attempt` would; counts nothing."""
        try:
            self._throttle.demand(name)
        except Throttled as held:
            raise _refused(held) from None

    @contextmanager
    def attempt(self, name: str) -> Iterator[Attempt]:
        """One try, a wrong one unless it says otherwise; raises `RightRefused` while `name` has to wait."""
        try:
            attempt = self._throttle.attempt(name)
        except Throttled as held:
            raise _refused(held) from None
        with attempt:
            yield attempt


def _refused(held: Throttled) -> RightRefused:
    return RightRefused(f"too many wrong passphrases, or several at once; try again in {held.wait_s:.0f} s")
