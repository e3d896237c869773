"""Finding devices: a Probe on every interface, and the devices that answer in time."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from onvif.discovery import messages, multicast
from onvif.discovery.messages import DEVICE, VIDEO_TRANSMITTER
from onvif.errors import NotOnvif
from onvif.names import SCOPE_ROOT

_MOST = 1000
"""Devices; hosts may answer in any number."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DiscoveredDevice:
    """A device that answered.

    Args:
        endpoint: its stable name, `urn:uuid:…`.
        xaddrs: addresses of its device service, as it gives them.
        scopes, types: as it gives them; types in Clark notation.
        address: where its answer came from.
        metadata_version: grows when the device changed.
    """

    endpoint: str
    xaddrs: tuple[str, ...]
    scopes: tuple[str, ...]
    types: tuple[str, ...]
    address: str
    metadata_version: int

    def scope(self, kind: str) -> str:
        """The value of the first `onvif://www.onvif.org/KIND/…` scope (name, hardware, location), decoded, or empty."""
        start = f"{SCOPE_ROOT}{kind}/"
        for scope in self.scopes:
            if scope.lower().startswith(start):
                return unquote(scope[len(start) :]).replace("\r", " ").replace("\n", " ")
        return ""


async def discover(
    timeout_s: float = 3.0,
    *,
    interfaces: Sequence[str] | None = None,
    address: str | None = None,
    port: int = multicast.PORT,
) -> list[DiscoveredDevice]:
    """The video devices that answer within `timeout_s`, one entry per endpoint, in the order of their answers.

    Args:
        timeout_s: how long to listen; answers are spread over half a second by the protocol.
        interfaces: IPv4 addresses of ours to ask on, every interface by default.
        address: ask this host alone, by unicast, instead of the group.
        port: another one for tests only.
    """
    loop = asyncio.get_running_loop()
    probe_ids: set[str] = set()
    found: dict[str, DiscoveredDevice] = {}
    target = (address or multicast.GROUP, port)

    def readable(sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            data, peer = sock.recvfrom(messages.MAX_DATAGRAM)
            for device in _answers(data, probe_ids, peer[0]):
                if len(found) < _MOST:
                    found.setdefault(device.endpoint, device)

    sockets = []
    for own in interfaces or multicast.interfaces():
        with contextlib.suppress(OSError):
            sockets.append(multicast.sender(own))
    try:
        for sock in sockets:
            loop.add_reader(sock, readable, sock)
        # Old devices answer only to their own type, and a datagram may get lost: both types, sent twice.
        for turn in range(2):
            for type_ in (VIDEO_TRANSMITTER, DEVICE):
                message_id, data = messages.probe([type_])
                probe_ids.add(message_id)
                for sock in sockets:
                    try:
                        sock.sendto(data, target)
                    except OSError as problem:
                        _log.debug("no probe by %s: %s", sock.getsockname()[0], problem)
            await asyncio.sleep(timeout_s * (0.25 if turn == 0 else 0.75))
    finally:
        for sock in sockets:
            loop.remove_reader(sock)
            sock.close()
    return list(found.values())


def _answers(data: bytes, probe_ids: set[str], address: str) -> list[DiscoveredDevice]:
    try:
        message = messages.parse(data)
    except NotOnvif as problem:
        _log.debug("answer of %s ignored: %s", address, problem)
        return []
    if message.action != "ProbeMatches" or message.relates_to not in probe_ids:
        return []
    return [
        DiscoveredDevice(
            endpoint.address, endpoint.xaddrs, endpoint.scopes, endpoint.types, address, endpoint.metadata_version
        )
        for endpoint in messages.parse_endpoints(message)
        if endpoint.xaddrs
    ]
