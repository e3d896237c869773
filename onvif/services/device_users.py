"""Users of a device: GetUsers, CreateUsers, SetUser, DeleteUsers (ONVIF Core 26.06, 8.4), all of them atomic."""

import re
from dataclasses import replace
from typing import Any

from onvif.errors import Fault, impossible, invalid
from onvif.service import Call, Reply, operation
from onvif.services.device_context import DeviceContext
from onvif.users import Level, User

MOST_USERS = 32
LONGEST_NAME = 32
LONGEST_PASSWORD = 64
# What HTTP Digest can carry in a quoted string without escapes that clients forget.
_NAME = re.compile(r"[A-Za-z0-9._@+-]+")


class UserOperations:
    """The handlers of user management."""

    def __init__(self, context: DeviceContext) -> None:
        self._context = context

    @operation("GetUsers")
    async def get_users(self, _call: Call) -> Reply:
        return {"User": [{"Username": user.name, "UserLevel": user.level} for user in self._users]}

    @operation("CreateUsers")
    async def create_users(self, call: Call) -> Reply:
        users = list(self._users)
        for requested in call.request.User:
            name, password = str(requested.Username or ""), str(requested.Password or "")
            if any(user.name == name for user in users):
                raise _prohibited(f"the user {name!r} exists", "UsernameClash")
            users.append(User(_checked_name(name), self._checked(password, name), _level(requested)))
        if len(users) > MOST_USERS:
            raise impossible(f"at most {MOST_USERS} users", "TooManyUsers")
        self._context.state.change(users=tuple(users))
        return None

    @operation("SetUser")
    async def set_user(self, call: Call) -> Reply:
        users = {user.name: user for user in self._users}
        for requested in call.request.User:
            name = str(requested.Username or "")
            if name not in users:
                raise invalid(f"there is no user {name!r}", "UsernameMissing")
            password = str(requested.Password) if requested.Password is not None else users[name].password
            users[name] = replace(users[name], password=self._checked(password, name), level=_level(requested))
        self._keep_an_administrator(tuple(users.values()))
        self._context.state.change(users=tuple(users.values()))
        return None

    @operation("DeleteUsers")
    async def delete_users(self, call: Call) -> Reply:
        unwanted = {str(name) for name in call.request.Username}
        missing = unwanted - {user.name for user in self._users}
        if missing:
            raise invalid(f"there is no user {min(missing)!r}", "UsernameMissing")
        kept = tuple(user for user in self._users if user.name not in unwanted)
        self._keep_an_administrator(kept)
        self._context.state.change(users=kept)
        return None

    @property
    def _users(self) -> tuple[User, ...]:
        return self._context.state.value.users

    def _checked(self, password: str, name: str) -> str:
        if len(password) > LONGEST_PASSWORD:
            raise _prohibited(f"a password has at most {LONGEST_PASSWORD} characters", "PasswordTooLong")
        least = self._context.state.value.password_minimum
        if len(password) < least or password.lower() == name.lower():
            raise _prohibited(f"a password has at least {least} characters and is not the name", "Password")
        return password

    @staticmethod
    def _keep_an_administrator(users: tuple[User, ...]) -> None:
        if not any(user.level is Level.ADMINISTRATOR for user in users):
            raise invalid("one administrator has to remain", "FixedUser")


def _checked_name(name: str) -> str:
    if len(name) > LONGEST_NAME:
        raise _prohibited(f"a user name has at most {LONGEST_NAME} characters", "UsernameTooLong")
    if not name:
        raise _prohibited("a user needs a name", "UsernameTooShort")
    if not _NAME.fullmatch(name):
        raise invalid("a user name has letters, digits and . _ @ + -", "InvalidUsername")
    return name


def _level(requested: Any) -> Level:
    try:
        level = Level(str(requested.UserLevel))
    except ValueError:
        raise invalid("the level Extended is not offered", "InvalidUserLevel") from None
    if level is Level.ANONYMOUS:
        raise _prohibited("no account can be given the level Anonymous", "AnonymousNotAllowed")
    return level


def _prohibited(reason: str, subcode: str) -> Fault:
    return Fault(reason, "OperationProhibited", subcode)
