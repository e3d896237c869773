"""The secret under which the box's own keys lie on disk: it must start unattended, but a copy of its state must not.

Where it comes from, in this order: `secret_file` of nvr.toml; the credential `veilcam-box` of the service manager
(systemd.exec(5), LoadCredentialEncrypted=: the machine's TPM or its root alone open it); a file in a folder beside the
state folder, made at the first start, so that neither the database nor a back-up of the state holds it.
"""

import contextlib
import os
import secrets
from pathlib import Path

from base.errors import StoreError
from base.files import write_atomically
from nvr_box.config import BoxConfig

CREDENTIAL = "veilcam-box"
_FOLDER_END, _FILE = "-secret", "box.secret"
_LEAST = 16


def box_secret(config: BoxConfig, *, make: bool = False) -> str | None:
    """The secret; None where the caller has none, as for a command beside a service's credential.

    Args:
        make: make one where there is none yet: the box itself, when it starts.

    Raises:
        StoreError: it cannot be read or made, or is too short.
    """
    path = _found(config)
    if path is None and make:
        path = beside(config.state)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(path, f"{secrets.token_urlsafe(32)}\n".encode())
        except OSError as error:
            raise StoreError(
                f"{path}: the secret for the box's own keys cannot be kept ({error.strerror}); name a secret_file in"
                f" nvr.toml, or give the service a credential {CREDENTIAL}"
            ) from error
    if path is None:
        return None
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: the secret for the box's own keys cannot be read: {error}") from error
    if len(secret) < _LEAST:
        raise StoreError(f"{path}: the secret for the box's own keys wants at least {_LEAST} characters")
    return secret


def beside(state: Path) -> Path:
    """Where a secret is made when none is given."""
    folder = state.resolve()
    return folder.with_name(folder.name + _FOLDER_END) / _FILE


def _found(config: BoxConfig) -> Path | None:
    if config.secret_file is not None:
        return config.secret_file
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if credentials:
        # systemd 252 leaves the folder to root alone where the machine holds no such credential.
        with contextlib.suppress(PermissionError):
            if (path := Path(credentials) / CREDENTIAL).exists():
                return path
    path = beside(config.state)
    return path if path.exists() else None
