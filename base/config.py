"""TOML into frozen dataclasses: an unknown key is an error that names the known ones.

A dataclass states the keys, their types and their defaults, once. Its `__post_init__` may raise `ValueError`
for a value out of range; the message is reported under the key's full path. Fields may be bool, int, float, str,
`Path`, a `StrEnum`, a `Literal`, a nested dataclass, `tuple[X, ...]` of those, any of them `| None`, or one of several
dataclasses, which the key `kind` tells apart: the first where it is not given.
"""

import dataclasses
import tomllib
import types
import typing
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from base.errors import ConfigError

T = TypeVar("T")


def load(shape: type[T], path: Path) -> T:
    """Read the file at `path` as one `shape`.

    Raises:
        ConfigError: the file is missing, is not TOML, or does not fit `shape`; the message names the key.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    return build(shape, table, where=path.name)


def build(shape: type[T], table: dict[str, Any], *, where: str, usual: object = None) -> T:
    """Build one `shape` from a TOML table; `where` is the path that error messages start with.

    Args:
        usual: what holds without the table, and so for every key that the table leaves out; the class's own defaults
            when it is no `shape`.

    Raises:
        ConfigError: an unknown or missing key, a value of the wrong type, or one that `shape` refuses.
    """
    hints = typing.get_type_hints(shape)
    fields = {field.name: field for field in dataclasses.fields(shape)}  # type: ignore[arg-type]  # T is a dataclass
    for key in table:
        if key not in fields:
            raise ConfigError(f"{where}: unknown key {key!r}; known: {', '.join(sorted(fields))}")
    values = {}
    for name, field in fields.items():
        if name in table:
            factory = field.default_factory
            without = factory() if factory is not dataclasses.MISSING else None
            values[name] = _value(hints[name], table[name], f"{where}.{name}", without)
        elif isinstance(usual, shape):
            values[name] = getattr(usual, name)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ConfigError(f"{where}: key {name!r} is missing")
    try:
        return shape(**values)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def _value(hint: Any, value: Any, where: str, usual: object = None) -> Any:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        arms = [arm for arm in typing.get_args(hint) if arm is not types.NoneType]
        return _value(_arm(arms, value, where), value, where, usual)
    if origin is typing.Literal:
        if value not in typing.get_args(hint):
            raise ConfigError(f"{where}: want one of {', '.join(map(str, typing.get_args(hint)))}, got {value!r}")
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise ConfigError(f"{where}: want a list, got {value!r}")
        return tuple(_value(typing.get_args(hint)[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise ConfigError(f"{where}: want a table, got {value!r}")
        return build(typing.cast("type[Any]", hint), value, where=where, usual=usual)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        if value not in list(hint):
            raise ConfigError(f"{where}: want one of {', '.join(hint)}, got {value!r}")
        return hint(value)
    if hint is Path and isinstance(value, str):
        return Path(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise ConfigError(f"{where}: want {hint.__name__}, got {value!r}")
    return value


def _arm(arms: list[Any], value: Any, where: str) -> Any:
    """Which of several dataclasses is meant, by the default of their field `kind`."""
    if len(arms) == 1 or not isinstance(value, dict):
        return arms[0]
    kinds = {_kind(arm): arm for arm in arms}
    kind = value.get("kind", _kind(arms[0]))
    if kind not in kinds:
        raise ConfigError(f"{where}.kind: want one of {', '.join(kinds)}, got {kind!r}")
    return kinds[kind]


def _kind(arm: Any) -> str:
    return str(next(field.default for field in dataclasses.fields(arm) if field.name == "kind"))
