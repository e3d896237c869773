"""One event broker: a standing MQTT connection that every wanted event and picture's metadata goes through.

ONVIF Core 26.06, 9.11; metadata: ONVIF Analytics 26.06, "Metadata in JSON over MQTT".

paho-mqtt's own thread connects, reconnects with back-off and sends; `offer` may be called on any thread and returns at
once. While the broker is away QoS 0 events are lost, as the standard has it, others wait in a bounded queue. After each
connection what waited goes out in its order, then the present state of every property: the last word that is retained
is true.
"""

import logging
import ssl
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from lxml import etree
from paho.mqtt.enums import CallbackAPIVersion

from onvif.events import event_json, metadata_json
from onvif.events.bus import Event, PropertyOperation
from onvif.events.filters import Filter, compile_filter
from onvif.events.topics import Topic

PROTOCOLS = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}
"""Default port of each scheme."""
_WAITING, _AT_ONCE = 1000, 10
_NO_TOPIC = "veilcam/none"
_log = logging.getLogger(__name__)


class BrokerStatus(StrEnum):
    """tev:ConnectionStatus."""

    OFFLINE = "Offline"
    CONNECTING = "Connecting"
    CONNECTED = "Connected"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """What AddEventBroker said.

    Args:
        address: `mqtt://host:port`, or mqtts, ws, wss; names the broker.
        prefix: the topic prefix, not empty, without wildcards.
        user, password: empty for none.
        publish_filter: the PublishFilter element as text, empty for every event.
        metadata_filter: the MetadataFilter element as text, empty for no metadata.
        qos: 0, 1 or 2.
        certificate: keystore identifier of the device's own certificate towards the broker, empty for none.
        policy: keystore identifier of the validation policy for the broker's certificate, empty for no check.
    """

    address: str
    prefix: str
    user: str = ""
    password: str = ""
    publish_filter: str = ""
    metadata_filter: str = ""
    qos: int = 0
    certificate: str = ""
    policy: str = ""

    def __post_init__(self) -> None:
        try:
            url = urlsplit(self.address)
            port = url.port
        except ValueError as problem:
            raise ValueError(f"the address is none: {problem}") from problem
        if url.scheme not in PROTOCOLS or not url.hostname or port == 0:
            raise ValueError(f"the address must be one of {', '.join(PROTOCOLS)}, with a host")
        if url.username or url.password:
            raise ValueError("credentials belong into UserName and Password, not into the address")
        if not self.prefix or set("+#\0") & set(self.prefix) or len(self.prefix) > 256:
            raise ValueError("the topic prefix must not be empty and must hold no wildcard")
        if self.qos not in {0, 1, 2}:
            raise ValueError("QoS is 0, 1 or 2")

    def wanted(self, topics: Iterable[str]) -> Filter:
        """The filter, compiled; raises Fault when it cannot be."""
        return compile_filter(etree.fromstring(self.publish_filter) if self.publish_filter else None, topics)

    def wanted_metadata(self) -> metadata_json.Wanted | None:
        """The metadata filter, compiled; None for no metadata; raises Fault when it cannot be."""
        return metadata_json.compile_filter(etree.fromstring(self.metadata_filter)) if self.metadata_filter else None

    @property
    def secure(self) -> bool:
        return urlsplit(self.address).scheme in {"mqtts", "wss"}


@dataclass(frozen=True, slots=True)
class _Message:
    topic: str
    payload: bytes
    retain: bool


class Broker:
    """A running connection.

    Args:
        settings: see there.
        name: MQTT client identifier, unique per device and broker.
        topics: what the bus may say.
        states: how every property stands, called after each connection.
        tls: for mqtts and wss.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        name: str,
        topics: Iterable[Topic],
        states: Callable[[], Iterable[Event]],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.settings = settings
        self._topics = {topic.path: topic for topic in topics}
        self._wanted = settings.wanted(self._topics)
        self._wanted_metadata = settings.wanted_metadata()
        self._away = False
        self._states = states
        self._status = BrokerStatus.OFFLINE
        self._lock = threading.Lock()
        self._ready = False
        self._waiting: deque[_Message] = deque(maxlen=_WAITING)
        self._on_their_way, self._pumping = 0, False
        url = urlsplit(settings.address)
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=name,
            clean_session=True,
            transport="websockets" if url.scheme.startswith("ws") else "tcp",
        )
        if settings.secure:
            self._client.tls_set_context(tls or client_tls())
        if url.scheme.startswith("ws"):
            self._client.ws_set_options(path=url.path or "/mqtt")
        if settings.user:
            self._client.username_pw_set(settings.user, settings.password or None)
        self._client.max_queued_messages_set(_WAITING)
        self._client.reconnect_delay_set(min_delay=1, max_delay=60)
        self._client.on_connect = self._connected
        self._client.on_connect_fail = self._failed
        self._client.on_disconnect = self._disconnected
        self._client.on_unsubscribe = self._resume
        self._client.on_publish = self._taken
        self._where = (url.hostname or "", url.port or PROTOCOLS[url.scheme])

    @property
    def status(self) -> BrokerStatus:
        return self._status

    @property
    def wants_metadata(self) -> bool:
        """Whether metadata is worth making now: a broker that is away gets none of it later."""
        return self._wanted_metadata is not None and self._status is BrokerStatus.CONNECTED

    def start(self) -> None:
        """Begin to connect; returns at once, whatever the broker does."""
        self._status = BrokerStatus.CONNECTING
        self._client.connect_async(*self._where, keepalive=30)
        self._client.loop_start()

    def stop(self) -> None:
        """Leave the broker; returns once the thread has ended."""
        self._client.disconnect()
        self._client.loop_stop()
        self._status = BrokerStatus.OFFLINE

    def offer(self, event: Event) -> None:
        """Publish the event if it is wanted. Any thread."""
        if not self._wanted(event):
            return
        message = self._message(event)
        with self._lock:
            # What is gone has to go from the broker too: no later state says so.
            if self._ready or self.settings.qos or not message.payload:
                self._waiting.append(message)
        self._pump()

    def _message(self, event: Event) -> "_Message":
        """Properties are retained, so that later subscribers learn the present state; one that is deleted is an
        empty message, which takes the retained one away (ONVIF Core 26.06, 9.11.2).
        """
        described = self._topics[event.topic]
        where = event_json.topic(self.settings.prefix, event)
        if event.operation is PropertyOperation.DELETED:
            return _Message(where, b"", retain=True)
        return _Message(where, event_json.payload(event, described), retain=described.lasting)

    def _resume(self, *_: object) -> None:
        """Say what waited, then how every property stands, then what happened meanwhile."""
        with self._lock:
            waited = tuple(self._waiting)
            self._waiting.clear()
        # Outside the lock: the publishing thread holds the bus and waits for it.
        states = [self._message(event) for event in self._states() if self._wanted(event)]
        with self._lock:
            self._waiting = deque((*waited, *states, *self._waiting), self._waiting.maxlen)
            self._ready = True
        self._pump()

    def _pump(self) -> None:
        """Hand on what waits, one thread at a time and never under the lock: paho's callbacks take it.

        A few are on their way at once. Of many that were never acknowledged paho 2.1 sends all again after a
        reconnect, and mosquitto takes no more than the first twenty of QoS 2.
        """
        while True:
            with self._lock:
                full = bool(self.settings.qos) and self._on_their_way >= _AT_ONCE
                if self._pumping or full or not self._ready or not self._waiting:
                    return
                message = self._waiting.popleft()
                self._on_their_way += bool(self.settings.qos)
                self._pumping = True
            self._client.publish(message.topic, message.payload, qos=self.settings.qos, retain=message.retain)
            with self._lock:
                self._pumping = False

    def _taken(self, *_: object) -> None:
        """The broker has one more."""
        with self._lock:
            self._on_their_way = max(0, self._on_their_way - 1)
        self._pump()

    def offer_metadata(self, path: str, document: bytes) -> None:
        """Publish a picture's metadata if its path is wanted. Any thread."""
        if self._wanted_metadata is None or not self._wanted_metadata(path):
            return
        where = f"{self.settings.prefix}/{metadata_json.PAYLOAD_PREFIX}/{path}"
        with self._lock:
            # Metadata never takes the room of events.
            if self._ready and len(self._waiting) < _WAITING // 10:
                self._waiting.append(_Message(where, document, retain=False))
        self._pump()

    def _connected(self, _client: object, _data: object, _flags: object, reason: object, _properties: object) -> None:
        if getattr(reason, "is_failure", False):
            self._status = BrokerStatus.CONNECTING
            _log.warning("broker %s refuses: %s", self.settings.address, reason)
            return
        self._status, self._away = BrokerStatus.CONNECTED, False
        # paho repeats what the broker has not acknowledged only after this call. The answer to a request that changes
        # nothing comes behind that, and with it what is newer.
        self._client.unsubscribe(_NO_TOPIC)

    def _failed(self, _client: object, _data: object) -> None:
        # Called while the reason is being handled; it says what to do: the port, the name, the certificate.
        if not self._away:
            _log.warning("broker %s cannot be reached: %s", self.settings.address, sys.exc_info()[1])
        self._away = True
        self._status = BrokerStatus.CONNECTING

    def _disconnected(self, _client: object, _data: object, _flags: object, reason: object, _more: object) -> None:
        with self._lock:
            self._ready = False
        if self._status is BrokerStatus.CONNECTED:
            _log.warning("broker %s: %s", self.settings.address, reason)
            self._status = BrokerStatus.CONNECTING


def client_tls(trusted: str = "") -> ssl.SSLContext:
    """TLS towards a broker.

    ONVIF Core 26.06, 9.11.1: without CertPathValidationPolicyID the device does not validate the broker; with one, the
    certificate has to lead to a trust anchor and to name the host of the address.

    Args:
        trusted: trust anchors in PEM, empty for no validation.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if trusted:
        # A trust anchor need not be a root: an operator may trust the one authority that signs brokers.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=trusted)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
