"""The device management service, common to camera and box (ONVIF Core 26.06, 8): put together from its parts.

This file answers what concerns the device as a whole: its services, identity, restart and factory default.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from base.errors import HostError
from onvif import digest, names
from onvif.registry import load
from onvif.service import Call, Reply, Service, operation, service
from onvif.services.capabilities import legacy_capabilities
from onvif.services.device_context import DeviceContext
from onvif.services.device_network import Network
from onvif.services.device_reach import Reach
from onvif.services.device_scopes import Scopes
from onvif.services.device_time import Time
from onvif.services.device_users import LONGEST_NAME, LONGEST_PASSWORD, MOST_USERS, UserOperations

PATH = "/onvif/device_service"
RESTART_AFTER_S = 0.5
"""The reply has to reach the client first."""
log = logging.getLogger(__name__)


def device_service(context: DeviceContext) -> Service:
    """The whole service over one context."""
    parts = (Device(context), UserOperations(context), Scopes(context), Network(context), Reach(context), Time(context))
    return service(parts, names.TDS, path=PATH, capabilities=capabilities)


def capabilities() -> Mapping[str, Any]:
    """tds:Capabilities; true for every device that serves `device_service`."""
    return {
        "Network": {
            "IPFilter": True, "ZeroConfiguration": True, "IPVersion6": True, "DynDNS": True,
            "Dot11Configuration": False, "Dot1XConfigurations": 0, "HostnameFromDHCP": True, "NTP": 4, "DHCPv6": False,
        },
        "Security": {
            "TLS1.0": False, "TLS1.1": False, "TLS1.2": True, "OnboardKeyGeneration": True,
            "AccessPolicyConfig": False, "DefaultAccessPolicy": True, "Dot1X": False, "RemoteUserHandling": False,
            "X.509Token": False, "SAMLToken": False, "KerberosToken": False, "UsernameToken": True, "HttpDigest": True,
            "RELToken": False, "MaxUsers": MOST_USERS, "MaxUserNameLength": LONGEST_NAME,
            "MaxPasswordLength": LONGEST_PASSWORD,
            "HashingAlgorithms": list(digest.ALGORITHMS),
        },
        "System": {
            "DiscoveryResolve": True, "DiscoveryBye": True, "RemoteDiscovery": False, "SystemBackup": False,
            "SystemLogging": False, "HttpFirmwareUpgrade": False, "HttpSystemBackup": False,
            "HttpSystemLogging": False, "HttpSupportInformation": False,
        },
    }  # fmt: skip


class Device:
    """The handlers of the device as a whole."""

    def __init__(self, context: DeviceContext) -> None:
        self._context = context
        self._leaving: asyncio.Task[None] | None = None

    @operation("GetServices")
    async def get_services(self, call: Call) -> Reply:
        return {
            "Service": [
                _service_values(offered, call, described=bool(call.request.IncludeCapability))
                for offered in self._context.services()
            ]
        }

    @operation("GetCapabilities")
    async def get_capabilities(self, call: Call) -> Reply:
        wanted = {str(category) for category in getattr(call.request, "Category", None) or ("All",)}
        return {"Capabilities": legacy_capabilities(self._context.services(), call.base_url, wanted)}

    @operation("GetWsdlUrl")
    async def get_wsdl_url(self, _call: Call) -> Reply:
        return {"WsdlUrl": "https://www.onvif.org/profiles/specifications/"}

    @operation("GetEndpointReference")
    async def get_endpoint_reference(self, _call: Call) -> Reply:
        return {"GUID": self._context.identity.endpoint}

    @operation("GetDeviceInformation")
    async def get_device_information(self, _call: Call) -> Reply:
        identity = self._context.identity
        return {
            "Manufacturer": identity.manufacturer, "Model": identity.model, "FirmwareVersion": identity.firmware,
            "SerialNumber": identity.serial, "HardwareId": identity.hardware,
        }  # fmt: skip

    @operation("SystemReboot")
    async def system_reboot(self, _call: Call) -> Reply:
        self._restart(hard=True)
        return {"Message": "The device restarts now."}

    @operation("SetSystemFactoryDefault")
    async def set_system_factory_default(self, call: Call) -> Reply:
        before = self._context.state.value
        self._context.factory_default(call.request.FactoryDefault == "Hard")
        try:
            await self._context.platform.apply_network(before, self._context.state.value)
        except HostError as problem:
            log.error("factory default: %s", problem)  # noqa: TRY400 - an operator's sentence
        self._restart(hard=False)
        return None

    def _restart(self, *, hard: bool) -> None:
        self._leaving = asyncio.create_task(self._leave(hard=hard), name="restart")

    async def _leave(self, *, hard: bool) -> None:
        await asyncio.sleep(RESTART_AFTER_S)
        try:
            await self._context.platform.restart(hard=hard)
        except HostError as problem:
            # The client was promised a restart: the process, at least, is ours.
            log.error("restart: %s", problem)  # noqa: TRY400 - an operator's sentence
            await self._context.platform.restart(hard=False)


def _service_values(offered: Service, call: Call, *, described: bool) -> dict[str, Any]:
    values: dict[str, Any] = {
        "Namespace": offered.namespace,
        "XAddr": call.base_url + offered.path,
        "Version": {"Major": offered.version[0], "Minor": offered.version[1]},
    }
    if described:
        values["Capabilities"] = {"_value_1": load().element(offered.namespace, "Capabilities", offered.capabilities())}
    return values
