"""The platform of a device that owns its host: it calls the privileged program, by a local socket."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from base.errors import HostError
from onvif.device_state import DeviceState, InterfaceSettings
from onvif.platform import Interface, host_interfaces

SOCKET = Path("/run/veilcam/host.sock")
_PATIENCE_S = 60.0


class HostPlatform:
    """Event loop only.

    Args:
        restart_process: ends the process so that its supervisor starts it again.
        address: of the privileged program's socket.
    """

    def __init__(self, restart_process: Callable[[], None], address: Path = SOCKET) -> None:
        self._restart_process, self._address = restart_process, address

    def now(self) -> datetime:
        """The host's clock is the device's."""
        return datetime.now(UTC)

    def interfaces(self) -> tuple[Interface, ...]:
        return host_interfaces()

    async def set_clock(self, utc: datetime | None, state: DeviceState) -> timedelta:
        """As the protocol; the time zone stays in the state. Raises HostError."""
        await self._set_ntp(state)
        if utc is not None and not state.clock.ntp:
            await self._request("clock", utc=utc.timestamp())
        return timedelta()

    async def apply_network(self, old: DeviceState, new: DeviceState) -> None:
        """Raises HostError."""
        if new.hostname and new.hostname != old.hostname:
            await self._request("hostname", name=new.hostname)
        if (new.ntp_servers, new.ntp_from_dhcp) != (old.ntp_servers, old.ntp_from_dhcp):
            await self._set_ntp(new)
        for found in self.interfaces():
            before, after = old.interfaces.get(found.name), new.interfaces.get(found.name)
            if (after or InterfaceSettings()).enabled != (before or InterfaceSettings()).enabled:
                await self._request("link", interface=found.name, up=(after or InterfaceSettings()).enabled)
        if _shared(old) != _shared(new):
            for found in self.interfaces():
                await self._request("network", **_network(found, new))

    async def restart(self, *, hard: bool) -> None:
        """The whole host when `hard`; systemd ends this process with it, and starts it again."""
        if hard:
            await self._request("reboot")
        else:
            self._restart_process()

    async def _set_ntp(self, state: DeviceState) -> None:
        servers = [] if state.ntp_from_dhcp else [server.address for server in state.ntp_servers]
        await self._request("ntp", enabled=state.clock.ntp, servers=servers[:4])

    async def _request(self, verb: str, **values: Any) -> None:
        request = json.dumps({"verb": verb, **values}).encode() + b"\n"
        try:
            async with asyncio.timeout(_PATIENCE_S):
                reader, writer = await asyncio.open_unix_connection(self._address)
                try:
                    writer.write(request)
                    await writer.drain()
                    answer = json.loads(await reader.readline())
                finally:
                    writer.close()
        except (OSError, TimeoutError, ValueError) as problem:
            raise HostError(f"the host cannot do {verb}: {problem or type(problem).__name__}") from problem
        if not isinstance(answer, dict) or answer.get("done") is not True:
            why = answer.get("refused") or answer.get("failed") if isinstance(answer, dict) else answer
            raise HostError(f"the host did not do {verb}: {str(why)[:300]}")


def _shared(state: DeviceState) -> tuple[object, ...]:
    """What makes up the profile of an interface."""
    addresses = {name: (found.dhcp, found.manual, found.mtu) for name, found in state.interfaces.items()}
    return (addresses, state.gateways, state.dns_servers, state.dns_from_dhcp, state.dns_search)


def _network(found: Interface, state: DeviceState) -> dict[str, Any]:
    settings = state.interfaces.get(found.name, InterfaceSettings())
    manual = settings.manual if settings.manual is not None else ()
    dhcp = settings.dhcp if settings.dhcp is not None else not manual
    return {
        "interface": found.name, "dhcp": dhcp or not manual,
        "addresses": [f"{address}/{bits}" for address, bits in manual],
        "gateways": list(state.gateways), "dns": [] if state.dns_from_dhcp else
        [server.address for server in state.dns_servers][:4],
        "search": list(state.dns_search)[:8], "mtu": settings.mtu,
    }  # fmt: skip
