"""What every viewer of the page has to know at once: in red on the page, until its cause is gone."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Notice:
    """One of them. `kind` stays the same for programs; `text` is a sentence or two for people."""

    kind: str
    text: str


Notices = Callable[[], Iterable[Notice]]
"""Those that hold now."""


def none() -> tuple[Notice, ...]:
    """Of a box without any."""
    return ()
