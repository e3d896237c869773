"""No default account: the first administrator's password is given by the installer or made up, never a fixed one."""

import logging
import secrets
from pathlib import Path

from base.errors import ConfigError, StoreError
from base.files import write_atomically
from base.settings_file import Stored
from onvif.device_state import DeviceState
from onvif.users import Level, User

ADMINISTRATOR = "admin"
INITIAL_PASSWORD = "initial-password"  # noqa: S105 - the name of a file
log = logging.getLogger(__name__)


def ensure_administrator(device: Stored[DeviceState], folder: Path, password_file: Path | None = None) -> None:
    """Make the first account of a device that has none.

    Args:
        folder: where `initial-password` is left when a password had to be made up.
        password_file: one line with the password; None to make one up.

    Raises:
        ConfigError: the password file cannot be read or is too short.
        StoreError: the made-up password cannot be written.
    """
    if device.value.users:
        return
    if password_file is None:
        password = secrets.token_urlsafe(12)
        path = folder / INITIAL_PASSWORD
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, f"{password}\n".encode())
        except OSError as problem:
            raise StoreError(f"{path} cannot be written: {problem.strerror}") from problem
        log.warning("the first ONVIF administrator is %r; the password is in %s", ADMINISTRATOR, path)
    else:
        try:
            password = password_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as problem:
            raise ConfigError(f"password_file {password_file} cannot be read: {problem}") from problem
        least = device.value.password_minimum
        if len(password) < least:
            raise ConfigError(f"password_file {password_file}: want at least {least} characters")
    device.change(users=(User(ADMINISTRATOR, password, Level.ADMINISTRATOR),))


def forget_once_changed(device: Stored[DeviceState], folder: Path) -> None:
    """Let the note with the made-up password go as soon as no account has that password any more."""

    def changed(old: DeviceState, new: DeviceState) -> None:
        note = folder / INITIAL_PASSWORD
        if old.users == new.users or not note.exists():
            return
        password = note.read_text(encoding="utf-8").strip()
        if not any(user.password == password for user in new.users):
            note.unlink(missing_ok=True)

    device.listen(changed)
