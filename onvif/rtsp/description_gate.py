"""Viewers between the request for a stream and its description, and how a change of the stream waits for them.

A description needs a picture. A viewer from before a change of encoding still gets one by the old encoder; one that
comes during it waits for the new one. Without that a viewer could wait for a picture that is not made any more.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

PATIENCE_S = 5.0
"""Longer than any encoder needs for a picture; a camera without pictures is changed all the same."""


class DescriptionGate:
    """The entries of one stream. Any thread."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._closed = 0
        self._asking: set[int] = set()
        self._waiting: set[Any] = set()

    def enter(self, there: Callable[[], bool]) -> None:
        """The calling thread wants a media, which it will make unless it is `there`; waits out a change."""
        with self._turn:
            self._asking.discard(threading.get_ident())
            self._turn.wait_for(lambda: not self._closed, 2 * PATIENCE_S)
            if not there():
                self._asking.add(threading.get_ident())

    def made(self, media: Any) -> None:
        """The media was made, by the thread that entered; it waits for its first picture."""
        with self._turn:
            self._asking.discard(threading.get_ident())
            self._waiting.add(media)

    def ready(self, media: Any) -> None:
        """It has its picture, or waits no more."""
        with self._turn:
            self._waiting.discard(media)
            self._turn.notify_all()

    @contextlib.contextmanager
    def closed(self) -> Iterator[None]:
        """No thread enters within the block; begins when those that are entering have, or took too long."""
        with self._turn:
            self._closed += 1
            self._turn.wait_for(lambda: not self._asking and not self._waiting, PATIENCE_S)
        try:
            yield
        finally:
            with self._turn:
                self._closed -= 1
                self._turn.notify_all()
