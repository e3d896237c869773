"""SEI messages of type "user data unregistered", written as one NAL unit and read out of any.

ITU-T H.264 (08/2021) 7.3.2.3, D.1.7; ITU-T H.265 (08/2021) 7.3.5, D.2.7. Bytes in, bytes out.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from base.errors import Truncated, WireError
from wire.nal import Codec, escape, unescape

USER_DATA_UNREGISTERED = 5
UUID_BYTES = 16
_HEADER = {Codec.H264: b"\x06", Codec.H265: b"\x4e\x01"}
_SUFFIX_HEADER = b"\x50\x01"
_CLAUSE = "H.264 7.3.2.3.1"


@dataclass(frozen=True, slots=True)
class UserData:
    """One user_data_unregistered message, emulation prevention removed."""

    uuid: bytes
    payload: bytes


def write(messages: Iterable[UserData], codec: Codec, *, suffix: bool = False) -> bytes:
    """One SEI NAL unit, without start code, holding the messages in order.

    Args:
        suffix: H.265 only: after the slices instead of before them, so that slices need not wait for the message.
    """
    header = _SUFFIX_HEADER if suffix and codec is Codec.H265 else _HEADER[codec]
    rbsp = b"".join(_message(message) for message in messages) + b"\x80"
    return header + escape(rbsp)


def _message(message: UserData) -> bytes:
    body = message.uuid + message.payload
    whole, last = divmod(len(body), 255)
    return b"".join((bytes((USER_DATA_UNREGISTERED,)), b"\xff" * whole, bytes((last,)), body))


def read(nal: bytes, codec: Codec) -> Iterator[UserData]:
    """Every user_data_unregistered message of one SEI NAL unit; messages of other types are passed over.

    Raises:
        Truncated: a message is shorter than its size field says.
        WireError: not an SEI NAL unit, or a message too short for its UUID.
    """
    if not codec.is_sei(nal):
        raise WireError("not an SEI NAL unit", at=0, clause=_CLAUSE)
    rbsp = unescape(nal[codec.header_bytes :])
    end = len(rbsp.rstrip(b"\x00")) - 1
    at = 0
    while at < end:
        kind, at = _ff_coded(rbsp, at)
        size, at = _ff_coded(rbsp, at)
        if at + size > len(rbsp):
            raise Truncated(f"SEI message of {size} bytes", at=at, clause=_CLAUSE)
        if kind == USER_DATA_UNREGISTERED:
            if size < UUID_BYTES:
                raise WireError(f"user data of {size} bytes has no UUID", at=at, clause="H.264 D.1.7")
            yield UserData(rbsp[at : at + UUID_BYTES], rbsp[at + UUID_BYTES : at + size])
        at += size


def _ff_coded(rbsp: bytes, at: int) -> tuple[int, int]:
    value = 0
    while at < len(rbsp):
        byte = rbsp[at]
        at += 1
        value += byte
        if byte != 0xFF:
            return value, at
    raise Truncated("SEI type or size field", at=at, clause=_CLAUSE)
