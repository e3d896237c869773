"""One at a time by key, in order; known clients go first, and a queue is bounded."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

_IN_ALL = 4


class Busy(Exception):
    """The line is full; nothing was done."""


@dataclass(slots=True)
class _Line:
    known: deque[asyncio.Future[None]] = field(default_factory=deque)
    others: deque[asyncio.Future[None]] = field(default_factory=deque)


class SignInQueue:
    """Belongs to the event loop. Keeps nothing of a key without waiters.

    Args:
        most: so many may wait for one key, the known and the others each; four times as many others in all.
    """

    def __init__(self, most: int) -> None:
        self._most, self._others = most, 0
        self._lines: dict[str, _Line] = {}

    @asynccontextmanager
    async def turn(self, key: str, *, known: bool) -> AsyncIterator[None]:
        """Wait for the turn of `key` and have it until the block ends.

        Raises:
            Busy: too many wait already.
        """
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _Line()
        else:
            await self._wait(key, line, known=known)
        try:
            yield
        finally:
            self._next(key, line)

    async def _wait(self, key: str, line: _Line, *, known: bool) -> None:
        mine, queue = asyncio.get_running_loop().create_future(), line.known if known else line.others
        if len(queue) >= self._most or (not known and self._others >= _IN_ALL * self._most):
            raise Busy
        queue.append(mine)
        self._others += not known
        try:
            await mine
        except asyncio.CancelledError:
            with contextlib.suppress(ValueError):
                queue.remove(mine)
            if mine.done() and not mine.cancelled():
                # The turn came in the same moment: it goes on to the next, or no waiter would ever have it again.
                self._next(key, line)
            raise
        finally:
            self._others -= not known

    def _next(self, key: str, line: _Line) -> None:
        for queue in (line.known, line.others):
            while queue:
                following = queue.popleft()
                if not following.done():
                    following.set_result(None)
                    return
        del self._lines[key]
