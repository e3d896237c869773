"""Events as ONVIF's device test specification (22.06) goes through them, by pull point and by notification alike."""

import asyncio
import contextlib
from datetime import timedelta

import pytest
from lxml import etree

from onvif import names
from onvif.errors import Fault
from onvif.metadata import parse_utc
from onvif.names import ITEM_FILTER, TEV, TNS1, TOPIC_CONCRETE_SET, WSNT, q
from onvif.notifications import read_notifications
from onvif.registry import load
from tests.notification_consumer import consumer
from tests.onvif_camera import running
from tests.onvif_schema import problems

MOTION, PROFILE, CONFIGURATION = (
    "tns1:VideoSource/MotionAlarm", "tns1:Media/ProfileChanged", "tns1:Media/ConfigurationChanged",
)  # fmt: skip
SOURCE = {"Source": "source"}


@pytest.fixture
async def camera(tmp_path):
    async with running(tmp_path) as started:
        yield started


class PullPoint:
    """A subscription that is asked."""

    def __init__(self, client, reply):
        self.client, self.reply = client, reply
        self.address = reply.findtext(f".//{q(names.WSA, 'Address')}")

    async def ask(self, operation, **values):
        found = load().operation(TEV, operation)
        carrier = self.client.carrier
        return await carrier.request(self.address, found.encode_request(values), action=found.action, wait_s=30)

    async def hear(self, seconds=20):
        reply = await self.ask("PullMessages", Timeout=f"PT{seconds}S", MessageLimit=100)
        assert problems(reply) == []
        return read_notifications(reply)


class Consumer(PullPoint):
    """A subscription that calls us."""

    def __init__(self, client, reply, heard):
        super().__init__(client, reply)
        self._heard = heard

    async def hear(self, seconds=20):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0.5)):
                body = etree.fromstring(await self._heard.get())
                notify = body.find(f"{q(names.ENV12, 'Body')}/*")
                assert problems(notify) == []
                return read_notifications(notify)
        return ()


@pytest.fixture(params=["pull", "notify"])
async def subscribe(request, camera):
    """A function that subscribes in one of the two ways."""
    client = camera.client()
    async with consumer() as (address, heard):

        async def make(topic=None, content=None, life="PT60S"):
            values = {"InitialTerminationTime": life} if life else {}
            if topic is not None or content is not None:
                values["Filter"] = {"_value_1": wanted(topic, content)}
            if request.param == "pull":
                return PullPoint(client, await client.raw(TEV, "CreatePullPointSubscription", **values))
            reply = await client.raw(TEV, "Subscribe", ConsumerReference={"Address": address}, **values)
            return Consumer(client, reply, heard)

        yield make


def wanted(topic, content):
    found = []
    if topic is not None:
        found.append(etree.Element(q(WSNT, "TopicExpression"), nsmap={"tns1": TNS1}, Dialect=TOPIC_CONCRETE_SET))
        found[-1].text = topic
    if content is not None:
        found.append(etree.Element(q(WSNT, "MessageContent"), nsmap={"tt": names.TT}, Dialect=ITEM_FILTER))
        found[-1].text = content
    return found


def say(camera):
    """One event of three topics, the state of one of which is new."""
    camera.camera.bus.publish(PROFILE, {"Token": "main"})
    camera.camera.bus.publish(CONFIGURATION, {"Token": "source", "Type": "VideoSource"})
    now = any(event.topic == MOTION and dict(event.data)["State"] == "true" for event in camera.camera.bus.states())
    camera.camera.bus.publish(MOTION, SOURCE, {"State": not now})


async def topics_of(subscription, count):
    """The topics of the next messages, in as many deliveries as they come."""
    found = []
    while len(found) < count:
        more = await subscription.hear()
        assert more, f"only {found}"
        found += [message.topic for message in more]
    return found


@pytest.mark.case("EVENT-2-1-9", "EVENT-2-1-17", "EVENT-3-1-9", "EVENT-3-1-15")
async def test_a_subscription_tells_its_times_and_then_the_events(camera, subscribe):
    subscription = await subscribe()
    assert problems(subscription.reply) == []
    now, ends = (parse_utc(subscription.reply.findtext(q(WSNT, name))) for name in ("CurrentTime", "TerminationTime"))
    assert timedelta(seconds=58) <= ends - now <= timedelta(seconds=62)
    camera.camera.bus.publish(MOTION, SOURCE, {"State": True})
    assert MOTION in await topics_of(subscription, 1) + [message.topic for message in await subscription.hear(1)]


@pytest.mark.case("EVENT-2-1-12", "EVENT-3-1-12")
async def test_renew_moves_the_end(camera, subscribe):
    subscription = await subscribe(life="PT30S")
    reply = await subscription.ask("Renew", TerminationTime="PT120S")
    assert problems(reply) == []
    now, ends = (parse_utc(reply.findtext(q(WSNT, name))) for name in ("CurrentTime", "TerminationTime"))
    assert timedelta(seconds=118) <= ends - now <= timedelta(seconds=122)


@pytest.mark.case("EVENT-2-1-18", "EVENT-3-1-16")
async def test_a_topic_filter(camera, subscribe):
    subscription = await subscribe(PROFILE)
    say(camera)
    assert await topics_of(subscription, 1) == [PROFILE]
    assert await subscription.hear(0) == ()


@pytest.mark.case("EVENT-2-1-25", "EVENT-3-1-33")
async def test_topics_joined_by_or(camera, subscribe):
    subscription = await subscribe(f"{PROFILE}|{CONFIGURATION}")
    say(camera)
    assert await topics_of(subscription, 2) == [PROFILE, CONFIGURATION]
    assert await subscription.hear(0) == ()


@pytest.mark.case("EVENT-2-1-26", "EVENT-3-1-34")
async def test_a_subtree_of_topics(camera, subscribe):
    subscription = await subscribe("tns1:Media//.")
    say(camera)
    assert await topics_of(subscription, 2) == [PROFILE, CONFIGURATION]


@pytest.mark.case("EVENT-2-1-27", "EVENT-3-1-35")
async def test_a_subtree_and_or(camera, subscribe):
    subscription = await subscribe(f"tns1:Media//.|{MOTION}")
    say(camera)
    assert await topics_of(subscription, 3) == [PROFILE, CONFIGURATION, MOTION]


@pytest.mark.case("EVENT-2-1-29", "EVENT-3-1-38")
async def test_a_message_content_filter(camera, subscribe):
    subscription = await subscribe(content='boolean(//tt:SimpleItem[@Name="Type" and @Value="VideoSource"])')
    say(camera)
    assert await topics_of(subscription, 1) == [CONFIGURATION]
    assert await subscription.hear(0) == ()


@pytest.mark.case("EVENT-2-1-19", "EVENT-3-1-17")
async def test_an_invalid_message_content_filter_is_refused(subscribe):
    with pytest.raises(Fault) as refused:
        await subscribe(content="//tt:SimpleItem[@Name=")
    assert refused.value.subcodes[-1] == "InvalidMessageContentExpression"


@pytest.mark.case("EVENT-2-1-23", "EVENT-3-1-22")
async def test_an_invalid_topic_expression_is_refused(subscribe):
    for topic, fault in (("tns1:Media/", "InvalidTopicExpression"), ("tns1:Nothing/Such", "TopicNotSupported")):
        with pytest.raises(Fault) as refused:
            await subscribe(topic)
        assert refused.value.subcodes[-1] == fault


@pytest.mark.case("EVENT-2-1-21", "EVENT-2-1-22", "EVENT-2-1-28", "EVENT-3-1-19", "EVENT-3-1-36")
async def test_what_was_unsubscribed_is_unknown(subscribe):
    subscription = await subscribe()
    assert problems(await subscription.ask("Unsubscribe")) == []
    for operation, values in (("Unsubscribe", {}), ("Renew", {"TerminationTime": "PT60S"})):
        with pytest.raises(Fault) as refused:
            await subscription.ask(operation, **values)
        assert refused.value.subcodes[-1] == "ResourceUnknown"


@pytest.mark.case("EVENT-2-1-24", "EVENT-3-1-25")
async def test_a_synchronisation_point_repeats_the_states(camera, subscribe):
    camera.camera.bus.publish(MOTION, SOURCE, {"State": True})
    subscription = await subscribe(MOTION)
    assert await topics_of(subscription, 1) == [MOTION]
    await subscription.ask("SetSynchronizationPoint")
    (again,) = await subscription.hear()
    assert (again.topic, again.operation, again.state("State")) == (MOTION, "Initialized", True)


@pytest.fixture
async def pull_point(camera):
    client = camera.client()

    async def make(**values):
        return PullPoint(client, await client.raw(TEV, "CreatePullPointSubscription", **values))

    return make


@pytest.mark.case("EVENT-3-1-20")
async def test_a_pull_point_that_is_not_pulled_ends(pull_point):
    point = await pull_point(InitialTerminationTime="PT1S")

    async def until_it_ends():
        while True:
            await point.ask("SetSynchronizationPoint")
            await asyncio.sleep(0.2)

    with pytest.raises(Fault) as gone:
        await asyncio.wait_for(until_it_ends(), 60)
    assert gone.value.subcodes[-1] == "ResourceUnknown"


@pytest.mark.case("EVENT-3-1-24")
async def test_pulling_keeps_a_pull_point_alive(pull_point):
    point = await pull_point(InitialTerminationTime="PT2S")
    reply = await point.ask("PullMessages", Timeout="PT0S", MessageLimit=1)
    now, ends = (parse_utc(reply.findtext(q(TEV, name))) for name in ("CurrentTime", "TerminationTime"))
    assert ends - now >= timedelta(seconds=30)


@pytest.mark.case("EVENT-3-1-32")
async def test_a_pull_returns_when_its_time_is_over(pull_point):
    point = await pull_point(Filter={"_value_1": wanted(PROFILE, None)})
    began = asyncio.get_running_loop().time()
    assert await point.hear(2) == ()
    assert 1.9 <= asyncio.get_running_loop().time() - began < 30


@pytest.mark.case("EVENT-3-1-37")
async def test_as_many_pull_points_as_the_capabilities_say(camera, pull_point):
    most = (await camera.client()(TEV, "GetServiceCapabilities")).Capabilities.MaxPullPoints
    assert most >= 2
    points = [await pull_point(Filter={"_value_1": wanted(PROFILE, None)}) for _ in range(most)]
    say(camera)
    for point in points:
        assert await topics_of(point, 1) == [PROFILE]
    with pytest.raises(Fault):
        await pull_point()


@pytest.mark.case("EVENT-1-1-2", "EVENT-5-1-1")
async def test_event_properties_and_capabilities(camera):
    client = camera.client()
    properties = await client.raw(TEV, "GetEventProperties")
    assert problems(properties) == []
    dialects = [found.text for found in properties.iter(q(WSNT, "TopicExpressionDialect"))]
    assert set(dialects) == {TOPIC_CONCRETE_SET, names.TOPIC_CONCRETE}
    assert properties.findtext(q(TEV, "MessageContentFilterDialect")) == ITEM_FILTER
    assert problems(await client.raw(TEV, "GetServiceCapabilities")) == []


@pytest.mark.case("EVENT-5-1-2")
async def test_capabilities_agree_with_get_services(camera):
    client = camera.client()
    listed = await client(names.TDS, "GetServices", IncludeCapability=True)
    shown = next(service for service in listed.Service if service.Namespace == TEV)
    assert str(shown.Capabilities._value_1) == str((await client(TEV, "GetServiceCapabilities")).Capabilities)


_BODY = (
    "<{p}CreatePullPointSubscription{d}><{p}InitialTerminationTime{e}>PT20S</{p}InitialTerminationTime>"
    "</{p}CreatePullPointSubscription>"
)
SPELLINGS = [
    pytest.param(_BODY.format(p="", d=f' xmlns="{TEV}"', e=f' xmlns="{TEV}"'), marks=pytest.mark.case("EVENT-4-1-6")),
    pytest.param(_BODY.format(p="", d=f' xmlns="{TEV}"', e=""), marks=pytest.mark.case("EVENT-4-1-7")),
    pytest.param(_BODY.format(p="zz:", d=f' xmlns:zz="{TEV}"', e=""), marks=pytest.mark.case("EVENT-4-1-8")),
    pytest.param(
        f'<a:CreatePullPointSubscription xmlns:a="{TEV}" xmlns:b="{TEV}"><b:InitialTerminationTime>PT20S'
        "</b:InitialTerminationTime></a:CreatePullPointSubscription>",
        marks=pytest.mark.case("EVENT-4-1-9"),
    ),
    pytest.param(
        f'<x:CreatePullPointSubscription xmlns:x="{TEV}"><x:Filter><x:TopicExpression xmlns:x="{WSNT}" '
        f'xmlns:tns1="{TNS1}" Dialect="{TOPIC_CONCRETE_SET}">{MOTION}</x:TopicExpression></x:Filter>'
        "</x:CreatePullPointSubscription>",
        marks=pytest.mark.case("EVENT-4-1-10"),
    ),
]


@pytest.mark.parametrize("body", SPELLINGS)
async def test_any_spelling_of_namespaces(camera, body):
    element = etree.fromstring(body)
    client = camera.client()
    reply = await client.carrier.request(f"{camera.base}/onvif/events", element)
    assert problems(reply) == []


@pytest.mark.case("IMAGING-4-1-1", "IMAGING-4-1-2", "IMAGING-4-1-3", "IMAGING-4-1-4", "IMAGING-4-1-5")
async def test_tampering_and_motion_are_described_and_told(camera, pull_point):
    properties = await camera.client().raw(TEV, "GetEventProperties")
    camera.camera.bus.publish(MOTION, SOURCE, {"State": False})
    for topic in (
        "VideoSource/ImageTooBlurry/ImagingService", "VideoSource/ImageTooDark/ImagingService",
        "VideoSource/ImageTooBright/ImagingService", "VideoSource/GlobalSceneChange/ImagingService",
        "VideoSource/MotionAlarm",
    ):  # fmt: skip
        node = properties.find(f".//{q(TNS1, 'VideoSource')}/{topic.partition('/')[2]}")
        items = {item.get("Name"): item.get("Type") for item in node.iter(q(names.TT, "SimpleItemDescription"))}
        assert items == {"Source": "tt:ReferenceToken", "State": "xs:boolean"}
        point = await pull_point(Filter={"_value_1": wanted(f"tns1:{topic}", None)})
        (first,) = await point.hear()
        assert (first.operation, first.state("State"), first.source) == ("Initialized", False, SOURCE)
        await point.ask("Unsubscribe")
