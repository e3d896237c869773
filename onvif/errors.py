"""Errors of the ONVIF layer; it imports nothing of ours and so draws its own tree.

OnvifError:
├── Fault             the answer is a SOAP fault: sent by a server, received by a client
├── NotAuthorized     the server wants (other) credentials: answered with HTTP 401
├── NotOnvif          the peer's bytes are not the SOAP that was asked for
├── Unreachable       no answer: refused, timed out, closed
├── HostRefused       the host did not do what a client set; answered with a fault
└── StateError        the settings file cannot be read or written
"""

from collections.abc import Sequence

SENDER = "Sender"
RECEIVER = "Receiver"


class OnvifError(Exception):
    """Something that the other end or the disk did; the message is a sentence for an operator."""


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
    """The peer's bytes are not the SOAP that was asked for."""


class Unreachable(OnvifError):
    """No answer: refused, timed out or closed."""


class HostRefused(OnvifError):
    """The host did not do it; the message says what it said."""


class StateError(OnvifError):
    """The settings file cannot be read or written; the message names it."""


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
