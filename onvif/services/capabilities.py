"""GetCapabilities, the older form of GetServices (ONVIF Core 26.06, 8.1.2)."""

from collections.abc import Mapping, Sequence
from typing import Any

from onvif import names
from onvif.errors import RECEIVER, Fault
from onvif.service import Service

_CATEGORY = {
    "Device": names.TDS, "Media": names.TRT, "Events": names.TEV, "Imaging": names.TIMG, "PTZ": names.TPTZ,
    "Analytics": names.TAN,
}  # fmt: skip


def legacy_capabilities(services: Sequence[Service], base_url: str, wanted: set[str]) -> dict[str, Any]:
    """tt:Capabilities of the requested categories.

    Raises:
        Fault: Receiver/ter:ActionNotSupported/ter:NoSuchService when one of them is not offered.
    """
    offered = {found.namespace: found for found in services}
    everything = "All" in wanted
    for category in sorted(wanted - {"All"}):
        if _CATEGORY[category] not in offered:
            raise Fault(f"{category} is not offered", "ActionNotSupported", "NoSuchService", code=RECEIVER)

    def address(namespace: str) -> str:
        return base_url + offered[namespace].path

    values: dict[str, Any] = {}
    for category, namespace in _CATEGORY.items():
        if namespace in offered and (everything or category in wanted):
            described = offered[namespace].capabilities()
            values[category] = {"XAddr": address(namespace), **_FIELDS[category](described)}
    if everything or "Device" in wanted:
        values["Extension"] = _extension(offered, address)
    return values


def _device(described: Mapping[str, Any]) -> dict[str, Any]:
    network, security, system = described["Network"], described["Security"], described["System"]
    return {
        "Network": {
            "IPFilter": network["IPFilter"], "ZeroConfiguration": network["ZeroConfiguration"],
            "IPVersion6": network["IPVersion6"], "DynDNS": network["DynDNS"],
            "Extension": {"Dot11Configuration": network["Dot11Configuration"]},
        },
        "System": {
            **{field: system[field] for field in ("DiscoveryResolve", "DiscoveryBye", "RemoteDiscovery",
                                                  "SystemBackup", "SystemLogging")},
            "FirmwareUpgrade": system["HttpFirmwareUpgrade"],
            "SupportedVersions": [{"Major": 26, "Minor": 6}],
        },
        "IO": {"InputConnectors": 0, "RelayOutputs": 0},
        "Security": {
            field: security[field]
            for field in ("TLS1.1", "TLS1.2", "OnboardKeyGeneration", "AccessPolicyConfig", "X.509Token", "SAMLToken",
                          "KerberosToken", "RELToken")
        },
    }  # fmt: skip


def _media(described: Mapping[str, Any]) -> dict[str, Any]:
    streaming = described["StreamingCapabilities"]
    return {
        "StreamingCapabilities": {field: streaming[field] for field in ("RTPMulticast", "RTP_TCP", "RTP_RTSP_TCP")},
        "Extension": {
            "ProfileCapabilities": {
                "MaximumNumberOfProfiles": described["ProfileCapabilities"]["MaximumNumberOfProfiles"]
            }
        },
    }


def _events(described: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "WSSubscriptionPolicySupport": described.get("WSSubscriptionPolicySupport", False),
        "WSPullPointSupport": True,
        "WSPausableSubscriptionManagerInterfaceSupport": described.get(
            "WSPausableSubscriptionManagerInterfaceSupport", False
        ),
    }


def _analytics(described: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "RuleSupport": described.get("RuleSupport", False),
        "AnalyticsModuleSupport": described.get("AnalyticsModuleSupport", False),
    }


def _address_only(_described: Mapping[str, Any]) -> dict[str, Any]:
    return {}


_FIELDS = {
    "Device": _device, "Media": _media, "Events": _events, "Analytics": _analytics, "Imaging": _address_only,
    "PTZ": _address_only,
}  # fmt: skip


def _extension(offered: Mapping[str, Service], address: Any) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if names.TMD in offered:
        described = offered[names.TMD].capabilities()
        values["DeviceIO"] = {
            "XAddr": address(names.TMD),
            **{field: described.get(field, 0) for field in ("VideoSources", "VideoOutputs", "AudioSources",
                                                            "AudioOutputs", "RelayOutputs")},
        }  # fmt: skip
    if names.TRC in offered:
        described = offered[names.TRC].capabilities()
        values["Recording"] = {
            "XAddr": address(names.TRC), "ReceiverSource": names.TRV in offered,
            "MediaProfileSource": names.TRT in offered,
            "DynamicRecordings": described.get("DynamicRecordings", False),
            "DynamicTracks": described.get("DynamicTracks", False), "MaxStringLength": 4096,
        }  # fmt: skip
    if names.TSE in offered:
        described = offered[names.TSE].capabilities()
        values["Search"] = {"XAddr": address(names.TSE), "MetadataSearch": described.get("MetadataSearch", False)}
    if names.TRP in offered:
        values["Replay"] = {"XAddr": address(names.TRP)}
    if names.TRV in offered:
        described = offered[names.TRV].capabilities()
        values["Receiver"] = {
            "XAddr": address(names.TRV),
            "RTP_Multicast": described.get("RTP_Multicast", False), "RTP_TCP": described.get("RTP_TCP", False),
            "RTP_RTSP_TCP": described.get("RTP_RTSP_TCP", False),
            "SupportedReceivers": described.get("SupportedReceivers", 0),
            "MaximumRTSPURILength": described.get("MaximumRTSPURILength", 256),
        }  # fmt: skip
    return values
