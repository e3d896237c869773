"""What the running pipeline says to its listeners: a viewer joins, an encoding is changed over.

Objects that are made later listen; nothing is completed from outside after it was made.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager


class ViewerJoined:
    """A viewer joins a stream, or a synchronisation point is requested. Any thread."""

    def __init__(self) -> None:
        self._listeners: tuple[Callable[[], None], ...] = ()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` at each; it returns at once."""
        self._listeners = (*self._listeners, listener)

    def __call__(self) -> None:
        for listener in self._listeners:
            listener()


class EncodingChange:
    """A stream, by token, changes over to an encoding; on the thread that sets it."""

    def __init__(self) -> None:
        self._handlers: tuple[Callable[[str, str], AbstractContextManager[None]], ...] = ()

    def listen(self, handler: Callable[[str, str], AbstractContextManager[None]]) -> None:
        """Enter `handler(token, encoding)` around each change."""
        self._handlers = (*self._handlers, handler)

    @contextmanager
    def within(self, token: str, encoding: str) -> Iterator[None]:
        """Around the change itself."""
        with ExitStack() as entered:
            for handler in self._handlers:
                entered.enter_context(handler(token, encoding))
            yield
