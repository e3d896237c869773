"""Settings that survive: a frozen dataclass kept in one JSON file with a version, replaced atomically.

A section of a device's settings is a frozen dataclass of what `base/codec.py` knows. `Stored` holds the present value;
`change` writes the file and its copy (`base/kept_file.py`), then notifies the listeners, so that a device that loses
power has the old or the new settings, never half of both. A damaged file never ends a program: its copy holds, or else
what `lost` says.

The file is the object of the fields and `version`; one without it is of version 1. A file of an older version goes
through `upgrades`, one step each. A file of a newer one is read for what this program knows of it, and the rest is kept
for when the newer program comes back.
"""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from base import codec, kept_file
from base.kept_file import Damage

T = TypeVar("T")
Listener = Callable[[T, T], None]
Upgrade = Callable[[dict[str, Any]], dict[str, Any]]
"""The fields of one version as those of the next."""


class Stored(Generic[T]):
    """One section of the settings and the file that keeps it. May be used from any thread.

    Args:
        path: the file; its folder is made when it does not exist. Mode 0600, for passwords may be inside.
        default: value of a device that was never configured; written by the first change only.
        lost: what holds when the file is damaged and has no copy, where the default would be too little: of masks.
        version: of the fields as this program writes them.
        upgrades: by the version that each begins with; every one from 1 to below `version`.
    """

    def __init__(
        self,
        path: Path,
        default: T,
        *,
        lost: T | None = None,
        version: int = 1,
        upgrades: Mapping[int, Upgrade] | None = None,
    ) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._listeners: list[Listener[T]] = []
        self._default, self._version, self._upgrades = default, version, upgrades or {}
        self._unknown: dict[str, Any] = {}
        self._written = version
        found = kept_file.read(path, self._parse)
        self.damage: Damage | None = found.damage
        """What was wrong with the file when it was read; None when nothing was."""
        if found.value is not None:
            self._value = found.value
        else:
            self._value = lost if found.damage is not None and lost is not None else default

    @property
    def value(self) -> T:
        return self._value

    def change(self, **changes: Any) -> T:
        """Replace fields by name, persist, tell the listeners; returns the new value. Raises as `put`."""
        with self._lock:
            return self.set(replace(self._value, **changes))  # type: ignore[type-var]  # T is a dataclass by contract

    def set(self, value: T) -> T:
        """Replace the whole section, persist, notify the listeners with (old, new).

        Raises:
            StoreError: it cannot be written; the old value holds.
        """
        with self._lock:
            old = self._value
            if value == old:
                return value
            document = {**self._unknown, **codec.encode(value), "version": self._written}
            kept_file.write(self._path, json.dumps(document, indent=1, sort_keys=True).encode())
            self._value = value
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener(old, value)
        return value

    def reset(self, **kept: Any) -> T:
        """Back to the default of a device that was never configured, but for the fields named; nothing put aside stays.

        Raises:
            StoreError: it cannot be written or removed.
        """
        kept_file.forget_damaged(self._path)
        return self.set(replace(self._default, **kept))  # type: ignore[type-var]  # T is a dataclass by contract

    def listen(self, listener: Listener[T]) -> None:
        """Call `listener(old, new)` after each change, on the thread that changed it."""
        with self._lock:
            self._listeners.append(listener)

    def _parse(self, content: bytes) -> T:
        table = json.loads(content)
        if not isinstance(table, dict):
            raise TypeError("does not hold an object")
        version = table.pop("version", 1)
        if type(version) is not int or version < 1:
            raise ValueError(f"version: want a number from 1, got {version!r}")
        for step in range(version, self._version):
            table = self._upgrades[step](table)
        shape: type[T] = type(self._default)
        value = codec.decode(shape, table, self._path.name, strict=version <= self._version)
        known = {field.name for field in fields(shape)}  # type: ignore[arg-type]  # T is a dataclass by contract
        self._unknown = {name: item for name, item in table.items() if name not in known}
        self._written = max(version, self._version)
        return value
