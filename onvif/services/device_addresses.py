"""Host names and IP addresses in requests: checked before anything is set (ONVIF Core 26.06, 8.2)."""

import ipaddress
import re
from typing import Any

from onvif.device_state import Host
from onvif.errors import invalid

_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


def is_hostname(text: str) -> bool:
    """RFC 1123 host name."""
    return 0 < len(text) <= 253 and all(_LABEL.fullmatch(label) for label in text.split("."))


def ipv4(text: str, subcode: str = "InvalidIPv4Address") -> str:
    """The address as given; ter:InvalidArgVal/ter:<subcode> otherwise."""
    try:
        return str(ipaddress.IPv4Address(str(text).strip()))
    except ValueError:
        raise invalid(f"{text!r} is no IPv4 address", subcode) from None


def ipv6(text: str, subcode: str = "InvalidIPv6Address") -> str:
    try:
        return str(ipaddress.IPv6Address(str(text).strip()))
    except ValueError:
        raise invalid(f"{text!r} is no IPv6 address", subcode) from None


def prefixed_ipv4(requested: Any) -> tuple[str, int]:
    """tt:PrefixedIPv4Address."""
    if not 0 <= int(requested.PrefixLength) <= 32:
        raise invalid(f"an IPv4 prefix has 0 to 32 bits, not {requested.PrefixLength}", "InvalidIPv4Address")
    return ipv4(requested.Address), int(requested.PrefixLength)


def prefixed_ipv6(requested: Any) -> tuple[str, int]:
    if not 0 <= int(requested.PrefixLength) <= 128:
        raise invalid(f"an IPv6 prefix has 0 to 128 bits, not {requested.PrefixLength}", "InvalidIPv6Address")
    return ipv6(requested.Address), int(requested.PrefixLength)


def ip_address(requested: Any) -> Host:
    """tt:IPAddress."""
    if requested.Type == "IPv4":
        return Host("IPv4", ipv4(requested.IPv4Address or ""))
    return Host("IPv6", ipv6(requested.IPv6Address or ""))


def network_host(requested: Any) -> Host:
    """tt:NetworkHost."""
    if requested.Type == "DNS":
        if not is_hostname(str(requested.DNSname or "")):
            raise invalid(f"{requested.DNSname!r} is no host name", "InvalidDnsName")
        return Host("DNS", str(requested.DNSname))
    return ip_address(requested)


def host_values(host: Host) -> dict[str, str]:
    """tt:NetworkHost or tt:IPAddress as values."""
    field = {"IPv4": "IPv4Address", "IPv6": "IPv6Address", "DNS": "DNSname"}[host.kind]
    return {"Type": host.kind, field: host.address}
