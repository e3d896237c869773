"""Waiting after a refused sign-in: a camera with a new password locks out a client that goes on trying the old one.

Recorder, events, keys and selections sign in with one account, so they wait by one clock: the first to be refused
makes all of them wait, for a minute and then longer, until the password is entered again.
"""

import threading
import time
from collections.abc import Callable

from nvr_box.record.source import SignInRefused

WAIT_S = (60.0, 300.0, 900.0)


class SignIn:
    """One camera's account. Any thread.

    Args:
        mono_s: seconds that only grow.
    """

    def __init__(self, mono_s: Callable[[], float] = time.monotonic) -> None:
        self._mono_s = mono_s
        self._lock = threading.Lock()
        self._refusals = 0
        self._until_mono_s = 0.0

    @property
    def waiting_s(self) -> float:
        """For how long no sign-in should be tried; 0 when trying is fine."""
        with self._lock:
            return max(0.0, self._until_mono_s - self._mono_s()) if self._refusals else 0.0

    def check(self) -> None:
        """Raise `SignInRefused` while no sign-in should be tried, with the words for the page."""
        waiting_s = self.waiting_s
        if waiting_s:
            raise SignInRefused(words(waiting_s))

    def refused(self) -> None:
        """The camera refused it. Refusals of sign-ins already under way count as one."""
        with self._lock:
            now_mono_s = self._mono_s()
            if self._refusals and now_mono_s < self._until_mono_s:
                return
            self._refusals += 1
            self._until_mono_s = now_mono_s + WAIT_S[min(self._refusals, len(WAIT_S)) - 1]

    def accepted(self) -> None:
        """The camera accepted a sign-in, or the password was entered again."""
        with self._lock:
            self._refusals = 0


def words(waiting_s: float) -> str:
    """What the page says while no sign-in is tried."""
    minutes = max(1, round(waiting_s / 60))
    return (
        f"the camera refuses the user or the password; tried again in {minutes} min, for trying more often may lock"
        " others out of it. Enter the new password under Cameras"
    )
