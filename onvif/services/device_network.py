"""Network settings: host name, DNS, NTP, interfaces, protocols, gateway (ONVIF Core 26.06, 8.2).

What is set is kept in the device's state, shown by the next Get, and handed to the platform, which applies it where the
host is the device's own.
"""

from dataclasses import replace
from typing import Any

from onvif.device_state import DeviceState, InterfaceSettings, NetworkProtocol
from onvif.errors import Fault, invalid
from onvif.platform import Interface
from onvif.service import Call, Reply, operation
from onvif.services.device_addresses import (
    host_values,
    ip_address,
    ipv4,
    ipv6,
    is_hostname,
    network_host,
    prefixed_ipv4,
)
from onvif.services.device_context import DeviceContext

MTU_RANGE = (576, 9000)


class Network:
    """The handlers of network settings."""

    def __init__(self, context: DeviceContext) -> None:
        self._context = context

    @operation("GetHostname")
    async def get_hostname(self, _call: Call) -> Reply:
        state = self._state
        name = state.hostname or self._context.identity.default_hostname
        return {"HostnameInformation": {"FromDHCP": state.hostname_from_dhcp, "Name": name}}

    @operation("SetHostname")
    async def set_hostname(self, call: Call) -> Reply:
        name = str(call.request.Name or "").strip()
        if name and not is_hostname(name):
            raise invalid(f"{name[:80]!r} is no host name", "InvalidHostname")
        await self._change(hostname=name, hostname_from_dhcp=False)
        return None

    @operation("SetHostnameFromDHCP")
    async def set_hostname_from_dhcp(self, call: Call) -> Reply:
        await self._change(hostname_from_dhcp=bool(call.request.FromDHCP))
        return {"RebootNeeded": False}

    @operation("GetDNS")
    async def get_dns(self, _call: Call) -> Reply:
        state = self._state
        servers = [host_values(server) for server in state.dns_servers]
        information: dict[str, Any] = {"FromDHCP": state.dns_from_dhcp, "SearchDomain": list(state.dns_search)}
        return {"DNSInformation": information | {"DNSFromDHCP" if state.dns_from_dhcp else "DNSManual": servers}}

    @operation("SetDNS")
    async def set_dns(self, call: Call) -> Reply:
        domains = [str(domain) for domain in call.request.SearchDomain or ()]
        for domain in domains:
            if not is_hostname(domain):
                raise invalid(f"{domain[:80]!r} is no domain", "InvalidHostname")
        servers = tuple(ip_address(server) for server in call.request.DNSManual or ())
        automatic = bool(call.request.FromDHCP)
        await self._change(dns_from_dhcp=automatic, dns_search=tuple(domains), dns_servers=() if automatic else servers)
        return None

    @operation("GetNTP")
    async def get_ntp(self, _call: Call) -> Reply:
        state = self._state
        servers = [host_values(server) for server in state.ntp_servers]
        field = "NTPFromDHCP" if state.ntp_from_dhcp else "NTPManual"
        return {"NTPInformation": {"FromDHCP": state.ntp_from_dhcp, field: servers}}

    @operation("SetNTP")
    async def set_ntp(self, call: Call) -> Reply:
        servers = tuple(network_host(server) for server in call.request.NTPManual or ())
        automatic = bool(call.request.FromDHCP)
        await self._change(ntp_from_dhcp=automatic, ntp_servers=() if automatic else servers)
        return None

    @operation("GetNetworkDefaultGateway")
    async def get_network_default_gateway(self, _call: Call) -> Reply:
        gateways = self._state.gateways
        return {
            "NetworkGateway": {
                "IPv4Address": [address for address in gateways if ":" not in address],
                "IPv6Address": [address for address in gateways if ":" in address],
            }
        }

    @operation("SetNetworkDefaultGateway")
    async def set_network_default_gateway(self, call: Call) -> Reply:
        fourth = [ipv4(address, "InvalidGatewayAddress") for address in getattr(call.request, "IPv4Address", ()) or ()]
        sixth = [ipv6(address, "InvalidGatewayAddress") for address in getattr(call.request, "IPv6Address", ()) or ()]
        await self._change(gateways=(*fourth, *sixth))
        return None

    @operation("GetNetworkInterfaces")
    async def get_network_interfaces(self, _call: Call) -> Reply:
        interfaces = self._context.platform.interfaces()
        return {"NetworkInterfaces": [_interface_values(found, self._settings(found.name)) for found in interfaces]}

    @operation("SetNetworkInterfaces")
    async def set_network_interfaces(self, call: Call) -> Reply:
        token = str(call.request.InterfaceToken)
        if token not in {interface.name for interface in self._context.platform.interfaces()}:
            raise invalid(f"there is no interface {token!r}", "InvalidNetworkInterface")
        requested = call.request.NetworkInterface
        settings = self._settings(token)
        if requested.MTU is not None:
            if not MTU_RANGE[0] <= int(requested.MTU) <= MTU_RANGE[1]:
                raise invalid(f"the MTU has to be {MTU_RANGE[0]} to {MTU_RANGE[1]}", "InvalidMtuValue")
            settings = replace(settings, mtu=int(requested.MTU))
        if requested.IPv6 is not None and requested.IPv6.Enabled:
            raise Fault("IPv6 is configured by router advertisement only", "InvalidArgVal", "IPv6NotSupported")
        if requested.Enabled is not None:
            settings = replace(settings, enabled=bool(requested.Enabled))
        if requested.IPv4 is not None:
            manual = tuple(prefixed_ipv4(address) for address in requested.IPv4.Manual or ())
            dhcp = bool(requested.IPv4.DHCP)
            settings = replace(settings, dhcp=dhcp, manual=manual if manual or not dhcp else None)
        await self._change(interfaces={**self._state.interfaces, token: settings})
        return {"RebootNeeded": False}

    @operation("GetNetworkProtocols")
    async def get_network_protocols(self, _call: Call) -> Reply:
        return {
            "NetworkProtocols": [
                {"Name": name, "Enabled": enabled, "Port": list(ports)}
                for name, (enabled, ports) in self._context.protocols().items()
            ]
        }

    @operation("SetNetworkProtocols")
    async def set_network_protocols(self, call: Call) -> Reply:
        wanted = self._context.protocols()
        for requested in call.request.NetworkProtocols:
            if requested.Name not in wanted:
                raise invalid(f"the protocol {requested.Name} is not offered", "ServiceNotSupported")
            ports = tuple(int(port) for port in requested.Port or ()) or wanted[requested.Name][1]
            if not all(0 < port < 65536 for port in ports):
                raise invalid("a port is a number from 1 to 65535", "InvalidPort")
            wanted[requested.Name] = (bool(requested.Enabled), ports)
        used = [port for enabled, ports in wanted.values() if enabled for port in ports]
        if len(set(used)) != len(used):
            raise invalid("two protocols cannot share a port", "PortAlreadyInUse")
        for port in used:
            if not self._context.free(port):
                raise invalid(f"another program listens on port {port}", "PortAlreadyInUse")
        if not wanted.get("HTTP", (False, ()))[0] and not wanted.get("HTTPS", (False, ()))[0]:
            raise Fault("without HTTP and HTTPS the device could not be reached again", "OperationProhibited")
        protocols = tuple(NetworkProtocol(name, enabled, ports) for name, (enabled, ports) in wanted.items())
        version = self._state.metadata_version + 1
        self._context.state.change(protocols=protocols, metadata_version=version)
        self._context.reopen()
        return None

    @property
    def _state(self) -> DeviceState:
        return self._context.state.value

    def _settings(self, name: str) -> InterfaceSettings:
        return self._state.interfaces.get(name, InterfaceSettings())

    async def _change(self, **changes: Any) -> None:
        await self._context.change_network(**changes)


def _interface_values(found: Interface, settings: InterfaceSettings) -> dict[str, Any]:
    dhcp = bool(settings.dhcp)
    manual = settings.manual if settings.manual is not None else (() if dhcp else found.ipv4)
    config: dict[str, Any] = {"Manual": [_prefixed(address) for address in manual], "DHCP": dhcp}
    if dhcp and found.ipv4:
        config["FromDHCP"] = _prefixed(found.ipv4[0])
    values: dict[str, Any] = {
        "token": found.name,
        "Enabled": settings.enabled,
        "Info": {"Name": found.name, "HwAddress": found.mac.replace(":", "-"), "MTU": settings.mtu or found.mtu},
        "IPv4": {"Enabled": settings.enabled, "Config": config},
    }
    if found.ipv6:
        local = [_prefixed(address) for address in found.ipv6 if address[0].startswith("fe80")]
        wide = [_prefixed(address) for address in found.ipv6 if not address[0].startswith("fe80")]
        values["IPv6"] = {"Enabled": True, "Config": {"DHCP": "Off", "LinkLocal": local, "FromRA": wide}}
    return values


def _prefixed(address: tuple[str, int]) -> dict[str, Any]:
    return {"Address": address[0], "PrefixLength": address[1]}
