"""The event service over real HTTP: pull points, basic notification, and the subscription manager."""

import asyncio
import contextlib
import time
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from lxml import etree

from onvif import names
from onvif.errors import Fault
from onvif.events import Bus, topics
from onvif.metadata import parse_utc
from onvif.names import ITEM_FILTER, TEV, TOPIC_CONCRETE_SET, WSNT, q
from onvif.notifications import read_notifications
from onvif.services.events import PATH, EventService, event_service
from tests.onvif_device import device

MOTION = topics.MOTION_ALARM.path


@contextlib.asynccontextmanager
async def camera(limit=4, users=("admin",), **clocks):
    bus = Bus(topics.CAMERA)
    events = EventService(bus, limit=limit, **clocks)
    async with device(event_service(events), contexts=[events.running]) as asker:
        yield bus, *(asker(user) for user in users)


async def subscribe(client, *, life="PT60S", filter_=None):
    values = {"InitialTerminationTime": life} if life else {}
    if filter_ is not None:
        values["Filter"] = {"_value_1": filter_}
    reply = await client.ask(TEV, "CreatePullPointSubscription", to=PATH, **values)
    return reply.findtext(f".//{q(names.WSA, 'Address')}")


async def pull(client, address, *, seconds=20, most=100):
    reply = await client.ask(TEV, "PullMessages", to=address, wait_s=seconds, Timeout=f"PT{seconds}S",
                             MessageLimit=most)  # fmt: skip
    return read_notifications(reply)


def topic_filter(text):
    element = etree.Element(q(WSNT, "TopicExpression"), nsmap={"tns1": names.TNS1}, Dialect=TOPIC_CONCRETE_SET)
    element.text = text
    return element


async def test_the_state_comes_first_and_then_each_change():
    async with camera() as (bus, client):
        bus.publish(MOTION, {"Source": "source"}, {"State": False})
        address = await subscribe(client)
        (first,) = await pull(client, address)
        assert (first.topic, first.operation, first.state("State")) == (MOTION, "Initialized", False)
        bus.publish(MOTION, {"Source": "source"}, {"State": True})
        (second,) = await pull(client, address)
        assert (second.operation, second.state("State"), second.source) == ("Changed", True, {"Source": "source"})


async def test_a_waiting_pull_returns_as_soon_as_something_happens():
    async with camera() as (bus, client):
        address = await subscribe(client)
        waiting = asyncio.create_task(pull(client, address, seconds=60))
        began = time.monotonic()
        # The pull is on its way; whenever the event comes it must cut the minute short.
        await asyncio.to_thread(bus.publish, MOTION, {"Source": "source"}, {"State": True})
        assert [found.topic for found in await waiting] == [MOTION]
        assert time.monotonic() - began < 30


async def test_a_pull_without_events_is_an_empty_reply():
    async with camera() as (_, client):
        address = await subscribe(client)
        assert await pull(client, address, seconds=0) == ()


async def test_two_pull_points_hear_for_themselves():
    async with camera() as (bus, client):
        one = await subscribe(client)
        two = await subscribe(client, filter_=[topic_filter("tns1:Media//.")])
        bus.publish(MOTION, {"Source": "source"}, {"State": True})
        bus.publish("tns1:Media/ProfileChanged", {"Token": "main"})
        assert [found.topic for found in await pull(client, one)] == [MOTION, "tns1:Media/ProfileChanged"]
        assert [found.topic for found in await pull(client, two)] == ["tns1:Media/ProfileChanged"]


async def test_message_limit_leaves_the_rest_for_the_next_pull():
    async with camera() as (bus, client):
        address = await subscribe(client)
        for number in range(5):
            bus.publish("tns1:Media/ProfileChanged", {"Token": str(number)})
        got = [await pull(client, address, most=2) for _ in range(3)]
        assert [[found.source["Token"] for found in each] for each in got] == [["0", "1"], ["2", "3"], ["4"]]


async def test_content_filter():
    content = etree.Element(q(WSNT, "MessageContent"), Dialect=ITEM_FILTER)
    content.text = 'boolean(//tt:SimpleItem[@Name="Token" and @Value="sub"])'
    async with camera() as (bus, client):
        address = await subscribe(client, filter_=[content])
        for token in ("main", "sub"):
            bus.publish("tns1:Media/ProfileChanged", {"Token": token})
        assert [found.source["Token"] for found in await pull(client, address)] == ["sub"]


async def test_a_synchronisation_point_says_every_state_again():
    async with camera() as (bus, client):
        bus.publish(MOTION, {"Source": "source"}, {"State": True})
        address = await subscribe(client)
        await pull(client, address)
        await client.ask(TEV, "SetSynchronizationPoint", to=address)
        (again,) = await pull(client, address)
        assert (again.operation, again.state("State")) == ("Initialized", True)


async def test_renew_and_unsubscribe():
    async with camera() as (_, client):
        address = await subscribe(client)
        reply = await client.ask(TEV, "Renew", to=address, TerminationTime="PT300S")
        now, ends = (reply.findtext(q(WSNT, name)) for name in ("CurrentTime", "TerminationTime"))
        assert 298 < _seconds(ends) - _seconds(now) < 302
        await client.ask(TEV, "Unsubscribe", to=address)
        for operation, values in (("PullMessages", {"Timeout": "PT0S", "MessageLimit": 1}), ("Unsubscribe", {})):
            with pytest.raises(Fault) as gone:
                await client.ask(TEV, operation, to=address, **values)
            assert "ResourceUnknown" in gone.value.subcodes


async def test_unsubscribing_lets_a_waiting_pull_go():
    async with camera() as (_, client):
        address = await subscribe(client)
        waiting = asyncio.create_task(pull(client, address, seconds=60))
        await pull(client, address, seconds=0)
        began = time.monotonic()
        await client.ask(TEV, "Unsubscribe", to=address)
        with contextlib.suppress(Fault):
            await waiting
        assert time.monotonic() - began < 30


async def test_a_subscription_ends_by_itself():
    async with camera(limit=1) as (_, client):
        await subscribe(client, life="PT1S")
        with pytest.raises(Fault) as full:
            await subscribe(client)
        assert "SubscribeCreationFailed" in full.value.subcodes
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(Fault):
                    assert await subscribe(client)
                    return
                await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("life", "fault"),
    [("2001-01-01T00:00:00Z", "UnacceptableInitialTerminationTime"), ("-PT10S", "UnacceptableInitialTerminationTime")],
)
async def test_lives_that_cannot_be(life, fault):
    async with camera() as (_, client):
        with pytest.raises(Fault) as refused:
            await subscribe(client, life=life)
        assert fault in refused.value.subcodes


async def test_event_properties_are_schema_true():
    async with camera() as (_, client):
        values = await client.values(TEV, "GetEventProperties", to=PATH)
        assert values.FixedTopicSet is True
        assert TOPIC_CONCRETE_SET in values.TopicExpressionDialect
        assert values.MessageContentFilterDialect == [ITEM_FILTER]
        capabilities = await client.values(TEV, "GetServiceCapabilities", to=PATH)
        assert capabilities.Capabilities.MaxPullPoints >= 2


async def test_a_consumer_is_notified():
    got = asyncio.Queue()

    async def notify(request):
        got.put_nowait(await request.read())
        return web.Response()

    app = web.Application()
    app.router.add_post("/ear", notify)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with camera() as (bus, client), asyncio.timeout(30):
            reply = await client.ask(
                TEV, "Subscribe", to=PATH,
                ConsumerReference={"Address": f"http://127.0.0.1:{port}/ear"}, InitialTerminationTime="PT60S",
            )  # fmt: skip
            manager = reply.findtext(f".//{q(names.WSA, 'Address')}")
            bus.publish(MOTION, {"Source": "source"}, {"State": True})
            body = etree.fromstring(await got.get())
            assert [found.topic for found in read_notifications(body)] == [MOTION]
            assert body.findtext(f".//{q(names.WSA, 'Action')}").endswith("/Notify")
            await client.ask(TEV, "Unsubscribe", to=manager)
            bus.publish(MOTION, {"Source": "source"}, {"State": False})
            await client.ask(TEV, "GetEventProperties", to=PATH)
            assert got.empty()
    finally:
        await runner.cleanup()


async def test_who_may_only_watch_leaves_pull_points_to_those_who_run_the_device():
    async with camera(limit=4, users=("user", "admin", "operator")) as (_, watcher, admin, operator):
        for _ in range(2):
            await subscribe(watcher)
        with pytest.raises(Fault) as full:
            await subscribe(watcher)
        assert "SubscribeCreationFailed" in full.value.subcodes
        with pytest.raises(Fault):
            await watcher.ask(TEV, "Subscribe", to=PATH, ConsumerReference={"Address": "http://192.0.2.1/"})
        await subscribe(admin)
        await subscribe(operator)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]", "127.1.2.3", "2130706433", "localhost.",
     "0x7f.1"],
)  # fmt: skip
async def test_who_may_only_watch_cannot_make_the_device_post_to_itself(host):
    got = asyncio.Event()
    server = await asyncio.start_server(lambda *_: got.set(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, camera(users=("user",)) as (bus, client):
        values = {"ConsumerReference": {"Address": f"http://{host}:{port}/"}, "InitialTerminationTime": "PT60S"}
        try:
            await client.ask(TEV, "Subscribe", to=PATH, **values)
        except Fault as refused:
            assert "SubscribeCreationFailed" in refused.subcodes  # noqa: PT017 - or it is found out on connecting
            return
        bus.publish(MOTION, {"Source": "source"}, {"State": True})
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(got.wait(), 1.5)


async def test_a_consumer_must_be_an_http_address():
    async with camera() as (_, client):
        for address in ("file:///etc/passwd", "ear", ""):
            with pytest.raises(Fault) as refused:
                await client.ask(TEV, "Subscribe", to=PATH, ConsumerReference={"Address": address})
            assert "SubscribeCreationFailed" in refused.value.subcodes or "InvalidArgVal" in refused.value.subcodes


def _seconds(text):
    return parse_utc(text).timestamp()


class Clocks:
    """The wall's, which a test sets, and the monotonic one, which it lets run."""

    def __init__(self):
        self.utc, self.mono_s = datetime(2026, 5, 4, 12, tzinfo=UTC), 1000.0

    def pass_s(self, seconds):
        self.utc, self.mono_s = self.utc + timedelta(seconds=seconds), self.mono_s + seconds


@pytest.mark.parametrize("jump", [timedelta(days=400), timedelta(days=-400), timedelta(hours=2)])
async def test_setting_the_clock_ends_no_subscription_and_lengthens_none(jump):
    """A pull point died, or stayed for days, when SetSystemDateAndTime or the first NTP answer set the clock."""
    clocks = Clocks()
    async with camera(now=lambda: clocks.utc, mono_s=lambda: clocks.mono_s) as (_, client):
        address = await subscribe(client)
        clocks.pass_s(30)
        clocks.utc += jump
        reply = await client.ask(TEV, "PullMessages", to=address, Timeout="PT0S", MessageLimit=1)
        current, ends = (parse_utc(reply.findtext(q(TEV, name))) for name in ("CurrentTime", "TerminationTime"))
        assert current == clocks.utc
        assert ends - current == timedelta(seconds=60), "shown on the clock as it is set now"
        renewed = await client.ask(TEV, "Renew", to=address, TerminationTime="PT90S")
        assert parse_utc(renewed.findtext(q(WSNT, "TerminationTime"))) == clocks.utc + timedelta(seconds=90)
        clocks.pass_s(89)
        clocks.utc -= 2 * jump
        await client.ask(TEV, "PullMessages", to=address, Timeout="PT0S", MessageLimit=1)
        clocks.mono_s += 61  # and the wall stands still
        with pytest.raises(Fault) as ended:
            await client.ask(TEV, "PullMessages", to=address, Timeout="PT0S", MessageLimit=1)
        assert ended.value.subcodes[-1] == "ResourceUnknown"
