"""The account with which the box fetches the streams: of the lowest level that may see pictures, made at pairing."""

import secrets
from dataclasses import dataclass

from base.settings_file import Stored
from onvif.device_state import DeviceState
from onvif.users import Level, User

NAME = "veilcam-box"


@dataclass(frozen=True, slots=True)
class ViewerAccount:
    """One user among the device's; the box is given its password under seal."""

    device: Stored[DeviceState]

    @property
    def name(self) -> str | None:
        """None where there is no such account, or an administrator gave it another level."""
        return NAME if self._found() else None

    def ensure(self) -> User:
        """The account, made with a fresh password when it is not there.

        Raises:
            StoreError: it cannot be kept.
        """
        found = self._found()
        if found is None:
            found = User(NAME, secrets.token_urlsafe(24), Level.USER)
            others = (user for user in self.device.value.users if user.name != NAME)
            self.device.change(users=(*others, found))
        return found

    def forget(self) -> None:
        """Remove it, with the pairing that it belonged to. Raises as `ensure`."""
        users = tuple(user for user in self.device.value.users if user.name != NAME)
        if any(user.level is Level.ADMINISTRATOR for user in users):
            self.device.change(users=users)

    def renew(self) -> User:
        """The account with another password: for another box than before. Raises as `ensure`."""
        self.ensure()
        users = self.device.value.users
        fresh = User(NAME, secrets.token_urlsafe(24), Level.USER)
        self.device.change(users=tuple(fresh if user.name == NAME else user for user in users))
        return fresh

    def _found(self) -> User | None:
        return next((user for user in self.device.value.users if user.name == NAME and user.level is Level.USER), None)
