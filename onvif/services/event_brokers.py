"""The event broker operations of the event service (ONVIF Core 26.06, 9.11): add or change, list, delete."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aiohttp import web
from lxml import etree

from onvif.errors import Fault, OnvifError, impossible, invalid
from onvif.events.broker import PROTOCOLS, Broker, BrokerSettings
from onvif.events.bus import Bus, Event
from onvif.names import TEV, q
from onvif.service import Call, Reply, operation
from onvif.store import Stored

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
    """

    def __init__(self, state: Path, bus: Bus, device: str) -> None:
        self._settings = Stored(state / "brokers.json", BrokersSettings())
        self._bus = bus
        self._device = device
        self._running: dict[str, Broker] = {}

    async def running(self, _app: web.Application) -> AsyncIterator[None]:
        """Keep the connections while the application runs."""
        for settings in self._settings.value.brokers:
            try:
                self._start(settings)
            except (Fault, OnvifError) as problem:
                # A topic that an older version had: the other brokers must not suffer for it.
                _log.warning("broker %s is not used: %s", settings.address, problem)
        self._bus.listen(self._heard)
        yield
        self._bus.forget(self._heard)
        await asyncio.gather(*(asyncio.to_thread(broker.stop) for broker in self._running.values()))
        self._running.clear()

    @staticmethod
    def capabilities() -> dict[str, Any]:
        return {"EventBrokerProtocols": " ".join(PROTOCOLS), "MaxEventBrokers": MOST, "MetadataOverMQTT": False}

    @operation("AddEventBroker")
    async def add_event_broker(self, call: Call) -> Reply:
        settings = self._read(call)
        known = {broker.address: broker for broker in self._settings.value.brokers}
        if settings.address not in known and len(known) >= MOST:
            raise impossible(f"There are {MOST} event brokers already.", "MaxEventBrokers")
        known[settings.address] = settings
        await self._stop(settings.address)
        self._start(settings)
        self._settings.put(replace(self._settings.value, brokers=tuple(known.values())))
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
        self._settings.put(replace(self._settings.value, brokers=kept))
        return {}

    def _read(self, call: Call) -> BrokerSettings:
        wanted = call.request.EventBroker
        if wanted.CertificateID:
            raise invalid("Client certificates for brokers are not offered.", "CertificateID")
        if wanted.CertPathValidationPolicyID:
            raise invalid("There is no such certification path validation policy.", "CertPathValidationPolicyID")
        filter_ = call.element.find(f"{q(TEV, 'EventBroker')}/{q(TEV, 'PublishFilter')}")
        if wanted.MetadataFilter is not None:
            raise invalid("Metadata over MQTT is not offered.", "MetadataFilter")
        try:
            settings = BrokerSettings(
                address=str(wanted.Address).strip(),
                prefix=wanted.TopicPrefix,
                user=wanted.UserName or "",
                password=wanted.Password or "",
                publish_filter="" if filter_ is None else etree.tostring(filter_, encoding="unicode", with_tail=False),
                qos=wanted.QoS or 0,
            )
        except ValueError as problem:
            raise invalid(f"The event broker cannot be used: {problem}.", "InvalidEventBroker") from problem
        settings.wanted(topic.path for topic in self._bus.topics)
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
        if broker.publish_filter:
            values["PublishFilter"] = {"_value_1": list(etree.fromstring(broker.publish_filter))}
        return values

    def _start(self, settings: BrokerSettings) -> None:
        which = hashlib.sha256(settings.address.encode()).hexdigest()[:8]
        broker = Broker(settings, f"{self._device}-{which}", self._bus.topics, self._bus.states)
        broker.start()
        self._running[settings.address] = broker

    async def _stop(self, address: str) -> None:
        broker = self._running.pop(address, None)
        if broker is not None:
            await asyncio.to_thread(broker.stop)

    def _heard(self, event: Event) -> None:
        """On any thread; `dict` copies are cheap and the loop may change the brokers meanwhile."""
        for broker in list(self._running.values()):
            broker.offer(event)
