"""The errors of the whole program, drawn once.

    Error:
    ├── RequestError     the request is not carried out, nothing changed; the text is for the client
    │   ├── Invalid          one value does not fit (field)
    │   ├── NotFound         what was requested is not there, or no longer
    │   ├── Conflict         it stands against what is there already
    │   └── Refused          the right, the proof or the reason for it is missing
    ├── WireError        bytes from outside broke their format (offset, clause)
    │   ├── Truncated        they stop before the structure does
    │   └── Unsupported      well formed, but a version or kind we do not speak
    ├── SealError        a key, tag or signature does not fit; nothing is released
    ├── PeerError        the other end refused, answered nonsense or went away
    │   └── OnvifError       the same said in SOAP (`onvif/errors.py`: Fault, NotAuthorized, NotOnvif, Unreachable)
    ├── StoreError       the disk or the database refused, or contradicts itself
    ├── ConfigError      a file that the operator wrote cannot be used; the message names file and key
    ├── HostError        this computer's system refused a port, a process or a setting
    └── ModelError       a model file or its runtime cannot be trusted

`base/refusals.py` says each as an HTTP status and a sentence, `onvif/errors.py` each as a SOAP fault.
"""


class Error(Exception):
    """Something outside this program's control went wrong; the message is a sentence for an operator."""


class RequestError(Error):
    """The request is not carried out and nothing was changed; the client can do something about it."""


class Invalid(RequestError):
    """One value that was sent does not fit.

    Args:
        message: what is wrong, a sentence that may begin with the field's name.
        field: the name of the value, as its sender knows it.
    """

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


class NotFound(RequestError):
    """What was requested is not there, or no longer: the same request again does not help."""


class Conflict(RequestError):
    """What is wished stands against what is there already; something else has to change first."""


class RightRefused(RequestError):
    """The right, the proof or the reason for it is missing; the message says which and why."""


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


class StoreError(Error):
    """The disk or the database refused, or contradicts itself. Never a person's mistake."""


class ConfigError(Error):
    """A file that the operator wrote cannot be used; the message names the file and the key."""


class HostError(Error):
    """The system of this computer refused a port, a process or a setting; the message says which."""


class ModelError(Error):
    """A model file or its runtime cannot be trusted."""
