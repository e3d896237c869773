"""Slowing down guessing: the one way in which both programs count tries, of passwords and of passphrases.

A try counts before its answer is known, so that twelve at once are twelve; the right answer takes the count back.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from types import TracebackType
from typing import Self

REMEMBERED = 10_000
_MOST_DOUBLINGS = 30


@dataclass(frozen=True, slots=True)
class Limits:
    """How many wrong tries are free, how long the next has to wait, doubling up to a longest wait, and for how long
    wrong tries are remembered after the last of them.
    """

    free: int
    first_s: float
    longest_s: float
    forget_s: float = 3600.0

    def wait_s(self, wrong: int) -> float:
        """After so many wrong tries."""
        if wrong < self.free:
            return 0.0
        return float(min(self.first_s * 2 ** min(wrong - self.free, _MOST_DOUBLINGS), self.longest_s))


class Throttled(Exception):
    """Nothing is tried now; `wait_s` says for how long not."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"too many wrong tries; wait {wait_s:.0f} s")
        self.wait_s = wait_s


@dataclass(slots=True)
class _Count:
    wrong: int = 0
    until_s: float = 0.0
    last_s: float = 0.0
    trying: int = 0
    held_off: int = 0


class Throttle:
    """Wrong tries by key. Any thread. Remembers so many keys; the one that tried longest ago gives way.

    Args:
        alone: a key has one try at a time; another one meanwhile is refused and does not count.
    """

    def __init__(
        self,
        limits: Limits,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        alone: bool = False,
        size: int = REMEMBERED,
    ) -> None:
        self._limits, self._monotonic, self._alone, self._size = limits, monotonic, alone, size
        self._counts: OrderedDict[str, _Count] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._counts)

    def demand(self, key: str) -> None:
        """Raise `Throttled` where `attempt` would, and count it as held off; no try otherwise."""
        with self._lock:
            self._demand(key)

    def attempt(self, key: str) -> "Attempt":
        """A try, counted as a wrong one until it says otherwise; to be used in a `with`.

        Raises:
            Throttled: `key` has to wait.
        """
        with self._lock:
            count = self._demand(key)
            now_s = self._monotonic()
            count.wrong = min(count.wrong + 1, 1 << 30)
            count.until_s, count.last_s = now_s + self._limits.wait_s(count.wrong), now_s
            count.trying += 1
            held_off, count.held_off = count.held_off, 0
            self._counts[key] = count
            self._counts.move_to_end(key)
            while len(self._counts) > self._size:
                self._counts.popitem(last=False)
            return Attempt(self, key, held_off)

    def _demand(self, key: str) -> _Count:
        now_s, count = self._monotonic(), self._counts.get(key)
        if count is None:
            return _Count()
        wait_s = count.until_s - now_s if now_s < count.until_s else 1.0 if self._alone and count.trying else 0.0
        if wait_s:
            count.held_off += 1
            raise Throttled(wait_s)
        if now_s - count.last_s > self._limits.forget_s and not count.trying:
            return _Count()
        return count

    def finish(self, key: str, *, passed: bool, void: bool) -> None:
        """The end of a try; called by `Attempt`."""
        with self._lock:
            count = self._counts.get(key)
            if count is None:
                return
            count.trying = max(0, count.trying - 1)
            if passed:
                count.wrong, count.until_s = 0, 0.0
            elif void:
                count.wrong, count.until_s = max(0, count.wrong - 1), 0.0
            if not (count.wrong or count.trying):
                del self._counts[key]


class Attempt:
    """One try of one key, or of several that count it together; `held_off` were turned away since the last one."""

    def __init__(self, throttle: Throttle, key: str, held_off: int = 0, wider: "Attempt | None" = None) -> None:
        self._throttle, self._key, self.held_off, self._wider = throttle, key, held_off, wider
        self._passed = self._void = False

    def passed(self) -> None:
        """It was right: earlier wrong ones of this key are forgotten; a wider key forgets this one only."""
        self._passed, self._void = True, False
        if self._wider is not None:
            self._wider.void()

    def void(self) -> None:
        """The try said nothing about the secret: it does not count."""
        self._void = True
        if self._wider is not None:
            self._wider.void()

    def within(self, wider: "Attempt") -> "Attempt":
        """The same try, which counts for another key as well."""
        self._wider = wider
        self.held_off += wider.held_off
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._throttle.finish(self._key, passed=self._passed, void=self._void)
        if self._wider is not None:
            self._wider.__exit__(kind, error, trace)


class SignIns:
    """Tries to sign in: by address and account, so that a stranger's guesses do not lock the owner out, and by address
    alone, so that made-up names give no new tries. Any thread.
    """

    def __init__(self, account: Limits, address: Limits, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._accounts, self._addresses = Throttle(account, monotonic), Throttle(address, monotonic)

    def demand(self, address: str, name: str) -> None:
        """Raise `Throttled` where `attempt` would."""
        self._addresses.demand(place_of(address))
        self._accounts.demand(_key(address, name))

    def attempt(self, address: str, name: str) -> Attempt:
        """As `Throttle.attempt`."""
        wider = self._addresses.attempt(place_of(address))
        try:
            return self._accounts.attempt(_key(address, name)).within(wider)
        except Throttled:
            with wider:
                wider.void()
            raise


def place_of(address: str) -> str:
    """What counts as one address: of IPv6 the network of 64 bits, since a host makes up the rest of it as it likes."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        if not (found.is_loopback or found.is_link_local):
            return str(IPv6Address(int(found) >> 64 << 64)) + "/64"
    return str(found)


def _key(address: str, name: str) -> str:
    return f"{place_of(address)} {name[:64]}"
