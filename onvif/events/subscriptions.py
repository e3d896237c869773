"""Subscriptions: their queues, their clocks and their limits, without sockets and without a clock of their own.

ONVIF Core 26.06, 9.1 (basic notification) and 9.2 (real-time pull points). Lives are kept on the monotonic clock
(`base/clock.py`), since a client may set the wall clock; every method takes its `now_s`. The caller holds the one lock
there is (the event loop).
"""

import re
import secrets
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from onvif.errors import NotOnvif
from onvif.events.bus import Event
from onvif.events.faults import refusal, resource_unknown
from onvif.events.filters import Filter
from onvif.metadata import parse_utc

DEFAULT_LIFE = timedelta(minutes=1)
LONGEST_LIFE = timedelta(days=1)
LONGEST_PULL = timedelta(minutes=10)
MOST_MESSAGES = 1024
_QUEUE = 2048

_DURATION = re.compile(
    r"(-)?P(?=.)(?:(\d{1,6})Y)?(?:(\d{1,6})M)?(?:(\d{1,6})D)?"
    r"(?:T(?=.)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})(\.\d{1,9})?S)?)?",
    re.ASCII,
)


@dataclass(slots=True)
class Subscription:
    """One client's interest.

    Args:
        token: names it in its own address; unguessable, so that knowing the address is having subscribed.
        wanted: which events.
        consumer: where a basic notification is posted; empty for a pull point.
        owner: name of the account that made it.
        ends_s: when it dies, by the monotonic clock, unless it is renewed or pulled.
        dropped: how many of the oldest messages a client that never came lost.
    """

    token: str
    wanted: Filter
    consumer: str
    ends_s: float
    owner: str = ""
    queue: deque[Event] = field(default_factory=lambda: deque(maxlen=_QUEUE))
    dropped: int = 0

    def offer(self, event: Event) -> bool:
        """Queue the event if it is wanted; the oldest goes when the queue is full."""
        if not self.wanted(event):
            return False
        if len(self.queue) == _QUEUE:
            self.dropped += 1
        self.queue.append(event)
        return True

    def next_events(self, most: int) -> list[Event]:
        """The oldest events, at most `most`, which leave the queue."""
        return [self.queue.popleft() for _ in range(min(most, len(self.queue)))]


class Subscriptions:
    """All of one device's, at most `limit` at once (capability MaxPullPoints, ≥ 2).

    Accounts that may only watch leave some for operators and administrators, and one of these leaves some for others.
    """

    def __init__(self, limit: int = 10) -> None:
        self.limit = limit
        self._alive: dict[str, Subscription] = {}
        self._watchers: set[str] = set()

    def create(
        self, wanted: Filter, ends_s: float, *, consumer: str = "", owner: str = "", watcher: bool = False
    ) -> Subscription:
        """A new one; call `expire` first, for what has ended still counts until then.

        Args:
            watcher: the owner is an account of the level User.

        Raises:
            Fault: SubscribeCreationFailed when there are `limit` already, or as many as such an account may have.
        """
        self._room(owner, watcher=watcher)
        subscription = Subscription(secrets.token_urlsafe(12), wanted, consumer, ends_s, owner)
        self._alive[subscription.token] = subscription
        if watcher:
            self._watchers.add(subscription.token)
        return subscription

    def _room(self, owner: str, *, watcher: bool) -> None:
        if len(self._alive) >= self.limit:
            raise refusal(
                "SubscribeCreationFailedFault",
                f"There are {self.limit} subscriptions already; this device keeps no more.",
            )
        if not watcher:
            return
        self._watchers &= self._alive.keys()
        own = sum(self._alive[token].owner == owner for token in self._watchers)
        if own >= max(1, self.limit // 2) or len(self._watchers) >= max(1, self.limit * 3 // 4):
            raise refusal(
                "SubscribeCreationFailedFault",
                f"Accounts of the level User may keep {self.limit * 3 // 4} subscriptions, one of them "
                f"{self.limit // 2}.",
            )

    def get(self, token: str, now_s: float) -> Subscription:
        """The live subscription of that token.

        Raises:
            Fault: ResourceUnknown when there is none, or it has ended.
        """
        found = self._alive.get(token)
        if found is None or found.ends_s <= now_s:
            raise resource_unknown()
        return found

    def renew(self, token: str, ends_s: float, now_s: float) -> Subscription:
        subscription = self.get(token, now_s)
        subscription.ends_s = ends_s
        return subscription

    def pulled(self, subscription: Subscription, timeout: timedelta, now_s: float) -> None:
        """After PullMessages a pull point lives at least for one more pull of the same length (Core 9.2.2)."""
        subscription.ends_s = max(subscription.ends_s, now_s + max(timeout, DEFAULT_LIFE).total_seconds())

    def remove(self, token: str, now_s: float) -> None:
        self.get(token, now_s)
        del self._alive[token]

    def expire(self, now_s: float) -> list[Subscription]:
        """Take out what has ended, and return it."""
        ended = [found for found in self._alive.values() if found.ends_s <= now_s]
        for subscription in ended:
            del self._alive[subscription.token]
        return ended

    def offer(self, event: Event) -> list[Subscription]:
        """Queue the event wherever it is wanted, and return those subscriptions."""
        return [found for found in self._alive.values() if found.offer(event)]

    def __len__(self) -> int:
        return len(self._alive)


def termination(text: str | None, now: datetime, *, renewing: bool = False) -> timedelta:
    """How long a subscription lives: `text` is a wsnt:AbsoluteOrRelativeTimeType, None for the device's choice.

    Longer lives than LONGEST_LIFE are cut to it; the reply says what was granted.

    Raises:
        Fault: UnacceptableInitialTerminationTime, or UnacceptableTerminationTime when renewing.
    """
    fault = "UnacceptableTerminationTimeFault" if renewing else "UnacceptableInitialTerminationTimeFault"
    if text is None or not text.strip():
        return DEFAULT_LIFE
    text = text.strip()
    try:
        life = duration(text) if text.startswith(("P", "-P")) else parse_utc(text) - now
    except NotOnvif as problem:
        raise refusal(fault, str(problem)) from problem
    if life <= timedelta():
        raise refusal(fault, f"The termination time {text[:40]} is not in the future.")
    return min(life, LONGEST_LIFE)


def duration(text: str) -> timedelta:
    """xs:duration; years count as 365 days and months as 30, for only lives and waits are measured with it.

    Raises:
        NotOnvif: it is none, or longer than a timedelta can be.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise NotOnvif(f"{text[:40]!r} is not an xs:duration.")
    sign, years, months, days, hours, minutes, seconds, fraction = found.groups()
    try:
        length = timedelta(
            days=365 * int(years or 0) + 30 * int(months or 0) + int(days or 0),
            hours=int(hours or 0),
            minutes=int(minutes or 0),
            seconds=int(seconds or 0) + float(fraction or 0),
        )
    except OverflowError as problem:
        raise NotOnvif(f"{text[:40]!r} is longer than this device can count.") from problem
    return -length if sign else length
