"""What a device remembers of its device management service: one section of the settings (`base.settings_file`)."""

from dataclasses import dataclass, field

from onvif.users import User


@dataclass(frozen=True, slots=True)
class ClockSettings:
    """Time settings. `offset_s` is how far a recorded clock was set from the host's."""

    ntp: bool = True
    timezone: str = "UTC0"
    daylight_savings: bool = False
    offset_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Host:
    """A network host: `kind` is IPv4, IPv6 or DNS."""

    kind: str
    address: str


@dataclass(frozen=True, slots=True)
class InterfaceSettings:
    """What a client set of an interface; None leaves it as the host has it."""

    enabled: bool = True
    mtu: int | None = None
    dhcp: bool | None = None
    manual: tuple[tuple[str, int], ...] | None = None


@dataclass(frozen=True, slots=True)
class NetworkProtocol:
    """HTTP, HTTPS or RTSP. The ports are those requested; 0 stands for one that is chosen when starting."""

    name: str
    enabled: bool
    ports: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AddressFilter:
    """IP address filter; `kind` is Allow or Deny, an empty list filters nothing."""

    kind: str = "Allow"
    ipv4: tuple[tuple[str, int], ...] = ()
    ipv6: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class DynamicDns:
    kind: str = "NoUpdate"
    name: str = ""
    ttl_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceState:
    """Everything that the device management service can set."""

    users: tuple[User, ...] = ()
    hostname: str = ""
    hostname_from_dhcp: bool = False
    scopes: tuple[str, ...] = ()
    """The configurable ones; the fixed ones follow from what the device is."""
    discoverable: bool = True
    clock: ClockSettings = field(default_factory=ClockSettings)
    dns_from_dhcp: bool = True
    dns_search: tuple[str, ...] = ()
    dns_servers: tuple[Host, ...] = ()
    ntp_from_dhcp: bool = False
    ntp_servers: tuple[Host, ...] = ()
    gateways: tuple[str, ...] = ()
    """IPv4 and IPv6."""
    interfaces: dict[str, InterfaceSettings] = field(default_factory=dict)
    protocols: tuple[NetworkProtocol, ...] = ()
    address_filter: AddressFilter = field(default_factory=AddressFilter)
    dynamic_dns: DynamicDns = field(default_factory=DynamicDns)
    zero_configuration: bool = True
    metadata_version: int = 1
    """Of WS-Discovery: one more at each change that a Hello announces."""
    password_minimum: int = 8
