"""Users, their levels and the eight access classes (ONVIF Core 26.06, 5.9.4.3; Security baseline)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Level(StrEnum):
    """tt:UserLevel; Extended is not offered."""

    ADMINISTRATOR = "Administrator"
    OPERATOR = "Operator"
    USER = "User"
    ANONYMOUS = "Anonymous"


@dataclass(frozen=True, slots=True)
class User:
    """One account. The password is kept as given: WS-UsernameToken and digest both need it; the file has mode 0600."""

    name: str
    password: str
    level: Level


class AccessClass(StrEnum):
    PRE_AUTH = "PRE_AUTH"
    READ_SYSTEM = "READ_SYSTEM"
    READ_SYSTEM_SENSITIVE = "READ_SYSTEM_SENSITIVE"
    READ_SYSTEM_SECRET = "READ_SYSTEM_SECRET"  # noqa: S105 - the name of an access class
    WRITE_SYSTEM = "WRITE_SYSTEM"
    UNRECOVERABLE = "UNRECOVERABLE"
    READ_MEDIA = "READ_MEDIA"
    ACTUATE = "ACTUATE"


_ALL: Final = frozenset(AccessClass)
_READ: Final = frozenset({AccessClass.PRE_AUTH, AccessClass.READ_SYSTEM, AccessClass.READ_MEDIA})
ALLOWED: Final = {
    Level.ADMINISTRATOR: _ALL,
    Level.OPERATOR: _READ | {AccessClass.READ_SYSTEM_SENSITIVE, AccessClass.ACTUATE},
    Level.USER: _READ,
    Level.ANONYMOUS: frozenset({AccessClass.PRE_AUTH}),
}
"""The default access policy: which level may call operations of which class."""


def may(level: Level, access: AccessClass) -> bool:
    return access in ALLOWED[level]
