"""Settings that survive: a frozen dataclass kept in one JSON file, replaced atomically.

A section of a device's settings is a frozen dataclass of plain values, enumerations, tuples, string-keyed mappings and
further dataclasses. `Stored` holds the present value; `change` writes the whole file aside, syncs it, renames it over
the old one and syncs the folder, then tells the listeners, so that a device that loses power has the old or the new
settings, never half of both.
"""

import json
import os
import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from pathlib import Path
from threading import RLock
from typing import Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

from base.errors import StoreError

T = TypeVar("T")
Listener = Callable[[T, T], None]


class Stored(Generic[T]):
    """One section of the settings and the file that keeps it. May be used from any thread.

    Args:
        path: the file; its folder is made when it does not exist. Mode 0600, for passwords may be inside.
        default: value of a device that was never configured; written by the first change only.

    Raises:
        StoreError: the file exists and cannot be read as this section.
    """

    def __init__(self, path: Path, default: T) -> None:
        self._path = path
        self._lock = RLock()
        self._listeners: list[Listener[T]] = []
        self._default = default
        self._value = self._load()

    @property
    def value(self) -> T:
        return self._value

    def change(self, **changes: Any) -> T:
        """Replace fields by name, persist, tell the listeners; returns the new value."""
        with self._lock:
            return self.put(replace(self._value, **changes))  # type: ignore[type-var]  # T is a dataclass by contract

    def put(self, value: T) -> T:
        """Replace the whole section, persist, tell the listeners with (old, new)."""
        with self._lock:
            old = self._value
            if value == old:
                return value
            write_atomically(self._path, json.dumps(to_json(value), indent=1, sort_keys=True).encode())
            self._value = value
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener(old, value)
        return value

    def reset(self, **kept: Any) -> T:
        """Back to the default of a device that was never configured, but for the fields named."""
        return self.put(replace(self._default, **kept))  # type: ignore[type-var]  # T is a dataclass by contract

    def listen(self, listener: Listener[T]) -> None:
        """Call `listener(old, new)` after each change, on the thread that changed it."""
        with self._lock:
            self._listeners.append(listener)

    def _load(self) -> T:
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return self._default
        except OSError as problem:
            raise StoreError(f"{self._path} cannot be read: {problem.strerror}") from problem
        try:
            loaded: T = from_json(type(self._default), json.loads(text))
        except (ValueError, TypeError, KeyError, AttributeError) as problem:
            raise StoreError(f"{self._path} does not hold {type(self._default).__name__}: {problem}") from problem
        return loaded


def write_atomically(path: Path, content: bytes) -> None:
    """Put a file in place whole or not at all; raises StoreError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.new")
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as problem:
        raise StoreError(f"{path} cannot be written: {problem.strerror}") from problem


def to_json(value: Any) -> Any:
    """Dataclasses as objects, enumerations by value, tuples as lists."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, tuple | list | frozenset):
        return [to_json(item) for item in (sorted(value) if isinstance(value, frozenset) else value)]
    return value


def from_json(kind: Any, value: Any) -> Any:
    """The reverse, directed by the type; fields that the file lacks take their default, unknown ones are an error."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        if value is None:
            return None
        return from_json(next(argument for argument in arguments if argument is not type(None)), value)
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(from_json(arguments[0], item) for item in value)
        return tuple(from_json(argument, item) for argument, item in zip(arguments, value, strict=True))
    if origin is frozenset:
        return frozenset(from_json(arguments[0], item) for item in value)
    if origin is not None and issubclass(origin, Mapping):
        return {key: from_json(arguments[1], item) for key, item in value.items()}
    if is_dataclass(kind):
        return _dataclass(kind, value)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(kind, type) and type(value) is not kind:
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def _dataclass(kind: Any, value: Mapping[str, Any]) -> Any:
    known = {field.name for field in fields(kind)}
    unknown = set(value) - known
    if unknown:
        raise ValueError(f"unknown field {min(unknown)!r}")
    types_by_name = get_type_hints(kind)
    return kind(**{name: from_json(types_by_name[name], item) for name, item in value.items()})
