"""The camera's identity: an Ed25519 key made once, and the identifier that follows from it."""

import os
from dataclasses import dataclass
from pathlib import Path

from base.errors import ConfigError, StoreError, WireError
from wire.keys import SigningKey, key_id, load_signing_key, save

_FILE = "signing.key"


@dataclass(frozen=True, slots=True)
class CameraIdentity:
    """The camera's signing key; `camera_id` is the identifier of its public half, eight bytes."""

    signer: SigningKey

    @property
    def camera_id(self) -> bytes:
        """Eight bytes that name this camera in recovery data and packets."""
        return key_id(self.signer.public)


def load(state: Path) -> CameraIdentity:
    """The identity kept in the state directory, made (mode 600) when there is none.

    Raises:
        StoreError: the directory cannot be written.
        ConfigError: the key file is damaged. It is never replaced: the box would take the camera for another one.
    """
    path = state / _FILE
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            key = SigningKey.generate()
            save(path, key, None)
            descriptor = os.open(state, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        return CameraIdentity(load_signing_key(path))
    except OSError as error:
        raise StoreError(f"{state}: the state directory cannot be used: {error}") from error
    except WireError as error:
        raise ConfigError(
            f"{path}: the camera's key is damaged ({error}); restore it, or remove it to be a new camera"
        ) from error
