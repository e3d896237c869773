"""Searches that are under way: what each still has to tell, and when it is forgotten (Recording Search 26.06, 5.2).

A search advances as its results are requested; what it looks for meanwhile it goes on looking for between requests.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from onvif.errors import impossible, invalid

MOST_SEARCHES = 32
_LONGEST_LIFE_S, _SHORTEST_LIFE_S = 3600.0, 5.0
_MOST_RESULTS = 1000
_LONGEST_WAIT_S = 30.0
# With enough results at hand, a further one is waited for only as long as it is not noticed.
_BRIEFLY_S = 0.05


class Search:
    """One search.

    Args:
        kind: of its results: a search of one kind does not answer questions for another.
        results: in the order of the search; not more than `most` of them are returned.
        end: what EndSearch tells as the point that the search has reached.
        life_s: without a request for so long it is forgotten.
    """

    def __init__(
        self, kind: str, results: AsyncIterator[Any], *, end: datetime, life_s: float, most: int | None
    ) -> None:
        self.kind, self.end, self.life_s = kind, end, life_s
        self.expires_s = 0.0
        self.completed = False
        self._results = results
        self._left = most
        self._coming: asyncio.Task[Any] | None = None
        self._lock = asyncio.Lock()
        self.touch()

    @property
    def busy(self) -> bool:
        """Whether a client waits for results now."""
        return self._lock.locked()

    def touch(self) -> None:
        """Note a request: the search lives on."""
        self.expires_s = time.monotonic() + self.life_s

    async def next_results(self, *, least: int, most: int, wait_s: float) -> list[Any]:
        """The next results, `least` of them unless `wait_s` passes before; `completed` tells whether more may come."""
        async with self._lock:
            until_s = time.monotonic() + wait_s
            taken: list[Any] = []
            while not self.completed and self._left != 0:
                enough = len(taken) >= min(least, most)
                left_s = until_s - time.monotonic()
                if not await self._more(min(left_s, _BRIEFLY_S) if enough else left_s) or len(taken) >= most:
                    break
                assert self._coming is not None
                coming, self._coming = self._coming, None
                found = coming.result()
                if found is None:
                    self.completed = True
                    break
                taken.append(found)
                if self._left is not None:
                    self._left -= 1
            self.completed = self.completed or self._left == 0 or self._exhausted()
            self.touch()
            return taken

    def _exhausted(self) -> bool:
        coming = self._coming
        return coming is not None and coming.done() and coming.exception() is None and coming.result() is None

    async def end_now(self) -> None:
        """Stop looking."""
        coming, self._coming = self._coming, None
        if coming is not None:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)

    async def _more(self, wait_s: float) -> bool:
        """Whether the next result (or the end) is there within `wait_s`."""
        if self._coming is None:
            self._coming = asyncio.ensure_future(_next(self._results))
        done, _ = await asyncio.wait({self._coming}, timeout=max(wait_s, 0.0))
        return bool(done)


class SearchSessions:
    """All of them, by token."""

    def __init__(self) -> None:
        self.open: dict[str, Search] = {}

    async def begin(self, token: str, kind: str, results: AsyncIterator[Any], request: Any, end: datetime) -> None:
        """Open a search as a Find request asks for it; raises Fault when there are too many."""
        await self._expire()
        if len(self.open) >= MOST_SEARCHES:
            raise impossible(f"at most {MOST_SEARCHES} searches at once", "ResourceProblem")
        life_s = min(max(_seconds(request.KeepAliveTime, _SHORTEST_LIFE_S), _SHORTEST_LIFE_S), _LONGEST_LIFE_S)
        most = None if request.MaxMatches is None else max(int(request.MaxMatches), 0)
        self.open[token] = Search(kind, results, end=end, life_s=life_s, most=most)

    async def portion(self, kind: str, request: Any) -> tuple[list[Any], str]:
        """The results that a Get…SearchResults request asks for, and tt:SearchState."""
        search = await self.get(str(request.SearchToken))
        if search.kind != kind:
            raise invalid("this search is of another kind", "InvalidToken")
        most = _MOST_RESULTS if request.MaxResults is None else min(max(int(request.MaxResults), 0), _MOST_RESULTS)
        least = 1 if request.MinResults is None else max(int(request.MinResults), 0)
        wait_s = min(max(_seconds(request.WaitTime, _SHORTEST_LIFE_S), 0.0), _LONGEST_WAIT_S)
        taken = await search.next_results(least=least, most=most, wait_s=wait_s)
        return taken, "Completed" if search.completed else "Searching"

    async def get(self, token: str) -> Search:
        """Raises Fault ter:InvalidToken."""
        await self._expire()
        search = self.open.get(token)
        if search is None:
            raise invalid(f"there is no search {token[:64]!r}", "InvalidToken")
        search.touch()
        return search

    async def end(self, token: str) -> datetime:
        """Forget a search; the point in time that it has reached."""
        search = await self.get(token)
        self.open.pop(token, None)
        await search.end_now()
        return search.end

    async def _expire(self) -> None:
        now_s = time.monotonic()
        for token, search in tuple(self.open.items()):
            if search.expires_s <= now_s and not search.busy:
                del self.open[token]
                await search.end_now()


async def _next(results: AsyncIterator[Any]) -> Any:
    """The next result; None, which is none, at the end."""
    return await anext(results, None)


def _seconds(duration: Any, default: float) -> float:
    return float(duration.total_seconds()) if hasattr(duration, "total_seconds") else default
