"""Where a basic notification may be posted: to other hosts, and to this one only at an administrator's word.

A subscriber could otherwise let the device post to services that listen on loopback and trust every client that reaches
them. A name is judged by the addresses that it has when the device connects, not by those it had before.
"""

import ipaddress
import socket

from aiohttp import TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from onvif.events.faults import refusal


def check(consumer: str, *, this_host: bool) -> None:
    """Whether notifications may be posted there.

    Args:
        this_host: the subscriber may name this host.

    Raises:
        Fault: SubscribeCreationFailed for what is no HTTP address, or one that the subscriber may not name.
    """
    try:
        url = URL(consumer)
    except ValueError:
        url = URL()
    if url.scheme not in {"http", "https"} or not url.host:
        raise refusal("SubscribeCreationFailedFault", f"The consumer {consumer[:80]!r} is no HTTP address.")
    if not this_host and (url.host == "localhost" or is_here(url.host)):
        raise refusal("SubscribeCreationFailedFault", "Only an administrator may have this device notify itself.")


def is_here(host: str) -> bool:
    """Whether an address is one of this host's, loopback and the unspecified one included; False for a name."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    if address.is_loopback or address.is_unspecified:
        return True
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((host if family == socket.AF_INET6 else str(address), 0))
    except OSError:
        return False
    return True


def connector(*, this_host: bool) -> TCPConnector:
    """For the session that posts."""
    return TCPConnector() if this_host else TCPConnector(resolver=_Elsewhere())


class _Elsewhere(AbstractResolver):
    """Names, without their addresses of this host."""

    def __init__(self) -> None:
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises OSError when every address of the name is one of ours."""
        found = [
            address for address in await self._resolver.resolve(host, port, family) if not is_here(address["host"])
        ]
        if not found:
            raise OSError(f"{host} is this host")
        return found

    async def close(self) -> None:
        await self._resolver.close()
