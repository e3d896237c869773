"""What the parts of the device service share: identity, state, host, and how the rest of the program is notified."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from base.settings_file import Stored
from onvif.device_state import DeviceState
from onvif.platform import Platform
from onvif.service import Service


@dataclass(frozen=True, slots=True)
class DeviceIdentity:
    """The device's identity; does not change while it runs."""

    manufacturer: str
    model: str
    firmware: str
    serial: str
    hardware: str
    endpoint: str
    """`urn:uuid:…`, the same in discovery and GetEndpointReference."""
    fixed_scopes: tuple[str, ...]
    default_hostname: str


def _nothing() -> None:
    """What a device without discovery does when its scopes change."""


@dataclass(frozen=True, slots=True)
class DeviceContext:
    """Args:
    services: every service of the device, this one included; called each time.
    announce: send a Hello, after scopes, discovery mode or addresses changed.
    factory_default: forget all settings (hard: also the network's) before the restart.
    protocols: name → (enabled, ports) as the device listens now.
    free: whether a port could be listened on.
    reopen: the network protocols changed: listen accordingly once the reply is out, then send a Hello.
    """

    identity: DeviceIdentity
    state: Stored[DeviceState]
    platform: Platform
    services: Callable[[], Sequence[Service]]
    protocols: Callable[[], dict[str, tuple[bool, tuple[int, ...]]]]
    announce: Callable[[], None] = field(default=_nothing)
    free: Callable[[int], bool] = field(default=lambda _port: True)
    reopen: Callable[[], None] = field(default=_nothing)
    factory_default: Callable[[bool], None] = field(default=lambda _hard: None)

    async def change_network(self, **changes: object) -> None:
        """Change the state of the network once the host has taken it; HostError when it does not."""
        before = self.state.value
        after = replace(before, **changes)  # type: ignore[arg-type]  # field names and types are the callers' literals
        await self.platform.apply_network(before, after)
        self.state.set(after)

    def announce_change(self, **changes: object) -> None:
        """Change the state and tell the network, with the next metadata version."""
        before = self.state.value
        after = replace(before, **changes)  # type: ignore[arg-type]  # field names and types are the callers' literals
        if after != before:
            self.state.set(replace(after, metadata_version=before.metadata_version + 1))
            self.announce()
