"""A camera as its client sees it: connect by address, then profiles, stream addresses, snapshots, events.

zeep is the codec, `onvif.soap_transport` carries. Replies are read leniently: devices leave elements out, put them in
another order or namespace, advertise addresses that only they can reach, and have wrong clocks.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

import aiohttp
from lxml import etree
from yarl import URL

from onvif import names
from onvif.errors import Fault, NotAuthorized, NotOnvif, OnvifError
from onvif.notifications import Notification, read_notifications
from onvif.registry import load
from onvif.replies import (
    DeviceInformation,
    ProfileReply,
    capability_addresses,
    device_time,
    many,
    media2_profile,
    media_profile,
    text_of,
)
from onvif.soap_transport import SoapTransport
from onvif.values import MalformedRequest

DEVICE_PATH = "/onvif/device_service"
_LONGEST_ADDRESS = 2048
_UNSAID = frozenset({None, "", "0.0.0.0", "::", "localhost", "127.0.0.1", "::1"})  # noqa: S104 - compared


class OnvifClient:
    """One connected device. Made by `connect`; use it as an async context manager or `close` it.

    Every method raises `Fault`, `NotAuthorized`, `NotOnvif` or `Unreachable` (all `OnvifError`).
    """

    def __init__(self, address: str, carrier: SoapTransport) -> None:
        self.address = address
        """The device service's address, as given or completed."""
        self.services: Mapping[str, str] = {names.TDS: address}
        """Address of each service by its namespace, reachable from here."""
        self.information = DeviceInformation("", "", "", "", "")
        self._carrier = carrier
        self._registry = load()
        self._advertised_host = ""

    @classmethod
    async def connect(
        cls,
        address: str,
        user: str = "",
        password: str = "",
        *,
        timeout_s: float = 15.0,
        tls: bool | aiohttp.Fingerprint = False,
        session: aiohttp.ClientSession | None = None,
    ) -> "OnvifClient":
        """Find out the device's clock, services and identity.

        Args:
            address: `host`, `host:port`, an XAddr of discovery, or a whole URL.
            tls: False accepts any certificate; a Fingerprint only that one.
        """
        carrier = SoapTransport(user, password, timeout_s=timeout_s, tls=tls, session=session)
        camera = cls(device_address(address), carrier)
        try:
            await camera._read_clock()
            await camera._read_services()
            await camera._read_information()
        except BaseException:
            await carrier.close()
            raise
        return camera

    async def close(self) -> None:
        await self._carrier.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def clock_offset(self) -> timedelta:
        """The device's clock minus ours."""
        return self._carrier.skew

    def offers(self, namespace: str) -> bool:
        return namespace in self.services

    async def call(self, namespace: str, operation: str, **values: Any) -> Any:
        """Call any operation of the vendored WSDLs; the reply as zeep value, read leniently."""
        found = self._registry.operation(namespace, operation)
        element = await self.call_raw(namespace, operation, **values)
        try:
            return await asyncio.to_thread(found.decode_reply, element, strict=False)
        except (MalformedRequest, RecursionError) as problem:
            raise NotOnvif(f"the answer to {operation} cannot be read: {problem}") from problem

    async def call_raw(
        self, namespace: str, operation: str, *, to: str = "", headers: tuple[etree._Element, ...] = (),
        wait_s: float = 0.0, sign: bool = True, **values: Any,
    ) -> etree._Element:  # fmt: skip
        """The same, as raw body element; `to`, `headers` and `wait_s` are for subscriptions."""
        found = self._registry.operation(namespace, operation)
        url = to or self.services.get(namespace, "")
        if not url:
            raise NotOnvif(f"{self.address} does not offer the service {namespace}")
        action = found.action if namespace == names.TEV else ""
        body = found.encode_request(values)
        reply = await self._carrier.request(url, body, action=action, headers=headers, wait_s=wait_s, sign=sign)
        if names.split(str(reply.tag))[1] != f"{operation}Response":
            raise NotOnvif(f"{url} answers {operation} with {reply.tag}")
        return reply

    async def profiles(self) -> tuple[ProfileReply, ...]:
        """The media profiles that have a video encoder: by Media2 where it is offered, else by Media."""
        if self.offers(names.TR2):
            try:
                reply = await self.call(names.TR2, "GetProfiles", Type=["All"])
                found = [media2_profile(profile) for profile in many(reply)]
                if any(profile.encoding for profile in found):
                    return tuple(profile for profile in found if profile.encoding and profile.token)
            except (Fault, NotOnvif):
                # Some devices list Media2 and then refuse or garble it; their Media service works.
                if not self.offers(names.TRT):
                    raise
        reply = await self.call(names.TRT, "GetProfiles")
        found = [media_profile(profile) for profile in many(reply)]
        return tuple(profile for profile in found if profile.encoding and profile.token)

    async def stream_uri(self, profile: ProfileReply, *, protocol: str = "RTSP") -> str:
        """The RTSP address of a profile, without credentials.

        Args:
            protocol: Media2's word: `RTSP` (interleaved TCP), `RtspUnicast` (UDP), `RtspMulticast`, `RtspOverHttp`.
        """
        if profile.media2:
            reply = await self.call(names.TR2, "GetStreamUri", Protocol=protocol, ProfileToken=profile.token)
            uri = reply if isinstance(reply, str) else text_of(reply, "Uri")
        else:
            stream = "RTP-Multicast" if protocol == "RtspMulticast" else "RTP-Unicast"
            transport = {"RtspUnicast": "UDP", "RtspMulticast": "UDP", "RtspOverHttp": "HTTP"}.get(protocol, "RTSP")
            setup = {"Stream": stream, "Transport": {"Protocol": transport}}
            reply = await self.call(names.TRT, "GetStreamUri", StreamSetup=setup, ProfileToken=profile.token)
            uri = text_of(reply, "Uri") or text_of(getattr(reply, "MediaUri", None), "Uri")
        if "://" not in uri:
            raise NotOnvif(f"{self.address} gives no stream address for {profile.token}")
        return self._reachable(uri)

    async def snapshot_uri(self, profile: ProfileReply) -> str:
        """The HTTP address of a JPEG of a profile; it wants the same user and password."""
        if profile.media2:
            reply = await self.call(names.TR2, "GetSnapshotUri", ProfileToken=profile.token)
            uri = reply if isinstance(reply, str) else text_of(reply, "Uri")
        else:
            reply = await self.call(names.TRT, "GetSnapshotUri", ProfileToken=profile.token)
            uri = text_of(reply, "Uri") or text_of(getattr(reply, "MediaUri", None), "Uri")
        if "://" not in uri:
            raise NotOnvif(f"{self.address} gives no snapshot address for {profile.token}")
        return self._reachable(uri)

    async def snapshot(self, profile: ProfileReply) -> bytes:
        """A JPEG of the present picture."""
        return await self._carrier.get(await self.snapshot_uri(profile))

    async def synchronisation_point(self, profile: ProfileReply) -> None:
        """Ask for a key frame and a new metadata document."""
        service = names.TR2 if profile.media2 else names.TRT
        await self.call(service, "SetSynchronizationPoint", ProfileToken=profile.token)

    async def pull_point(self, *, life_s: int = 600) -> "PullPoint":
        """Subscribe to every event of the device."""
        reply = await self.call_raw(names.TEV, "CreatePullPointSubscription", InitialTerminationTime=f"PT{life_s}S")
        return PullPoint(self, *_subscription(self, reply), life_s)

    async def _read_clock(self) -> None:
        try:
            reply = await self.call_raw(names.TDS, "GetSystemDateAndTime", sign=False)
        except (NotAuthorized, Fault):
            try:
                reply = await self.call_raw(names.TDS, "GetSystemDateAndTime")
            except Fault:
                return
        at = device_time(reply)
        if at is not None:
            self._carrier.skew = at - datetime.now(UTC)

    async def _read_services(self) -> None:
        try:
            reply = await self.call(names.TDS, "GetServices", IncludeCapability=False)
            found = {text_of(service, "Namespace"): text_of(service, "XAddr") for service in many(reply)}
        except (Fault, NotOnvif):
            found = {}
        if not any(found.values()):
            found = capability_addresses(await self.call_raw(names.TDS, "GetCapabilities", Category=["All"]))
        own = URL(found.get(names.TDS) or self.address)
        self._advertised_host = own.host or ""
        services = {name.strip(): self._reachable(address) for name, address in found.items() if "://" in address}
        self.services = {**services, names.TDS: self.address}

    async def _read_information(self) -> None:
        reply = await self.call(names.TDS, "GetDeviceInformation")
        fields = ("Manufacturer", "Model", "FirmwareVersion", "SerialNumber", "HardwareId")
        self.information = DeviceInformation(*(text_of(reply, name) for name in fields))

    def _reachable(self, uri: str) -> str:
        """The address that works from here: behind an address translator a device reports another one."""
        try:
            if len(uri) > _LONGEST_ADDRESS:
                raise ValueError("too long")
            reported, used = URL(uri.strip()), URL(self.address)
            if reported.host == self._advertised_host or (
                _is_here(reported.host) and not _names_same(reported.host, used.host)
            ):
                host = used.host
                port = reported.explicit_port
                if (
                    reported.scheme == used.scheme
                    and reported.host == self._advertised_host
                    and reported.host != used.host
                ):
                    port = used.explicit_port
                return str(reported.with_host(host or "").with_port(port))
        except ValueError as problem:
            raise NotOnvif(f"{self.address} gives an address that is none: {uri[:80]!r}") from problem
        return uri.strip()


def _names_same(reported: str | None, used: str | None) -> bool:
    """Whether a device that is reached at a loopback address names another of the same machine on purpose."""
    return reported not in _UNSAID and _is_here(used)


def _is_here(host: str | None) -> bool:
    """Whether an address leads to this machine, in any spelling that a resolver takes (127.1, 0x7f000001).

    From another machine it means that machine, or is an attempt to make us query services of our own.
    """
    if host in _UNSAID or (host or "").rstrip(".").lower().endswith("localhost"):
        return True
    try:
        address = ipaddress.ip_address((host or "").partition("%")[0])
    except ValueError:
        try:
            address = ipaddress.ip_address(socket.inet_aton(host or ""))
        except (OSError, ValueError):
            return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_loopback or mapped.is_unspecified)


class PullPoint:
    """A subscription of ours at a device."""

    def __init__(self, camera: OnvifClient, address: str, parameters: tuple[etree._Element, ...], life_s: int) -> None:
        self._camera = camera
        self._address = address
        self._parameters = parameters
        self._life_s = life_s

    async def pull(self, *, wait_s: int = 10, limit: int = 100) -> tuple[Notification, ...]:
        """Wait up to `wait_s` for events; pulling also keeps the subscription alive."""
        reply = await self._request(
            "PullMessages", wait_s=wait_s, Timeout=timedelta(seconds=wait_s), MessageLimit=limit
        )
        return await asyncio.to_thread(read_notifications, reply)

    async def renew(self) -> None:
        """Prolong it; devices without Renew keep it alive by pulling, which is why their fault is ignored."""
        try:
            await self._request("Renew", TerminationTime=f"PT{self._life_s}S")
        except (Fault, NotOnvif):
            return

    async def synchronise(self) -> None:
        """Ask for the present state of every property event."""
        await self._request("SetSynchronizationPoint")

    async def close(self) -> None:
        """End the subscription; a device that has forgotten it or is gone needs no telling."""
        try:
            await self._request("Unsubscribe")
        except OnvifError:
            return

    async def _request(self, operation: str, *, wait_s: float = 0.0, **values: Any) -> etree._Element:
        return await self._camera.call_raw(
            names.TEV, operation, to=self._address, headers=self._parameters, wait_s=wait_s, **values
        )


def device_address(text: str) -> str:
    """The device service's URL for what a person typed: host, host:port, a list of XAddrs, or a URL.

    Raises:
        NotOnvif: it is no address.
    """
    try:
        if len(text) > _LONGEST_ADDRESS:
            raise ValueError("too long")
        text = text.strip().split()[0] if text.strip() else ""
        url = URL(text if "://" in text else f"http://{text}")
        if url.scheme not in {"http", "https"} or not url.host:
            raise ValueError("neither http nor https")
    except ValueError as problem:
        raise NotOnvif(f"{text[:80]!r} is no address of a camera") from problem
    return str(url.with_path(DEVICE_PATH) if url.path in {"", "/"} else url)


def _subscription(camera: OnvifClient, reply: etree._Element) -> tuple[str, tuple[etree._Element, ...]]:
    address: str = ""
    parameters: tuple[etree._Element, ...] = ()
    for element in reply.iter(tag=etree.Element):
        name = etree.QName(element).localname
        if name == "Address" and not address:
            address = (element.text or "").strip()
        elif name == "ReferenceParameters" and not parameters:
            parameters = tuple(element)
    if "://" not in address:
        # Without an address of its own the subscription lives at the event service.
        return camera.services.get(names.TEV, camera.address), parameters
    return camera._reachable(address), parameters
