"""Who is between asking for a stream and having its description, and how a change of the stream waits for them.

A description needs a picture. Whoever asked before a change of encoding is still shown one by the old encoder; whoever
asks during it waits for the new one. Without that a viewer could wait for a picture that nobody makes any more.
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
        """The calling thread asks for a media, which it will make unless it is `there`; waits out a change."""
        with self._turn:
            self._asking.discard(threading.get_ident())
            self._turn.wait_for(lambda: not self._closed, 2 * PATIENCE_S)
            if not there():
                self._asking.add(threading.get_ident())

    def made(self, media: Any) -> None:
        """The media was made, by the thread that asked; it waits for its first picture."""
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
        """Nobody enters within the block; begins when those who are entering have, or took too long."""
        with self._turn:
            self._closed += 1
            self._turn.wait_for(lambda: not self._asking and not self._waiting, PATIENCE_S)
        try:
            yield
        finally:
            with self._turn:
                self._closed -= 1
                self._turn.notify_all()
