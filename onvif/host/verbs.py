"""What the privileged program may do to the host, and with which arguments; there is nothing else.

A verb takes named values of JSON, checks each, and becomes command lines without a shell, or the content of a file
that only it writes. systemd-timesyncd, systemd-hostnamed, NetworkManager and systemd itself do the work. The time zone
is not among them: the device's is a POSIX one, which it applies itself, and the host's only colours its logs.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

TIMESYNCD = Path("etc/systemd/timesyncd.conf.d/50-veilcam.conf")
"""Below the root folder of the host."""
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", re.ASCII)
_INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}", re.ASCII)
_EARLIEST, _LATEST = 946_684_800, 4_102_444_800
"""2000 and 2100: what a clock can be set to, in seconds since 1970."""
MOST_SERVERS = 4
MTU = (576, 9000)


class CommandRefused(Exception):
    """The request is not one of those that are done; the message says why."""


@dataclass(frozen=True, slots=True)
class Command:
    """One program to run; `may_fail` for one whose failure leaves the host as it was."""

    arguments: tuple[str, ...]
    may_fail: bool = False


@dataclass(frozen=True, slots=True)
class FileContent:
    """One file to write."""

    path: Path
    text: str


Step = Command | FileContent


def steps(request: object) -> tuple[Step, ...]:
    """What a request means.

    Args:
        request: `{"verb": name, …}` as JSON gave it.

    Raises:
        Refused: an unknown verb or argument, a missing or an impossible one.
    """
    if not isinstance(request, dict):
        raise CommandRefused("a request is an object")
    verb = VERBS.get(str(request.get("verb")))
    if verb is None:
        raise CommandRefused(f"there is no verb {str(request.get('verb'))[:40]!r}")
    given = {str(name): value for name, value in request.items() if name != "verb"}
    if set(given) != set(verb.takes):
        raise CommandRefused(f"{request['verb']} takes {', '.join(verb.takes) or 'nothing'}")
    return verb.do(given)


def _reboot(_given: Mapping[str, Any]) -> tuple[Step, ...]:
    return (_run("systemctl", "--no-block", "reboot"),)


def _clock(given: Mapping[str, Any]) -> tuple[Step, ...]:
    at = given["utc"]
    if isinstance(at, bool) or not isinstance(at, int | float) or not _EARLIEST <= at <= _LATEST:
        raise CommandRefused("utc is seconds since 1970, between 2000 and 2100")
    text = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return (_run("timedatectl", "set-ntp", "false"), _run("timedatectl", "set-time", text))


def _ntp(given: Mapping[str, Any]) -> tuple[Step, ...]:
    if not isinstance(given["enabled"], bool):
        raise CommandRefused("enabled is true or false")
    servers = _listed(given["servers"], _host, MOST_SERVERS)
    return (
        FileContent(TIMESYNCD, "[Time]\n" + (f"NTP={' '.join(servers)}\n" if servers else "")),
        _run("timedatectl", "set-ntp", "true" if given["enabled"] else "false"),
        # Reads the servers again; a host that keeps its time otherwise has no such unit.
        Command(("systemctl", "try-restart", "systemd-timesyncd.service"), may_fail=True),
    )


def _hostname(given: Mapping[str, Any]) -> tuple[Step, ...]:
    name = given["name"]
    if not isinstance(name, str) or not _is_hostname(name) or len(name) > 63:
        raise CommandRefused("the name is no host name")
    return (_run("hostnamectl", "set-hostname", name),)


def _network(given: Mapping[str, Any]) -> tuple[Step, ...]:
    name, addresses = _interface(given["interface"]), _listed(given["addresses"], _prefixed, 8)
    gateways, servers = _listed(given["gateways"], _address, 2), _listed(given["dns"], _address, MOST_SERVERS)
    domains = _listed(given["search"], _domain, 8)
    dhcp, mtu = given["dhcp"], given["mtu"]
    if not isinstance(dhcp, bool):
        raise CommandRefused("dhcp is true or false")
    if mtu is not None and (isinstance(mtu, bool) or not isinstance(mtu, int) or not MTU[0] <= mtu <= MTU[1]):
        raise CommandRefused(f"mtu is null or {MTU[0]} to {MTU[1]}")
    fourth = [gateway for gateway in gateways if ":" not in gateway]
    sixth = [gateway for gateway in gateways if ":" in gateway]
    if len(fourth) > 1 or len(sixth) > 1:
        raise CommandRefused("an interface has at most one gateway of each kind")
    if not dhcp and not addresses:
        raise CommandRefused("without DHCP an interface needs an address")
    # A profile of our own leaves what the installer made as it was, for when ours is deleted.
    profile = f"veilcam-{name}"
    settings = [
        "connection.interface-name", name, "connection.autoconnect-priority", "100",
        "ipv4.method", "auto" if dhcp else "manual", "ipv4.addresses", ",".join(addresses),
        "ipv4.gateway", "".join(fourth) if addresses else "", "ipv6.gateway", "".join(sixth),
        "ipv4.dns", ",".join(server for server in servers if ":" not in server),
        "ipv6.dns", ",".join(server for server in servers if ":" in server),
        "ipv4.dns-search", ",".join(domains), "ipv4.ignore-auto-dns", "yes" if servers else "no",
        "802-3-ethernet.mtu", str(mtu or 0),
    ]  # fmt: skip
    return (
        Command(("nmcli", "connection", "add", "type", "ethernet", "con-name", profile, "ifname", name), may_fail=True),
        _run("nmcli", "connection", "modify", profile, *settings),
        _run("nmcli", "connection", "up", profile),
    )


def _link(given: Mapping[str, Any]) -> tuple[Step, ...]:
    if not isinstance(given["up"], bool):
        raise CommandRefused("up is true or false")
    return (_run("nmcli", "device", "connect" if given["up"] else "disconnect", _interface(given["interface"])),)


def _run(*arguments: str) -> Command:
    return Command(arguments)


def _listed(value: object, check: Callable[[object], str], most: int) -> list[str]:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > most:
        raise CommandRefused(f"want a list of at most {most}")
    return [check(item) for item in value]


def _is_hostname(text: str) -> bool:
    return 0 < len(text) <= 253 and all(_LABEL.fullmatch(label) for label in text.split("."))


def _domain(value: object) -> str:
    if not isinstance(value, str) or not _is_hostname(value):
        raise CommandRefused("a domain is letters, digits, dashes and dots")
    return value


def _address(value: object) -> str:
    try:
        return str(ipaddress.ip_address(value if isinstance(value, str) else ""))
    except ValueError:
        raise CommandRefused(f"{str(value)[:60]!r} is no IP address") from None


def _host(value: object) -> str:
    return value if isinstance(value, str) and _is_hostname(value) else _address(value)


def _prefixed(value: object) -> str:
    try:
        if not isinstance(value, str) or "/" not in value:
            raise ValueError
        return str(ipaddress.IPv4Interface(value))
    except ValueError:
        raise CommandRefused(f"{str(value)[:60]!r} is no IPv4 address with its prefix length") from None


def _interface(value: object) -> str:
    if not isinstance(value, str) or not _INTERFACE.fullmatch(value) or value in {"lo", ".", ".."}:
        raise CommandRefused("the interface is none of a wired or wireless network")
    return value


@dataclass(frozen=True, slots=True)
class _Verb:
    takes: tuple[str, ...]
    do: Callable[[Mapping[str, Any]], tuple[Step, ...]]


VERBS: Mapping[str, _Verb] = {
    "reboot": _Verb((), _reboot),
    "clock": _Verb(("utc",), _clock),
    "ntp": _Verb(("enabled", "servers"), _ntp),
    "hostname": _Verb(("name",), _hostname),
    "network": _Verb(("interface", "dhcp", "addresses", "gateways", "dns", "search", "mtu"), _network),
    "link": _Verb(("interface", "up"), _link),
}
