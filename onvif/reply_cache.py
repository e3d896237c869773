"""Replies that were rendered before: rendering is a pure function of the values, and clients ask the same again.

Rendering by the schema costs a millisecond where most else costs tenths; a device's answers change rarely.
"""

from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from lxml import etree

MOST = 256
LARGEST = 1 << 16
"""Bytes; together at most 16 MiB."""
_PLAIN = (str, int, float, bool, type(None), datetime, timedelta)


class ReplyCache:
    """The last replies by operation, SOAP version and values. For one event loop."""

    def __init__(self) -> None:
        self._found: OrderedDict[Any, bytes] = OrderedDict()

    def get(self, key: Any) -> bytes | None:
        content = self._found.get(key)
        if content is not None:
            self._found.move_to_end(key)
        return content

    def set(self, key: Any, content: bytes) -> None:
        if len(content) > LARGEST:
            return
        self._found[key] = content
        while len(self._found) > MOST:
            self._found.popitem(last=False)


def key_of(value: Any) -> Any:
    """A hashable picture of a reply's values, in which different values differ.

    Raises:
        TypeError: something in it has no value to compare: a zeep object.
    """
    if isinstance(value, etree._Element):
        return (etree._Element, etree.tostring(value))
    if isinstance(value, _PLAIN):
        # True and 1 are equal in Python and differ in XML.
        return (type(value), value)
    if isinstance(value, Mapping):
        return tuple([(name, key_of(item)) for name, item in value.items()])
    if isinstance(value, list | tuple):
        return (list, *[key_of(item) for item in value])
    raise TypeError(f"a {type(value).__name__} cannot be a key")
