"""Errors that cross a module boundary.

    Error:
    ├── WireError        bytes from outside broke their format (offset, clause)
    │   ├── Truncated        they stop before the structure does
    │   └── Unsupported      well formed, but a version or kind we do not speak
    ├── SealError        a key, tag or signature does not fit; nothing is released
    ├── PeerError        the other end refused, answered nonsense or went away
    ├── ModelError       a model file or its runtime cannot be trusted
    ├── StoreError       the disk or the database refused or contradicts itself
    │   └── NotFound         it works, but what is asked for is not there, or no longer
    └── ConfigError      the operator must change something
        ├── Invalid          one value that was sent does not fit (field)
        └── Conflict         it stands against what is there already

`onvif/` imports nothing of ours and draws its own small tree in `onvif/errors.py`.
"""


class Error(Exception):
    """Something outside this program's control went wrong; the message is a sentence for an operator."""


class WireError(Error):
    """Bytes from outside broke their format.

    Args:
        message: what is wrong, naming the field.
        at: byte offset in the structure being read, -1 when it has none.
        clause: the document and clause that is violated, empty when it is our own layout.
    """

    def __init__(self, message: str, *, at: int = -1, clause: str = "") -> None:
        where = f" at byte {at}" if at >= 0 else ""
        source = f" ({clause})" if clause else ""
        super().__init__(f"{message}{where}{source}")
        self.at = at
        self.clause = clause


class Truncated(WireError):
    """The bytes stop before the structure does."""


class Unsupported(WireError):
    """Well formed, but of a version or kind that this program does not speak."""


class SealError(Error):
    """A key, an authentication tag or a signature does not fit; no plaintext is released."""


class PeerError(Error):
    """The other end refused, answered nonsense or went away."""


class ModelError(Error):
    """A model file or its runtime cannot be trusted."""


class StoreError(Error):
    """The disk or the database refused, or contradicts itself."""


class NotFound(StoreError):
    """What is asked for is not there, or no longer: asking again does not help."""


class ConfigError(Error):
    """The operator must change something; the message names the key."""


class Invalid(ConfigError):
    """One value that was sent does not fit; `field` names it."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


class Conflict(ConfigError):
    """What is wished stands against what is there already."""
