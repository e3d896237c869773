"""Event brokers against a real mosquitto: mqtt, mqtts, ws, wss; every QoS; filters, retained states, a broker away."""

import asyncio
import contextlib
import datetime as dt
import ipaddress
import json
import queue
import shutil
import socket
import ssl
import subprocess

import paho.mqtt.client as mqtt
import pytest
from lxml import etree
from paho.mqtt.enums import CallbackAPIVersion

from onvif.errors import Fault
from onvif.events import Bus, Event, event_json, topics
from onvif.events.broker import client_tls
from onvif.events.bus import PropertyOperation
from onvif.keystore import Keystore
from onvif.metadata import ColourCluster, MetadataBox, MetadataFrame, MetadataObject
from onvif.names import TEV, TNS1, TOPIC_CONCRETE_SET, WSNT, q
from onvif.services.event_brokers import EventBrokers
from onvif.services.events import PATH, EventService, event_service
from tests import onvif_pki as pki
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


def certificate(folder, authority=None):
    """Key and certificate for 127.0.0.1, signed by itself or by (certificate, key) of an authority."""
    key = pki.ecc()
    made = pki.certificate("broker", key, authority, addresses=[ipaddress.ip_address("127.0.0.1")])
    (folder / "cert.pem").write_text(pki.pem(made))
    (folder / "key.pem").write_text(pki.key_pem(key))


class Mosquitto:
    """A broker with one listener per protocol and one user.

    Args:
        authority: who signs its certificate; itself by default.
        clients: PEM of the authority that signs its clients' certificates, asked for with TLS when given.
    """

    def __init__(self, folder, authority=None, clients=""):
        self.ports = dict(zip(("mqtt", "mqtts", "ws", "wss"), free_ports(4), strict=True))
        certificate(folder, authority)
        (folder / "clients.pem").write_text(clients)
        subprocess.run(["mosquitto_passwd", "-b", "-c", str(folder / "users"), "camera", "secret"], check=True)
        lines = [f"password_file {folder}/users", "allow_anonymous false", "persistence false", "user root"]
        for name, port in self.ports.items():
            lines.append(f"listener {port} 127.0.0.1")
            lines += ["protocol websockets"] if name.startswith("ws") else []
            lines += [f"certfile {folder}/cert.pem", f"keyfile {folder}/key.pem"] if name in {"mqtts", "wss"} else []
            if clients and name == "mqtts":
                lines += [f"cafile {folder}/clients.pem", "require_certificate true"]
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
    async with parts(state) as (bus, _, _, client):
        yield bus, client


@contextlib.asynccontextmanager
async def parts(state):
    """(bus, brokers, keystore, client) of a small camera with two profiles."""
    bus = Bus(topics.CAMERA)
    keystore = Keystore(state, bus)
    brokers = EventBrokers(state, bus, "camera-1", keystore=keystore, profiles=lambda: ("main", "sub"))
    events = EventService(bus)
    async with device(event_service(events, brokers), contexts=[events.running, brokers.running]) as asker:
        yield bus, brokers, keystore, asker()


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
    assert set(document) == {"UtcTime", "Source", "Data"}, "no PropertyOperation: it is retained"
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


@pytest.mark.parametrize("qos", [0, 1])
async def test_a_deleted_property_is_an_empty_retained_message_and_nothing_else(broker, tmp_path, qos):
    where = "site/gate/onvif-ej/VideoSource/MotionAlarm/&source"
    async with camera(tmp_path) as (bus, client):
        await client.ask(TEV, "AddEventBroker", to=PATH, EventBroker=settings(broker, QoS=qos))
        await until_connected(client, broker.address("mqtt"))
        with broker.ear() as heard:
            bus.publish(MOTION, {"Source": "source"}, {"State": True})
            bus.retire(MOTION, {"Source": "source"})
            bus.publish("tns1:Media/ProfileChanged", {"Token": "last"})
            found = [(await asyncio.to_thread(heard.get, timeout=DEADLINE_S))[:2] for _ in range(3)]
        assert [topic for topic, _ in found[:2]] == [where, where]
        assert found[1][1] is None
        assert found[2][0].endswith("ProfileChanged/&last")
        with broker.ear("site/gate/onvif-ej/VideoSource/#") as heard:
            bus.publish(MOTION, {"Source": "other"}, {"State": True})
            first = await asyncio.to_thread(heard.get, timeout=DEADLINE_S)
        assert first[0].endswith("&other"), "nothing is retained for the one that is gone"


class Wire:
    """Between a device and its broker: it can be cut and mended while the broker goes on for others."""

    def __init__(self, target):
        self._target, self._links, self._server, self.port = target, set(), None, 0

    async def mend(self):
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self):
        self._server.close()
        for writer in tuple(self._links):
            writer.transport.abort()

    async def _carry(self, reader, writer):
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        self._links |= {writer, back}

        async def copy(source, sink):
            with contextlib.suppress(OSError):
                while data := await source.read(65536):
                    sink.write(data)
                    await sink.drain()
            sink.close()

        await asyncio.gather(copy(reader, back), copy(there, writer))
        self._links -= {writer, back}


@pytest.mark.parametrize("qos", [1, 2])
async def test_after_a_broker_was_away_what_waited_comes_in_order_and_the_present_state_last(broker, tmp_path, qos):
    where, wire = "site/gate/onvif-ej/VideoSource/MotionAlarm/&source", Wire(broker.ports["mqtt"])
    await wire.mend()
    address = f"mqtt://127.0.0.1:{wire.port}"
    states = [number % 2 == 0 for number in range(60)]  # more than paho has on its way at once
    with broker.ear() as heard:
        async with camera(tmp_path) as (bus, client):
            bus.publish(MOTION, {"Source": "source"}, {"State": False})
            wanted = {**settings(broker, QoS=qos), "Address": address}
            await client.ask(TEV, "AddEventBroker", to=PATH, EventBroker=wanted)
            await until_connected(client, address)
            await next_of(heard, where)
            await wire.cut()
            for number, state in enumerate(states):
                bus.publish(MOTION, {"Source": "source"}, {"State": state})
                bus.publish("tns1:Media/ProfileChanged", {"Token": str(number)})
            await wire.mend()
            told = [await asyncio.to_thread(heard.get, timeout=DEADLINE_S) for _ in range(2 * len(states) + 1)]
            await wire.cut()
    assert [int(document["Source"]["Token"]) for topic, document, *_ in told if topic != where] == list(range(60))
    alarms = [document["Data"]["State"] for topic, document, *_ in told if topic == where]
    assert alarms == [*states, states[-1]]
    assert told[-1][0] == where


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
    event = Event(topics.JOB_STATE.path, dt.datetime(2026, 5, 4, tzinfo=dt.UTC), PropertyOperation.CHANGED,
                  (("RecordingJobToken", "a/#+b"),), (), (("State", "Active"),),
                  (("Information", etree.fromstring("<i><State>Active</State><S>1</S><S>2</S></i>")),))  # fmt: skip
    assert event_json.topic("p", event) == "p/onvif-ej/RecordingConfig/JobState/&ab"
    document = json.loads(event_json.payload(event, topics.JOB_STATE))
    assert document["Data"] == {"State": "Active", "Information": {"State": "Active", "S": ["1", "2"]}}


def metadata_filter(text, dialect=TOPIC_CONCRETE_SET):
    expression = etree.Element(q(WSNT, "TopicExpression"), Dialect=dialect)
    expression.text = text
    return {"_value_1": [expression]}


SCENE = MetadataFrame(
    dt.datetime(2026, 5, 4, 3, 2, 1, tzinfo=dt.UTC),
    (
        MetadataObject(7, MetadataBox(-0.5, 0.5, 0, -0.5), "Human", 0.9, tops=(ColourCluster((200, 20, 20), 0.75),)),
        MetadataObject(
            8, MetadataBox(0, 0.25, 0.5, 0), "Vehicle", 0.75, vehicle="Car", colours=(ColourCluster((0, 0, 255)),)
        ),
    ),
    deleted=(5,),
)


async def test_metadata_goes_to_the_broker_as_json_and_as_asked(broker, tmp_path):
    with broker.ear("site/gate/onvif-mj/#") as heard:
        async with parts(tmp_path) as (_, brokers, _, client):
            wanted = metadata_filter("VideoAnalytics/main/ObjectTracker")
            await client.values(TEV, "AddEventBroker", to=PATH, EventBroker=settings(broker, MetadataFilter=wanted))
            await until_connected(client, broker.address("mqtt"))
            shown = await client.ask(TEV, "GetEventBrokers", to=PATH)
            (expression,) = shown.iter(q(WSNT, "TopicExpression"))
            assert expression.text == "VideoAnalytics/main/ObjectTracker"
            assert problems(shown) == []
            brokers.scene("Another", SCENE)
            brokers.scene("ObjectTracker", SCENE)
            topic, told, retained, _ = await asyncio.to_thread(heard.get, timeout=DEADLINE_S)
            assert (topic, retained) == ("site/gate/onvif-mj/VideoAnalytics/main/ObjectTracker", False)
            (frame,) = told["Frame"]
            person, car = frame["Object"]
            assert (frame["@UtcTime"], person["@ObjectId"]) == ("2026-05-04T03:02:01.000Z", "7")
            assert person["Appearance"]["Class"]["Type"] == [{"@Likelihood": "0.9", "#text": "Human"}]
            assert person["Appearance"]["Shape"]["BoundingBox"] == {
                "@left": "-0.5", "@top": "0.5", "@right": "0", "@bottom": "-0.5"
            }  # fmt: skip
            (cluster,) = person["Appearance"]["HumanBody"]["Clothing"]["Tops"]["Color"]["ColorCluster"]
            assert ((cluster["Color"]["@X"], cluster["Weight"])) == ("200", "0.75")
            assert car["Appearance"]["VehicleInfo"]["Type"] == {"@Likelihood": "0.75", "#text": "Car"}
            assert frame["ObjectTree"]["Delete"] == [{"@ObjectId": "5"}]
            assert heard.empty()


@pytest.mark.parametrize("asked", ["VideoAnalytics//.", "onvif-mj/VideoAnalytics//.", "tns1:VideoAnalytics//.", ""])
async def test_a_whole_kind_of_metadata_can_be_asked_for(broker, tmp_path, asked):
    with broker.ear("site/gate/onvif-mj/#") as heard:
        async with parts(tmp_path) as (_, brokers, _, client):
            more = {"MetadataFilter": metadata_filter(asked)}
            await client.values(TEV, "AddEventBroker", to=PATH, EventBroker=settings(broker, **more))
            await until_connected(client, broker.address("mqtt"))
            brokers.scene("Tracker/#1", SCENE)
            told = {(await asyncio.to_thread(heard.get, timeout=DEADLINE_S))[0] for _ in range(2)}
            assert told == {f"site/gate/onvif-mj/VideoAnalytics/{profile}/Tracker1" for profile in ("main", "sub")}


async def test_metadata_filters_that_mean_nothing_are_refused(broker, tmp_path):
    async with parts(tmp_path) as (_, _, _, client):
        for more, fault in (
            (metadata_filter("VideoAnalytics", "urn:other"), "TopicExpressionDialectUnknown"),
            (metadata_filter("Video Analytics/+"), "InvalidTopicExpression"),
            ({"_value_1": [etree.Element(q(WSNT, "MessageContent"), Dialect="x")]}, "InvalidFilter"),
        ):
            with pytest.raises(Fault) as refused:
                await client.values(TEV, "AddEventBroker", to=PATH, EventBroker=settings(broker, MetadataFilter=more))
            assert refused.value.subcodes[-1] == fault


async def test_a_brokers_certificate_is_checked_by_the_policy(tmp_path, caplog):
    """The right authority connects; another one, and another host's certificate, never do, and the state says so."""
    ours, theirs = pki.authority("ours"), pki.authority("theirs")
    running = Mosquitto(tmp_path, authority=ours)
    running.start()
    try:
        async with parts(tmp_path) as (_, _, keystore, client):
            kept = keystore.certificates
            policies = [kept.create_policy([kept.upload(pki.der(ca), "", "", private_required=False)[0]], "")
                        for ca, _ in (theirs, ours)]  # fmt: skip
            wrong = settings(running, "mqtts", CertPathValidationPolicyID=policies[0])
            await client.values(TEV, "AddEventBroker", to=PATH, EventBroker=wrong)
            async with asyncio.timeout(DEADLINE_S):
                while "certificate verify failed" not in caplog.text:  # noqa: ASYNC110 - the log is what tells
                    await asyncio.sleep(0.05)
            reply = await client.values(TEV, "GetEventBrokers", to=PATH)
            assert reply.EventBroker[0].Status != "Connected"
            assert reply.EventBroker[0].CertPathValidationPolicyID == policies[0]
            right = settings(running, "mqtts", CertPathValidationPolicyID=policies[1])
            await client.values(TEV, "AddEventBroker", to=PATH, EventBroker=right)
            await until_connected(client, running.address("mqtts"))
            with pytest.raises(Fault) as held:
                kept.delete_policy(policies[1])
            assert held.value.subcodes[-1] == "ReferenceExists"
            kept.delete_policy(policies[0])  # the broker was given another one
            unknown = settings(running, "mqtts", CertPathValidationPolicyID="policy-99")
            with pytest.raises(Fault) as refused:
                await client.values(TEV, "AddEventBroker", to=PATH, EventBroker=unknown)
            assert refused.value.subcodes[-1] == "CertPathValidationPolicyID"
    finally:
        running.stop()


async def test_a_certificate_for_another_host_is_refused(tmp_path):
    ca = pki.authority()
    running = Mosquitto(tmp_path, authority=ca)
    running.start()
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not await listens(running.ports["mqtts"]):  # noqa: ASYNC110 - a foreign program starts
                await asyncio.sleep(0.05)

        def connect(name):
            with (
                socket.create_connection(("127.0.0.1", running.ports["mqtts"]), DEADLINE_S) as plain,
                client_tls(pki.pem(ca[0])).wrap_socket(plain, server_hostname=name),
            ):
                return True

        assert await asyncio.to_thread(connect, "127.0.0.1")
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.to_thread(connect, "broker.example.org")
    finally:
        running.stop()


async def listens(port):
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def test_the_device_shows_the_broker_its_own_certificate(tmp_path):
    devices = pki.authority("devices")
    running = Mosquitto(tmp_path, clients=pki.pem(devices[0]))
    running.start()
    try:
        async with parts(tmp_path) as (_, _, keystore, client):
            key = pki.ecc()
            owner = keystore.keys.add(key, "", external=True)
            mine = keystore.certificates.add(pki.certificate("camera", key, devices), owner.id, "")
            more = settings(running, "mqtts", CertificateID=mine)
            await client.values(TEV, "AddEventBroker", to=PATH, EventBroker=more)
            await until_connected(client, running.address("mqtts"))
            foreign = keystore.certificates.upload(pki.der(devices[0]), "", "", private_required=False)[0]
            with pytest.raises(Fault) as refused:
                await client.values(TEV, "AddEventBroker", to=PATH,
                                    EventBroker=settings(running, "mqtts", CertificateID=foreign))  # fmt: skip
            assert refused.value.subcodes[-1] == "CertificateID"
    finally:
        running.stop()
