"""UDP multicast on the interfaces of this host: IPv4 group 239.255.255.250, port 3702 (WS-Discovery 2.4)."""

import contextlib
import errno
import fcntl
import ipaddress
import socket
import struct

GROUP = "239.255.255.250"
PORT = 3702

_SIOCGIFADDR = 0x8915
_IP_PKTINFO = 8
_IP_MULTICAST_ALL = 49
"""linux/in.h: 0 = only groups that this very socket joined, on the interfaces where it did."""


def interfaces() -> tuple[str, ...]:
    """The IPv4 address of every interface that has one, loopback included."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):
                answer = fcntl.ioctl(probe, _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
                found.append(socket.inet_ntoa(answer[20:24]))
    return tuple(dict.fromkeys(found))


def served_by(address: str) -> tuple[str, ...] | None:
    """The interfaces on which services that listen on `address` can be reached, by their IPv4 addresses.

    Returns:
        None for every interface; nothing for an address of IPv6, whose interface this discovery does not serve.
    """
    try:
        listened = ipaddress.ip_address(address)
    except ValueError:
        return None
    if listened.is_unspecified:
        return None
    return (address,) if listened.version == 4 else ()


def listener(addresses: tuple[str, ...], port: int = PORT) -> socket.socket:
    """A non-blocking socket that hears the group on each of these interfaces, and unicast.

    The port is shared: every process of this host that does the same hears every multicast.

    Raises:
        OSError: the port is taken by a program that does not share it, or no interface could be joined.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
        sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        sock.bind(("", port))
        joined = 0
        for address in addresses:
            try:
                request = socket.inet_aton(GROUP) + socket.inet_aton(address)
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
                joined += 1
            except OSError as problem:
                # Point-to-point and vanished interfaces cannot join; those that can are enough.
                if problem.errno not in {errno.ENODEV, errno.EADDRNOTAVAIL, errno.EADDRINUSE}:
                    raise
        if not joined:
            raise OSError(errno.ENODEV, "no network interface can join the discovery group")
    except OSError:
        sock.close()
        raise
    return sock


def sender(address: str) -> socket.socket:
    """A non-blocking socket whose multicasts leave by the interface of `address`, and reach this host too."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        sock.bind((address, 0))
    except OSError:
        sock.close()
        raise
    return sock


def local_address(peer: str) -> str:
    """The address of ours by which `peer` reaches us; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((peer, PORT))
            return str(sock.getsockname()[0])
        except OSError:
            return "127.0.0.1"


def receive(sock: socket.socket, size: int) -> tuple[bytes, tuple[str, int], bool]:
    """(datagram, sender, whether it was sent to the group) of a `listener`.

    Raises:
        BlockingIOError: there is none.
        OSError: the network says so, as after an unreachable port.
    """
    data, ancillary, _, peer = sock.recvmsg(size, socket.CMSG_SPACE(12))
    to_group = any(
        level == socket.IPPROTO_IP and kind == _IP_PKTINFO and ipaddress.IPv4Address(content[8:12]).is_multicast
        for level, kind, content in ancillary
    )
    return data, (str(peer[0]), int(peer[1])), to_group
