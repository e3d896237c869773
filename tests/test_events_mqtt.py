"""Event brokers against a real mosquitto: mqtt, mqtts, ws, wss; every QoS; filters, retained states, a broker away."""

import asyncio
import contextlib
import datetime as dt
import json
import queue
import shutil
import socket
import subprocess

import paho.mqtt.client as mqtt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from lxml import etree
from paho.mqtt.enums import CallbackAPIVersion

from onvif.errors import Fault
from onvif.events import Bus, Event, ej, topics
from onvif.events.bus import Operation
from onvif.names import TEV, TNS1, TOPIC_CONCRETE_SET, WSNT, q
from onvif.services.event_brokers import EventBrokers
from onvif.services.events import PATH, EventService, event_service
from tests.onvif_device import device
from tests.onvif_schema import problems

MOTION = topics.MOTION_ALARM.path
DEADLINE_S = 60
MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"


def free_ports(count):
    socks = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [sock.getsockname()[1] for sock in socks]
    for sock in socks:
        sock.close()
    return ports


def certificate(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "broker")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


class Mosquitto:
    """A broker with one listener per protocol and one user."""

    def __init__(self, folder):
        self.ports = dict(zip(("mqtt", "mqtts", "ws", "wss"), free_ports(4), strict=True))
        certificate(folder)
        subprocess.run(["mosquitto_passwd", "-b", "-c", str(folder / "users"), "camera", "secret"], check=True)
        lines = [f"password_file {folder}/users", "allow_anonymous false", "persistence false", "user root"]
        for name, port in self.ports.items():
            lines.append(f"listener {port} 127.0.0.1")
            lines += ["protocol websockets"] if name.startswith("ws") else []
            lines += [f"certfile {folder}/cert.pem", f"keyfile {folder}/key.pem"] if name in {"mqtts", "wss"} else []
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
        self._command = [MOSQUITTO, "-c", str(folder / "mosquitto.conf")]
        self._process = None

    def start(self):
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        self._process.terminate()
        self._process.wait(20)

    def address(self, protocol):
        path = "/mqtt" if protocol.startswith("ws") else ""
        return f"{protocol}://127.0.0.1:{self.ports[protocol]}{path}"

    @contextlib.contextmanager
    def ear(self, pattern="#"):
        """A subscriber: a queue of (topic, document, retained, qos)."""
        heard, ready = queue.Queue(), queue.Queue()
        client = mqtt.Client(CallbackAPIVersion.VERSION2)
        client.username_pw_set("camera", "secret")
        client.on_connect = lambda *_: client.subscribe(pattern, qos=2)
        client.on_subscribe = lambda *_: ready.put(True)
        client.on_message = lambda _client, _data, message: heard.put(
            (message.topic, json.loads(message.payload) if message.payload else None, message.retain, message.qos)
        )
        client.reconnect_delay_set(1, 2)
        client.connect_async("127.0.0.1", self.ports["mqtt"])
        client.loop_start()
        try:
            ready.get(timeout=DEADLINE_S)
            yield heard
        finally:
            client.disconnect()
            client.loop_stop()


@pytest.fixture
def broker(tmp_path):
    running = Mosquitto(tmp_path)
    running.start()
    yield running
    running.stop()


@contextlib.asynccontextmanager
async def camera(state):
    bus = Bus(topics.CAMERA)
    events, brokers = EventService(bus), EventBrokers(state, bus, "camera-1")
    async with device(event_service(events, brokers), contexts=[events.running, brokers.running]) as asker:
        yield bus, asker()


def settings(broker, protocol="mqtt", **more):
    return {
        "Address": broker.address(protocol), "TopicPrefix": "site/gate", "UserName": "camera", "Password": "secret",
        **more,
    }  # fmt: skip


async def until_connected(client, address):
    async with asyncio.timeout(DEADLINE_S):
        while True:
            reply = await client.values(TEV, "GetEventBrokers", to=PATH, Address=address)
            if reply.EventBroker[0].Status == "Connected":
                return reply.EventBroker[0]
            await asyncio.sleep(0.05)


async def next_of(heard, topic):
    """The next message of that topic; others are passed over."""
    while True:
        found = await asyncio.to_thread(heard.get, timeout=DEADLINE_S)
        if found[0] == topic:
            return found


@pytest.mark.parametrize("protocol", ["mqtt", "mqtts", "ws", "wss"])
async def test_events_reach_the_broker_by_every_protocol(broker, tmp_path, protocol):
    where = "site/gate/onvif-ej/VideoSource/MotionAlarm/&source"
    with broker.ear() as heard:
        async with camera(tmp_path) as (bus, client):
            await client.ask(TEV, "AddEventBroker", to=PATH, EventBroker=settings(broker, protocol))
            await until_connected(client, broker.address(protocol))
            bus.publish(MOTION, {"Source": "source"}, {"State": True})
            _, document, _, _ = await next_of(heard, where)
    assert document["Data"] == {"State": True}
    assert document["Source"] == {"Source": "source"}
    assert document["PropertyOperation"] == "Initialized"
    assert dt.datetime.fromisoformat(document["UtcTime"]).tzinfo is not None


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_quality_of_service(broker, tmp_path, qos):
    with broker.ear() as heard:
        async with camera(tmp_path) as (bus, client):
            await client.ask(TEV, "AddEventBroker", to=PATH, EventBroker=settings(broker, QoS=qos))
            await until_connected(client, broker.address("mqtt"))
            bus.publish(MOTION, {"Source": "source"}, {"State": True})
            found = await next_of(heard, "site/gate/onvif-ej/VideoSource/MotionAlarm/&source")
    assert found[3] == qos


async def test_a_publish_filter_lets_only_its_topics_through(broker, tmp_path):
    expression = etree.Element(q(WSNT, "TopicExpression"), nsmap={"tns1": TNS1}, Dialect=TOPIC_CONCRETE_SET)
    expression.text = "tns1:Media//."
    with broker.ear() as heard:
        async with camera(tmp_path) as (bus, client):
            filtered = settings(broker, PublishFilter={"_value_1": [expression]})
            await client.ask(TEV, "AddEventBroker", to=PATH, EventBroker=filtered)
            await until_connected(client, broker.address("mqtt"))
            listed = await client.ask(TEV, "GetEventBrokers", to=PATH)
            assert problems(listed) == []
            assert "tns1:Media//." in "".join(listed.itertext())
            bus.publish(MOTION, {"Source": "source"}, {"State": True})
            bus.publish("tns1:Media/ProfileChanged", {"Token": "main"})
            found = await asyncio.to_thread(heard.get, timeout=DEADLINE_S)
    assert found[0] == "site/gate/onvif-ej/Media/ProfileChanged/&main"


async def test_states_are_retained_for_whoever_comes_later(broker, tmp_path):
    async with camera(tmp_path) as (bus, client):
        bus.publish(MOTION, {"Source": "source"}, {"State": True})
        await client.ask(TEV, "AddEventBroker", to=PATH, EventBroker=settings(broker, QoS=1))
        await until_connected(client, broker.address("mqtt"))
        with broker.ear("site/gate/onvif-ej/VideoSource/#") as heard:
            found = await asyncio.to_thread(heard.get, timeout=DEADLINE_S)
    assert found[1]["Data"] == {"State": True}


async def test_a_broker_that_was_away_hears_again(broker, tmp_path):
    async with camera(tmp_path) as (bus, client):
        await client.ask(TEV, "AddEventBroker", to=PATH, EventBroker=settings(broker))
        await until_connected(client, broker.address("mqtt"))
        broker.stop()
        bus.publish(MOTION, {"Source": "source"}, {"State": True})
        broker.start()
        await until_connected(client, broker.address("mqtt"))
        with broker.ear() as heard:
            found = await next_of(heard, "site/gate/onvif-ej/VideoSource/MotionAlarm/&source")
    assert found[1]["Data"] == {"State": True}


async def test_a_broker_is_listed_without_its_password_changed_and_deleted(broker, tmp_path):
    address = broker.address("mqtt")
    async with camera(tmp_path) as (_, client):
        await client.ask(TEV, "AddEventBroker", to=PATH, EventBroker=settings(broker))
        listed = await client.ask(TEV, "GetEventBrokers", to=PATH)
        assert problems(listed) == []
        assert "secret" not in etree.tostring(listed).decode()
        await client.ask(TEV, "AddEventBroker", to=PATH, EventBroker=settings(broker, TopicPrefix="other", QoS=1))
        reply = await client.values(TEV, "GetEventBrokers", to=PATH)
        assert [(each.Address, each.TopicPrefix, each.QoS) for each in reply.EventBroker] == [(address, "other", 1)]
    async with camera(tmp_path) as (_, client):
        await until_connected(client, address)
        await client.ask(TEV, "DeleteEventBroker", to=PATH, Address=address)
        assert len(await client.ask(TEV, "GetEventBrokers", to=PATH)) == 0
    assert (tmp_path / "brokers.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"Address": "http://127.0.0.1"}, "InvalidEventBroker"),
        ({"Address": "mqtt://"}, "InvalidEventBroker"),
        ({"Address": "mqtt://h:99999"}, "InvalidEventBroker"),
        ({"Address": "mqtt://a:b@h"}, "InvalidEventBroker"),
        ({"TopicPrefix": ""}, "InvalidEventBroker"),
        ({"TopicPrefix": "a/#"}, "InvalidEventBroker"),
        ({"QoS": 3}, "InvalidEventBroker"),
        ({"CertificateID": "mine"}, "CertificateID"),
        ({"CertPathValidationPolicyID": "any"}, "CertPathValidationPolicyID"),
    ],
)
async def test_brokers_that_cannot_be_used_are_refused(tmp_path, changes, fault):
    async with camera(tmp_path) as (_, client):
        wanted = {"Address": "mqtt://127.0.0.1:9", "TopicPrefix": "p", **changes}
        with pytest.raises(Fault) as refused:
            await client.ask(TEV, "AddEventBroker", to=PATH, EventBroker=wanted)
        assert refused.value.subcodes[-1] == fault
        with pytest.raises(Fault) as unknown:
            await client.ask(TEV, "DeleteEventBroker", to=PATH, Address="mqtt://127.0.0.1:9")
        assert unknown.value.subcodes[-1] == "NoConfig"


async def test_there_is_a_limit(tmp_path):
    async with camera(tmp_path) as (_, client):
        for number in range(5):
            wanted = {"Address": f"mqtt://127.0.0.1:{number + 1}", "TopicPrefix": "p"}
            if number < 4:
                await client.ask(TEV, "AddEventBroker", to=PATH, EventBroker=wanted)
                continue
            with pytest.raises(Fault) as full:
                await client.ask(TEV, "AddEventBroker", to=PATH, EventBroker=wanted)
            assert full.value.subcodes[-1] == "MaxEventBrokers"
        capabilities = (await client.values(TEV, "GetServiceCapabilities", to=PATH)).Capabilities
        assert (capabilities.MaxEventBrokers, capabilities.EventBrokerProtocols) == (4, "mqtt mqtts ws wss")


def test_topics_hold_no_wildcards_and_element_items_become_objects():
    event = Event(topics.JOB_STATE.path, dt.datetime(2026, 5, 4, tzinfo=dt.UTC), Operation.CHANGED,
                  (("RecordingJobToken", "a/#+b"),), (), (("State", "Active"),),
                  (("Information", etree.fromstring("<i><State>Active</State><S>1</S><S>2</S></i>")),))  # fmt: skip
    assert ej.topic("p", event) == "p/onvif-ej/RecordingConfig/JobState/&ab"
    document = json.loads(ej.payload(event, topics.JOB_STATE))
    assert document["Data"] == {"State": "Active", "Information": {"State": "Active", "S": ["1", "2"]}}
