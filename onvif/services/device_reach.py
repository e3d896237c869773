"""Reach of the device: IP filter, dynamic DNS, zero configuration (ONVIF Core 26.06, 8.2)."""

import ipaddress
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

from base.settings_file import Stored
from onvif.device_state import AddressFilter, DeviceState, DynamicDns
from onvif.errors import impossible, invalid
from onvif.service import Call, Reply, operation
from onvif.services.device_addresses import is_hostname, prefixed_ipv4, prefixed_ipv6
from onvif.services.device_context import DeviceContext

MOST_FILTERED = 64


class Reach:
    """The handlers."""

    def __init__(self, context: DeviceContext) -> None:
        self._context = context

    @operation("GetIPAddressFilter")
    async def get_ip_address_filter(self, _call: Call) -> Reply:
        present = self._context.state.value.address_filter
        return {
            "IPAddressFilter": {
                "Type": present.kind,
                "IPv4Address": [_prefixed(address) for address in present.ipv4],
                "IPv6Address": [_prefixed(address) for address in present.ipv6],
            }
        }

    @operation("SetIPAddressFilter")
    async def set_ip_address_filter(self, call: Call) -> Reply:
        self._set(_filter(call.request.IPAddressFilter))
        return None

    @operation("AddIPAddressFilter")
    async def add_ip_address_filter(self, call: Call) -> Reply:
        present, added = self._context.state.value.address_filter, _filter(call.request.IPAddressFilter)
        self._set(AddressFilter(added.kind, tuple(dict.fromkeys(present.ipv4 + added.ipv4)),
                                tuple(dict.fromkeys(present.ipv6 + added.ipv6))))  # fmt: skip
        return None

    @operation("RemoveIPAddressFilter")
    async def remove_ip_address_filter(self, call: Call) -> Reply:
        present, unwanted = self._context.state.value.address_filter, _filter(call.request.IPAddressFilter)
        if set(unwanted.ipv4) - set(present.ipv4):
            raise invalid("the filter does not have this IPv4 address", "NoIPv4Address")
        if set(unwanted.ipv6) - set(present.ipv6):
            raise invalid("the filter does not have this IPv6 address", "NoIPv6Address")
        self._set(AddressFilter(present.kind, tuple(a for a in present.ipv4 if a not in unwanted.ipv4),
                                tuple(a for a in present.ipv6 if a not in unwanted.ipv6)))  # fmt: skip
        return None

    @operation("GetDynamicDNS")
    async def get_dynamic_dns(self, _call: Call) -> Reply:
        present = self._context.state.value.dynamic_dns
        values: dict[str, Any] = {"Type": present.kind}
        if present.name:
            values["Name"] = present.name
        if present.ttl_s is not None:
            values["TTL"] = timedelta(seconds=present.ttl_s)
        return {"DynamicDNSInformation": values}

    @operation("SetDynamicDNS")
    async def set_dynamic_dns(self, call: Call) -> Reply:
        name = str(call.request.Name or "")
        if name and not is_hostname(name):
            raise invalid(f"{name[:80]!r} is no host name", "InvalidDnsName")
        ttl = call.request.TTL
        seconds = int(ttl.total_seconds()) if hasattr(ttl, "total_seconds") else None
        await self._context.change_network(dynamic_dns=DynamicDns(str(call.request.Type), name, seconds))
        return None

    @operation("GetZeroConfiguration")
    async def get_zero_configuration(self, _call: Call) -> Reply:
        interface = self._context.platform.interfaces()[0]
        local = [address for address, _ in interface.ipv4 if ipaddress.IPv4Address(address).is_link_local]
        enabled = self._context.state.value.zero_configuration
        return {"ZeroConfiguration": {"InterfaceToken": interface.name, "Enabled": enabled, "Addresses": local}}

    @operation("SetZeroConfiguration")
    async def set_zero_configuration(self, call: Call) -> Reply:
        token = str(call.request.InterfaceToken)
        if token not in {interface.name for interface in self._context.platform.interfaces()}:
            raise invalid(f"there is no interface {token!r}", "InvalidNetworkInterface")
        await self._context.change_network(zero_configuration=bool(call.request.Enabled))
        return None

    def _set(self, wanted: AddressFilter) -> None:
        if len(wanted.ipv4) + len(wanted.ipv6) > MOST_FILTERED:
            raise impossible(f"the filter holds at most {MOST_FILTERED} addresses", "IPFilterListIsFull")
        self._context.state.change(address_filter=wanted)


def admits(present: AddressFilter, address: str) -> bool:
    """Whether the filter lets this client in; an empty list lets all in."""
    listed = (*present.ipv4, *present.ipv6)
    if not listed:
        return True
    try:
        client = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(client, ipaddress.IPv6Address) and client.ipv4_mapped is not None:
        client = client.ipv4_mapped  # an IPv4 client of a listener of both families
    inside = any(client in ipaddress.ip_network(f"{base}/{bits}", strict=False) for base, bits in listed)
    return inside == (present.kind == "Allow")


def guard(state: Stored[DeviceState]) -> Middleware:
    """A web application's middleware that does not answer clients that the filter keeps out."""

    @web.middleware
    async def let_in(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if not admits(state.value.address_filter, request.remote or ""):
            raise web.HTTPForbidden(text="the address filter keeps this client out")
        return await handler(request)

    return let_in


def _filter(requested: Any) -> AddressFilter:
    return AddressFilter(
        str(requested.Type),
        tuple(prefixed_ipv4(address) for address in requested.IPv4Address or ()),
        tuple(prefixed_ipv6(address) for address in requested.IPv6Address or ()),
    )


def _prefixed(address: tuple[str, int]) -> dict[str, Any]:
    return {"Address": address[0], "PrefixLength": address[1]}
