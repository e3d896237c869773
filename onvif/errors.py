"""What is said in SOAP, below `PeerError` of the one tree in `base/errors.py`, and that tree as SOAP faults.

OnvifError:
├── Fault             the answer is a SOAP fault: sent by a server, received by a client
├── NotAuthorized     the server wants (other) credentials: answered with HTTP 401
├── NotOnvif          the peer's bytes are not the SOAP that was requested
└── Unreachable       no answer: refused, timed out, closed
"""

from collections.abc import Sequence

from base.errors import Conflict, Error, Invalid, NotFound, PeerError, RightRefused, SealError, WireError
from base.refusals import Words, sentence

SENDER = "Sender"
RECEIVER = "Receiver"


class OnvifError(PeerError):
    """The other end of a SOAP exchange refused, answered nonsense or went away."""


class Fault(OnvifError):
    """A SOAP fault with ONVIF's nested subcodes (ONVIF Core 26.06, 5.11.2).

    Args:
        reason: one sentence for a person.
        subcodes: local names in the `ter:` namespace, outermost first: ("InvalidArgVal", "NoProfile").
        code: `Sender` when the request is at fault, `Receiver` when the device cannot do it.
        detail: an XML element for the Detail of the envelope, as WS-BaseNotification faults need, or None.
        status: HTTP status that carries it, None for the usual 400 (Sender) or 500 (Receiver).
    """

    def __init__(
        self,
        reason: str,
        *subcodes: str,
        code: str = SENDER,
        detail: object | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.subcodes: Sequence[str] = subcodes
        self.code = code
        self.detail = detail
        self.status = status or (400 if code == SENDER else 500)

    def __str__(self) -> str:
        return f"{self.reason} ({'/'.join((self.code, *self.subcodes))})"


class NotAuthorized(OnvifError):
    """The request carries no credentials, or wrong ones.

    Args:
        stale: the credentials were right but for an outdated nonce; the client may repeat without asking its user.
    """

    def __init__(self, message: str, *, stale: bool = False) -> None:
        super().__init__(message)
        self.stale = stale


class NotOnvif(OnvifError):
    """The peer's bytes are not the SOAP that was requested."""


class Unreachable(OnvifError):
    """No answer: refused, timed out or closed."""


def invalid(reason: str, subcode: str, *more: str) -> Fault:
    """Sender/ter:InvalidArgVal/ter:<subcode>: a value that this device cannot accept."""
    return Fault(reason, "InvalidArgVal", subcode, *more)


def not_supported(reason: str, subcode: str = "ActionNotSupported") -> Fault:
    """Receiver/ter:ActionNotSupported (the device has no such function)."""
    if subcode == "ActionNotSupported":
        return Fault(reason, "ActionNotSupported", code=RECEIVER)
    return Fault(reason, "ActionNotSupported", subcode, code=RECEIVER)


def impossible(reason: str, subcode: str) -> Fault:
    """Receiver/ter:Action/ter:<subcode>: understood, but the device's state forbids it."""
    return Fault(reason, "Action", subcode, code=RECEIVER)


_WORDS = Words(
    full="the device's disk is full, so this was not done",
    database="the device's database does not take this now, so nothing was changed",
    disk="the device cannot keep or read its settings, so nothing was changed",
    config="a file of the device's configuration cannot be used",
    system="the device's system does not do its part of this",
)
_SUBCODES: tuple[tuple[type[Error], str, tuple[str, ...]], ...] = (
    (Invalid, SENDER, ("InvalidArgVal",)),
    (NotFound, SENDER, ("InvalidArgVal",)),
    (Conflict, RECEIVER, ("Action",)),
    (RightRefused, SENDER, ("NotAuthorized",)),
    (SealError, SENDER, ("NotAuthorized",)),
    (WireError, SENDER, ("InvalidArgs",)),
)


def fault_of(error: Error) -> Fault:
    """The fault that says the same as `error`; Receiver/ter:Action for what is the device's own trouble."""
    if isinstance(error, Fault):
        return error
    for kind, code, subcodes in _SUBCODES:
        if isinstance(error, kind):
            return Fault(sentence(error, _WORDS), *subcodes, code=code)
    return Fault(sentence(error, _WORDS), "Action", code=RECEIVER)
