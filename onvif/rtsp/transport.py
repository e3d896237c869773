"""The Transport header of SETUP, read strictly (RFC 2326 §12.39).

gst-rtsp-server takes a choice that it cannot read for multicast in the clear. What is not understood here is therefore
refused with 461 before it comes to that, and so is what a door does not offer.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

_PROFILES = {"RTP/AVP", "RTP/SAVP"}
_PAIR = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
_MOST_CHOICES = 16
_TCP_ONLY, _UDP_ONLY = {"interleaved"}, {"client_port", "server_port"}


@dataclass(frozen=True, slots=True)
class Transport:
    """One choice of a client.

    Args:
        profile: `RTP/AVP` or `RTP/SAVP`.
        tcp: inside the RTSP connection.
        multicast: to the group of the device; never with `tcp`.
        pair: channels of `tcp`, else the client's two UDP ports; None where the client leaves them to the server.
    """

    profile: str
    tcp: bool
    multicast: bool
    pair: tuple[int, int] | None

    @property
    def encrypted(self) -> bool:
        """Whether the packets are SRTP."""
        return self.profile == "RTP/SAVP"

    def __str__(self) -> str:
        """As the header has it."""
        if self.multicast:
            return f"{self.profile};multicast"
        pair = f"{self.pair[0]}-{self.pair[1]}" if self.pair is not None else ""
        if self.tcp:
            return f"{self.profile}/TCP;unicast" + (f";interleaved={pair}" if pair else "")
        return f"{self.profile};unicast;client_port={pair}"


Judge = Callable[[Transport], bool]
"""Whether a door offers a transport."""


def parse(header: str) -> tuple[Transport, ...]:
    """What can be understood of a header, in the client's order; a choice that contradicts itself is left out."""
    choices = (_choice(text) for text in header.split(",")[:_MOST_CHOICES])
    return tuple(choice for choice in choices if choice is not None)


def anywhere(_transport: Transport) -> bool:
    """The port in the open: whatever was understood."""
    return True


def through_a_tunnel(transport: Transport) -> bool:
    """Not to an address: the one that a tunnelled request seems to come from is the tunnel's own."""
    return transport.tcp or transport.multicast


def under_tls(transport: Transport) -> bool:
    """Not in the clear: inside the connection or by SRTP."""
    return transport.tcp or transport.encrypted


def _choice(text: str) -> Transport | None:
    first, *rest = (part.strip() for part in text.split(";"))
    spec = first.upper().split("/")
    profile, lower = "/".join(spec[:2]), spec[2:]
    if profile not in _PROFILES or lower not in ([], ["UDP"], ["TCP"]):
        return None
    tcp = lower == ["TCP"]
    fields: dict[str, str] = {}
    for part in rest:
        name, _, value = part.partition("=")
        name = name.strip().lower()
        if name in fields:
            return None
        fields[name] = value.strip().strip('"')
    multicast = "multicast" in fields
    if multicast and ("unicast" in fields or tcp):
        return None
    if fields.get("mode", "play").lower() != "play" or (_UDP_ONLY if tcp else _TCP_ONLY) & fields.keys():
        return None
    if multicast:
        return Transport(profile, tcp=False, multicast=True, pair=None)
    # Without a word of either RFC 2326 means multicast, which does not go with channels or ports in the header.
    named = fields.get("interleaved" if tcp else "client_port")
    pair = _pair(named, 255 if tcp else 65_535, 0 if tcp else 1) if named is not None else None
    if pair is None and (named is not None or not tcp):
        return None
    return Transport(profile, tcp, multicast=False, pair=pair)


def _pair(text: str, most: int, least: int) -> tuple[int, int] | None:
    found = _PAIR.fullmatch(text)
    if found is None:
        return None
    low = int(found[1])
    high = int(found[2]) if found[2] else low + 1
    return (low, high) if least <= low <= most and least <= high <= most and low != high else None
