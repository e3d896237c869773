"""The event broker operations of the event service (ONVIF Core 26.06, 9.11): add or change, list, delete.

Brokers get events, and what each picture shows when they ask for it. How they are trusted and which client certificate
they get is in the keystore.
"""

import asyncio
import hashlib
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aiohttp import web
from lxml import etree

from base.errors import Error
from base.settings_file import Stored
from onvif.errors import impossible, invalid
from onvif.events import metadata_json
from onvif.events.broker import PROTOCOLS, Broker, BrokerSettings, client_tls
from onvif.events.bus import Bus, Event
from onvif.events.settings_damage import publish_damage
from onvif.keystore import Keystore
from onvif.keystore.serving import load_chain
from onvif.metadata import MetadataFrame
from onvif.names import TEV, q
from onvif.service import Call, Reply, operation

MOST = 4
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokersSettings:
    """All brokers of a device."""

    brokers: tuple[BrokerSettings, ...] = ()


class EventBrokers:
    """The handlers, a part of the event service; `running` belongs in the application's `cleanup_ctx`.

    Args:
        state: the device's state directory; `brokers.json` in it (mode 0600) holds the settings, passwords included.
        bus: what is published.
        device: names this device towards brokers.
        keystore: certificates and policies; without one, brokers that name any are refused.
        profiles: the media profiles with analytics at this moment, whose metadata can be published; None for a device
            that publishes none.
    """

    def __init__(
        self,
        state: Path,
        bus: Bus,
        device: str,
        *,
        keystore: Keystore | None = None,
        profiles: Callable[[], Iterable[str]] | None = None,
    ) -> None:
        self._settings = Stored(state / "brokers.json", BrokersSettings())
        publish_damage(bus, self._settings)
        self._bus = bus
        self._device = device
        self._keystore = keystore
        self._profiles = profiles
        if keystore is not None:
            keystore.certificates.held_by(self._holds)
        self._running: dict[str, Broker] = {}

    async def running(self, _app: web.Application) -> AsyncIterator[None]:
        """Keep the connections while the application runs."""
        for settings in self._settings.value.brokers:
            try:
                self._start(settings)
            except Error as problem:
                # A topic that an older version had: the other brokers must not suffer for it.
                _log.warning("broker %s is not used: %s", settings.address, problem)
        self._bus.listen(self._on_event)
        yield
        self._bus.forget(self._on_event)
        await asyncio.gather(*(asyncio.to_thread(broker.stop) for broker in self._running.values()))
        self._running.clear()

    def capabilities(self) -> dict[str, Any]:
        offers_metadata = self._profiles is not None
        return {
            "EventBrokerProtocols": " ".join(PROTOCOLS),
            "MaxEventBrokers": MOST,
            "MetadataOverMQTT": offers_metadata,
        }

    def scene(self, module: str, frame: MetadataFrame) -> None:
        """What an analytics module sees in a picture. Any thread."""
        asking = [broker for broker in list(self._running.values()) if broker.wants_metadata]
        if not asking or self._profiles is None:
            return
        document = metadata_json.payload(frame)
        for profile in self._profiles():
            for broker in asking:
                broker.offer_metadata(metadata_json.path(profile, module), document)

    @operation("AddEventBroker")
    async def add_event_broker(self, call: Call) -> Reply:
        settings = self._read(call)
        known = {broker.address: broker for broker in self._settings.value.brokers}
        if settings.address not in known and len(known) >= MOST:
            raise impossible(f"There are {MOST} event brokers already.", "MaxEventBrokers")
        known[settings.address] = settings
        await self._stop(settings.address)
        self._start(settings)
        self._settings.set(replace(self._settings.value, brokers=tuple(known.values())))
        return {}

    @operation("GetEventBrokers")
    async def get_event_brokers(self, call: Call) -> Reply:
        address = call.request.Address if call.request is not None else None
        found = [self._get(address)] if address else self._settings.value.brokers
        return {"EventBroker": [self._values(broker) for broker in found]}

    @operation("DeleteEventBroker")
    async def delete_event_broker(self, call: Call) -> Reply:
        gone = self._get(call.request.Address)
        await self._stop(gone.address)
        kept = tuple(broker for broker in self._settings.value.brokers if broker.address != gone.address)
        self._settings.set(replace(self._settings.value, brokers=kept))
        return {}

    def _read(self, call: Call) -> BrokerSettings:
        wanted = call.request.EventBroker
        metadata_filter = _filter(call, "MetadataFilter")
        if metadata_filter and self._profiles is None:
            raise invalid("Metadata over MQTT is not offered.", "MetadataFilter")
        try:
            settings = BrokerSettings(
                address=str(wanted.Address).strip(),
                prefix=wanted.TopicPrefix,
                user=wanted.UserName or "",
                password=wanted.Password or "",
                publish_filter=_filter(call, "PublishFilter"),
                metadata_filter=metadata_filter,
                qos=wanted.QoS or 0,
                certificate=str(wanted.CertificateID or "").strip(),
                policy=str(wanted.CertPathValidationPolicyID or "").strip(),
            )
        except ValueError as problem:
            raise invalid(f"The event broker cannot be used: {problem}.", "InvalidEventBroker") from problem
        settings.wanted(topic.path for topic in self._bus.topics)
        settings.wanted_metadata()
        self._tls(settings)
        return settings

    def _get(self, address: str) -> BrokerSettings:
        for broker in self._settings.value.brokers:
            if broker.address == address.strip():
                return broker
        raise invalid(f"There is no event broker {address[:80]!r}.", "NoConfig")

    def _values(self, broker: BrokerSettings) -> dict[str, Any]:
        running = self._running.get(broker.address)
        values: dict[str, Any] = {
            "Address": broker.address,
            "TopicPrefix": broker.prefix,
            "QoS": broker.qos,
            "Status": str(running.status if running is not None else "Offline"),
        }
        if broker.user:
            values["UserName"] = broker.user
        for field, text in (("PublishFilter", broker.publish_filter), ("MetadataFilter", broker.metadata_filter)):
            if text:
                values[field] = {"_value_1": list(etree.fromstring(text))}
        if broker.certificate:
            values["CertificateID"] = broker.certificate
        if broker.policy:
            values["CertPathValidationPolicyID"] = broker.policy
        return values

    def _tls(self, settings: BrokerSettings) -> ssl.SSLContext | None:
        """How to speak to the broker; None without TLS.

        Raises:
            Fault: ter:CertificateID or ter:CertPathValidationPolicyID for what the keystore does not have.
        """
        if self._keystore is None and (settings.certificate or settings.policy):
            raise invalid("this device has no keystore", "CertificateID" if settings.certificate else
                          "CertPathValidationPolicyID")  # fmt: skip
        if self._keystore is None:
            return None
        trusted = self._keystore.trusted_pem(settings.policy) if settings.policy else ""
        own = self._keystore.certificate_pem(settings.certificate) if settings.certificate else None
        if not settings.secure:
            return None
        context = client_tls(trusted)
        if own is not None:
            load_chain(context, *own, self._keystore.folder)
        return context

    def _holds(self, identifier: str) -> bool:
        return any(identifier in {broker.certificate, broker.policy} for broker in self._settings.value.brokers)

    def _start(self, settings: BrokerSettings) -> None:
        which = hashlib.sha256(settings.address.encode()).hexdigest()[:8]
        name = f"{self._device}-{which}"
        broker = Broker(settings, name, self._bus.topics, self._bus.states, self._tls(settings))
        broker.start()
        self._running[settings.address] = broker

    async def _stop(self, address: str) -> None:
        broker = self._running.pop(address, None)
        if broker is not None:
            await asyncio.to_thread(broker.stop)

    def _on_event(self, event: Event) -> None:
        """On any thread; `dict` copies are cheap and the loop may change the brokers meanwhile."""
        for broker in list(self._running.values()):
            broker.offer(event)


def _filter(call: Call, name: str) -> str:
    """A filter of the request as text, empty when it has none."""
    found = call.element.find(f"{q(TEV, 'EventBroker')}/{q(TEV, name)}")
    return "" if found is None else etree.tostring(found, encoding="unicode", with_tail=False)
