"""Frozen dataclasses from and to the plain values of TOML and JSON, once for configuration and stored settings.

A dataclass states the names, their types and their defaults. Fields may be bool, int, float, str, `Path`, an `Enum`, a
`Literal`, a nested dataclass (of which a key that is left out is as in the field's own default), `tuple[X, ...]` or
`tuple[X, Y]` or `frozenset[X]` of those, `Mapping[str, X]`, any of them `| None`, or one of several dataclasses, which
the field `kind` tells apart: the first where it is not given.
"""

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from base.errors import Invalid

T = TypeVar("T")


def decode(shape: type[T], table: Any, where: str, *, strict: bool = True) -> T:
    """Build one `shape`.

    Args:
        table: a table of TOML, or an object of JSON.
        where: the path that the field's name begins with.
        strict: whether an unknown key is refused, or an unknown `kind` in a list; else they are left out, as of a file
            that a newer program wrote.

    Raises:
        Invalid: an unknown or missing key, a value of the wrong type, or one that the dataclass itself refuses with a
            ValueError; `field` is the key's path.
    """
    return _Decoder(strict).dataclass(shape, table, where)  # type: ignore[no-any-return]  # by construction


def encode(value: Any) -> Any:
    """Dataclasses as objects, enumerations by value, paths as text, tuples as lists, sets as sorted lists."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: encode(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, tuple | list | frozenset):
        return [encode(item) for item in (sorted(value) if isinstance(value, frozenset) else value)]
    return value


class _Decoder:
    def __init__(self, strict: bool) -> None:  # noqa: FBT001 - private
        self._strict = strict

    def dataclass(self, shape: Any, table: Any, where: str, usual: object = None) -> Any:
        if not isinstance(table, Mapping):
            raise _misfit(where, f"want a table, got {table!r}")
        hints = get_type_hints(shape)
        known = {field.name: field for field in fields(shape)}
        for key in table if self._strict else ():
            if key not in known:
                raise _misfit(where, f"unknown key {key!r}; known: {', '.join(sorted(known))}")
        values = {}
        for name, field in known.items():
            if name in table:
                factory = field.default_factory
                without = factory() if factory is not MISSING else None
                values[name] = self.value(hints[name], table[name], f"{where}.{name}", without)
            elif isinstance(usual, shape):
                values[name] = getattr(usual, name)
            elif field.default is MISSING and field.default_factory is MISSING:
                raise _misfit(where, f"key {name!r} is missing")
        try:
            return shape(**values)
        except (ValueError, TypeError) as error:
            raise _misfit(where, str(error)) from error

    def value(self, hint: Any, value: Any, where: str, usual: object = None) -> Any:
        origin, arguments = get_origin(hint), get_args(hint)
        if hint is Any:
            return value
        if origin in {Union, types.UnionType}:
            if value is None and types.NoneType in arguments:
                return None
            arms = [arm for arm in arguments if arm is not types.NoneType]
            return self.value(_arm(arms, value, where), value, where, usual)
        if origin is Literal:
            if value not in arguments:
                raise _misfit(where, f"want one of {', '.join(map(str, arguments))}, got {value!r}")
            return value
        if origin in {tuple, frozenset}:
            return origin(self._items(arguments, value, where))
        if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
            if not isinstance(value, Mapping):
                raise _misfit(where, f"want a table, got {value!r}")
            return {str(key): self.value(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
        if is_dataclass(hint):
            return self.dataclass(hint, value, where, usual)
        return _plain(hint, value, where)

    def _items(self, arguments: tuple[Any, ...], value: Any, where: str) -> list[Any]:
        if not isinstance(value, list | tuple):
            raise _misfit(where, f"want a list, got {value!r}")
        fixed = len(arguments) > 1 and Ellipsis not in arguments
        kinds = arguments if fixed else (arguments[0],) * len(value)
        if len(kinds) != len(value):
            raise _misfit(where, f"want a list of {len(kinds)}, got {value!r}")
        pairs = enumerate(zip(kinds, value, strict=True))
        return [
            self.value(kind, item, f"{where}[{i}]")
            for i, (kind, item) in pairs
            if self._strict or fixed or not _of_unknown_kind(kind, item)
        ]


def _plain(hint: Any, value: Any, where: str) -> Any:
    if isinstance(hint, type) and issubclass(hint, Enum):
        if value not in [member.value for member in hint]:
            raise _misfit(where, f"want one of {', '.join(str(member.value) for member in hint)}, got {value!r}")
        return hint(value)
    if hint is Path and isinstance(value, str):
        return Path(value)
    if hint is float and type(value) is int:
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise _misfit(where, f"want {hint.__name__}, got {value!r}")
    return value


def _arm(arms: list[Any], value: Any, where: str) -> Any:
    """Which of several types is meant: of dataclasses by the default of their field `kind`, of others by the value."""
    if len(arms) == 1:
        return arms[0]
    shapes = [arm for arm in arms if is_dataclass(arm)]
    if isinstance(value, Mapping) and shapes:
        kinds = {_kind(arm): arm for arm in shapes}
        kind = value.get("kind", _kind(shapes[0]))
        if kind not in kinds:
            raise _misfit(f"{where}.kind", f"want one of {', '.join(kinds)}, got {kind!r}")
        return kinds[kind]
    return next((arm for arm in arms if type(value) is arm), arms[0])


def _of_unknown_kind(hint: Any, value: Any) -> bool:
    """Whether a table names a kind that none of a union's dataclasses has: it comes from a newer program."""
    shapes = [arm for arm in get_args(hint) if is_dataclass(arm)]
    if not shapes or not isinstance(value, Mapping) or "kind" not in value:
        return False
    return value["kind"] not in {_kind(arm) for arm in shapes}


def _kind(arm: Any) -> str:
    return str(next(field.default for field in fields(arm) if field.name == "kind"))


def _misfit(where: str, what: str) -> Invalid:
    return Invalid(f"{where}: {what}", where)
