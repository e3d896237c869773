"""A configuration file that names every key with its meaning and default, written from the dataclasses themselves.

The meaning is the key's entry in the docstring of its class; one without an entry is an error, so that no key stays
unexplained. Keys that must be given stand in the file with an example, all others as comments with their default: the
file as it is loads and changes nothing.
"""

import dataclasses
import inspect
import json
import re
import textwrap
import types
import typing
from collections.abc import Iterator, Mapping
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any

_WIDTH = 118
_ENTRY = re.compile(r"([a-z_0-9]+(?:, [a-z_0-9]+)*): (.*)")


def meanings(shape: type) -> dict[str, str]:
    """What the docstring of `shape` says of each key, under `Args:` or `Attributes:`.

    Raises:
        ValueError: a key has no entry.
    """
    lines = inspect.cleandoc(shape.__doc__ or "").splitlines()
    begin = next((i for i, line in enumerate(lines) if line.strip() in {"Args:", "Attributes:"}), len(lines))
    found: dict[str, str] = {}
    names: list[str] = []
    for line in lines[begin + 1 :]:
        text = line.strip()
        entry = _ENTRY.fullmatch(text) if len(line) - len(line.lstrip()) == 4 else None
        if entry:
            names = entry[1].split(", ")
            text = entry[2]
        for name in names if text else ():
            found[name] = f"{found[name]} {text}" if name in found else text
    missing = [field.name for field in dataclasses.fields(shape) if field.name not in found]
    if missing:
        raise ValueError(f"{shape.__name__}: no meaning is given of {', '.join(missing)}")
    return found


def reference(shape: type, examples: Mapping[str, object], *, head: str) -> str:
    """The whole file.

    Args:
        examples: a value for each key that must be given, by its path (`camera.name`).
        head: the first lines, without `#`.
    """
    lines = [f"# {line}".rstrip() for line in head.splitlines()]
    lines += _table(shape, None, "", examples)
    return "\n".join(lines) + "\n"


def _table(shape: type, default: object, path: str, examples: Mapping[str, object], mark: str = "") -> Iterator[str]:
    """The keys of one table; `mark` stands before every line of a table that is only an example."""
    hints, meaning = typing.get_type_hints(shape), meanings(shape)
    later: list[Iterator[str]] = []
    for field in dataclasses.fields(shape):
        where = f"{path}.{field.name}" if path else field.name
        value = getattr(default, field.name) if default is not None else _default(field)
        arms, optional = _arms(hints[field.name])
        if all(dataclasses.is_dataclass(arm) for arm in arms):
            later.append(_nested(arms, value, where, meaning[field.name], examples, mark))
        elif (item := _item(arms[0])) is not None:
            later.append(_list(item, value, where, meaning[field.name], examples, mark))
        else:
            yield ""
            yield from _comment(f"{meaning[field.name]} {_kind(arms[0], value, optional=optional)}", mark)
            if value is dataclasses.MISSING:
                yield f"{mark}{field.name} = {_toml(examples[where])}"
            elif value is None:
                yield f"{mark}# {field.name} ="
            else:
                yield f"{mark}# {field.name} = {_toml(value)}"
    for lines in later:
        yield from lines


def _nested(  # noqa: PLR0917  # one place calls it
    arms: list[type], value: object, where: str, meaning: str, examples: Mapping[str, object], mark: str
) -> Iterator[str]:
    """A table within a table; of several kinds the first is shown, the others as comments."""
    for number, arm in enumerate(arms):
        before = mark if number == 0 else "# "
        yield ""
        yield from _comment(meaning if number == 0 else f"Or: {(arm.__doc__ or '').splitlines()[0]}", "")
        yield f"{before}[{where}]"
        default = value if value is not dataclasses.MISSING and isinstance(value, arm) else None
        yield from _table(arm, default, where, examples, before)


def _list(  # noqa: PLR0917  # one place calls it
    item: type, value: object, where: str, meaning: str, examples: Mapping[str, object], mark: str
) -> Iterator[str]:
    """A list of tables: one of them, which is an example unless the list must be given."""
    before = mark if value is dataclasses.MISSING else "# "
    yield ""
    yield from _comment(
        f"{meaning} A table each; none by default." if before == "# " else f"{meaning} A table each.", ""
    )
    yield f"{before}[[{where}]]"
    yield from _table(item, None, where, examples, before)


def _default(field: "dataclasses.Field[Any]") -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _arms(hint: Any) -> tuple[list[Any], bool]:
    """The types that a key may have, and whether it may be left out altogether."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        arms = [arm for arm in typing.get_args(hint) if arm is not types.NoneType]
        return arms, len(arms) < len(typing.get_args(hint))
    return [hint], False


def _item(hint: Any) -> type | None:
    """The dataclass of which a key is a list."""
    if typing.get_origin(hint) is tuple and dataclasses.is_dataclass(item := typing.get_args(hint)[0]):
        return typing.cast("type", item)
    return None


def _kind(hint: Any, value: object, *, optional: bool) -> str:
    """In brackets: what may stand there, where the words do not say it, and whether it must."""
    if typing.get_origin(hint) is tuple:
        kind = f"list of {_name(typing.get_args(hint)[0])}"
    elif isinstance(hint, type) and issubclass(hint, StrEnum):
        kind = f"one of {', '.join(hint)}"
    else:
        kind = _name(hint)
    if value is dataclasses.MISSING:
        kind += "; must be given"
    elif optional and value is None:
        kind += "; not set by default"
    return f"({kind})"


def _name(hint: Any) -> str:
    if typing.get_origin(hint) is typing.Literal:
        return "always " + ", ".join(typing.get_args(hint))
    names = {bool: "true or false", int: "whole number", float: "number", str: "text", Path: "path"}
    return names.get(hint, getattr(hint, "__name__", str(hint)))


def _comment(text: str, mark: str) -> list[str]:
    if text[1:2].isalpha():
        text = text[0].upper() + text[1:]
    return [f"{mark}# {line}" for line in textwrap.wrap(text, _WIDTH - len(mark))]


def _toml(value: object) -> str:
    if isinstance(value, Enum):
        return _toml(value.value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list):
        return f"[{', '.join(_toml(item) for item in value)}]"
    if isinstance(value, str | Path):
        return json.dumps(str(value), ensure_ascii=False)
    return repr(value)
