"""What a device service may do to its host, behind one small Protocol.

`RecordedPlatform` is a device that shares its host with others (a laptop, a container, a virtual camera): the host is
only read; what a client sets is kept in the device's state and reported back. `onvif.host.platform` is the device that
owns its host. Which of them holds is the operator's choice in the configuration.
"""

import fcntl
import hashlib
import ipaddress
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from onvif.device_state import DeviceState

_SIOCGIFADDR, _SIOCGIFNETMASK, _SIOCGIFMTU, _SIOCGIFHWADDR = 0x8915, 0x891B, 0x8921, 0x8927


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface as the host has it now."""

    name: str
    mac: str
    mtu: int
    ipv4: tuple[tuple[str, int], ...] = ()
    """(address, prefix length)."""
    ipv6: tuple[tuple[str, int], ...] = ()


class Platform(Protocol):
    """Host functions. Event loop only; what sets something raises HostError when the host does not do it."""

    def now(self) -> datetime:
        """The device's clock in UTC."""

    async def set_clock(self, utc: datetime | None, state: DeviceState) -> timedelta:
        """Set the clock (None leaves it running) and choose NTP or not as the state says.

        Returns:
            How far the device's clock is from the host's then.
        """

    def interfaces(self) -> tuple[Interface, ...]:
        """The host's interfaces, loopback last and only when there is no other."""

    async def apply_network(self, old: DeviceState, new: "DeviceState") -> None:
        """Bring host name, interfaces, addresses, gateways, DNS and NTP servers in line with the new state."""

    async def restart(self, *, hard: bool) -> None:
        """Restart the device: at least the process, on hardware of its own the whole system."""


@dataclass(slots=True)
class RecordedPlatform:
    """A device that is a guest on its host.

    Args:
        restart_process: ends the process so that its supervisor starts it again.
        offset: how far the device's clock was set from the host's.
        mac: of every interface, for a device that is one of several on its host; the host's own when it is empty.
    """

    restart_process: Callable[[], None]
    offset: timedelta = field(default_factory=timedelta)
    mac: str = ""

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    async def set_clock(self, utc: datetime | None, state: DeviceState) -> timedelta:
        if state.clock.ntp:
            self.offset = timedelta()
        elif utc is not None:
            self.offset = utc - datetime.now(UTC)
        return self.offset

    def interfaces(self) -> tuple[Interface, ...]:
        found = host_interfaces()
        return tuple(replace(interface, mac=self.mac) for interface in found) if self.mac else found

    async def apply_network(self, old: DeviceState, new: "DeviceState") -> None:
        """Nothing on a host that belongs to others; the state reports it back."""

    async def restart(self, *, hard: bool) -> None:  # noqa: ARG002 - the process is all that is ours here
        self.restart_process()


def own_mac(identity: bytes) -> str:
    """A locally administered address (IEEE 802c) that follows from the identity of a device.

    Clients that know a device by its MAC, as Home Assistant does, take all cameras of one host for one otherwise.
    """
    made = bytearray(hashlib.sha256(b"veilcam mac " + identity).digest()[:6])
    made[0] = made[0] & 0xFC | 0x02
    return made.hex(":").upper()


def host_interfaces() -> tuple[Interface, ...]:
    """What the kernel reports about the interfaces; by ioctl, since a bare chroot has no /sys."""
    found = [_interface(name) for _, name in sorted(socket.if_nameindex())]
    wired = [interface for interface in found if interface.name != "lo" and (interface.ipv4 or interface.ipv6)]
    return tuple(wired or [interface for interface in found if interface.name == "lo"])


def interface_of(address: str) -> str:
    """The interface by which multicast should leave a device that listens on this address; empty for any.

    That of the address, or the only one there is: a camera often has no default route that could tell.
    """
    names = [name for _, name in socket.if_nameindex()]
    own = [name for name in names if address in {found for found, _ in (*_ipv4(name), *_ipv6(name))}]
    wired = [name for name in names if name != "lo" and _ipv4(name)]
    return next(iter(own or (wired if len(wired) == 1 else [])), "")


def _interface(name: str) -> Interface:
    mac = _ask(name, _SIOCGIFHWADDR)[18:24].hex(":").upper()
    (mtu,) = struct.unpack_from("i", _ask(name, _SIOCGIFMTU), 16)
    return Interface(name, mac, mtu, _ipv4(name), _ipv6(name))


def _ask(name: str, request: int) -> bytes:
    """netdevice(7): the `struct ifreq` that the kernel fills in."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        return fcntl.ioctl(handle.fileno(), request, struct.pack("256s", name[:15].encode()))


def _ipv4(name: str) -> tuple[tuple[str, int], ...]:
    try:
        address = socket.inet_ntoa(_ask(name, _SIOCGIFADDR)[20:24])
        mask = socket.inet_ntoa(_ask(name, _SIOCGIFNETMASK)[20:24])
    except OSError:
        return ()  # no IPv4 address
    return ((address, ipaddress.IPv4Network(f"0.0.0.0/{mask}").prefixlen),)


def _ipv6(name: str) -> tuple[tuple[str, int], ...]:
    try:
        lines = Path("/proc/net/if_inet6").read_text(encoding="ascii").splitlines()
    except OSError:
        return ()
    entries = [line.split() for line in lines]
    return tuple(
        (str(ipaddress.IPv6Address(int(entry[0], 16))), int(entry[2], 16)) for entry in entries if entry[5] == name
    )
