"""TOML into frozen dataclasses: an unknown key is an error that names the known ones (`base/codec.py`)."""

import tomllib
from pathlib import Path
from typing import Any, TypeVar

from base import codec
from base.errors import ConfigError, Invalid

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


def build(shape: type[T], table: dict[str, Any], *, where: str) -> T:
    """Build one `shape` from a TOML table; `where` is the path that error messages start with.

    Raises:
        ConfigError: an unknown or missing key, a value of the wrong type, or one that `shape` refuses.
    """
    try:
        return codec.decode(shape, table, where)
    except Invalid as error:
        raise ConfigError(str(error)) from error
