"""Topics, the bus, filters and subscriptions: everything about events that needs no socket."""

import contextlib
import itertools
import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from onvif.errors import Fault, NotOnvif
from onvif.events import Bus, PropertyOperation, topics
from onvif.events.filters import Filter, compile_filter
from onvif.events.subscriptions import LONGEST_LIFE, Subscriptions, duration, termination
from onvif.names import ITEM_FILTER, TNS1, TOPIC_CONCRETE, TOPIC_CONCRETE_SET, TT, WSNT, WSTOP, q

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
MOTION = topics.MOTION_ALARM.path
PATHS = tuple(topic.path for topic in topics.CAMERA)


@pytest.fixture
def bus():
    return Bus(topics.CAMERA, now=lambda: NOW)


def heard(bus):
    events = []
    bus.listen(events.append)
    return events


def test_a_property_is_told_once_per_change(bus):
    events = heard(bus)
    for state in (False, False, True, True, False):
        bus.publish(MOTION, {"Source": "source"}, {"State": state})
    assert [(event.operation, dict(event.data)["State"]) for event in events] == [
        (PropertyOperation.INITIALIZED, "false"),
        (PropertyOperation.CHANGED, "true"),
        (PropertyOperation.CHANGED, "false"),
    ]


def test_each_source_has_a_state_of_its_own(bus):
    events = heard(bus)
    bus.publish(MOTION, {"Source": "a"}, {"State": True})
    bus.publish(MOTION, {"Source": "b"}, {"State": True})
    assert [event.operation for event in events] == [PropertyOperation.INITIALIZED] * 2
    assert len(bus.states()) == 2


def test_a_bare_event_is_told_every_time_and_keeps_no_state(bus):
    events = heard(bus)
    for _ in range(2):
        bus.publish("tns1:Media/ProfileChanged", {"Token": "main"})
    assert [event.operation for event in events] == [None, None]
    assert bus.states() == ()


def test_a_retired_property_is_deleted_and_then_starts_anew(bus):
    events = heard(bus)
    bus.publish(MOTION, {"Source": "a"}, {"State": True})
    bus.retire(MOTION, {"Source": "a"})
    bus.retire(MOTION, {"Source": "never"})
    bus.publish(MOTION, {"Source": "a"}, {"State": True})
    assert [event.operation.value for event in events] == ["Initialized", "Deleted", "Initialized"]


def test_an_unknown_topic_is_a_bug(bus):
    with pytest.raises(KeyError):
        bus.publish("tns1:VideoSource/MotionAlram")


def test_a_listener_misses_nothing_while_it_joins(bus):
    stop = threading.Event()

    def publish():
        state = False
        while not stop.is_set():
            state = not state
            bus.publish(MOTION, {"Source": "source"}, {"State": state})

    thread = threading.Thread(target=publish)
    thread.start()
    seen = []
    try:
        bus.listen(seen.append, first=seen.append)
        deadline = threading.Event()
        while len(seen) < 50:
            deadline.wait(0.001)
    finally:
        stop.set()
        thread.join()
    values = [dict(event.data)["State"] for event in seen]
    assert all(one != two for one, two in itertools.pairwise(values))


def test_the_message_carries_topic_time_operation_and_items(bus):
    message = bus.publish(MOTION, {"Source": "source"}, {"State": True}).xml()
    assert message.findtext(q(WSNT, "Topic")) == MOTION
    inner = message.find(f"{q(WSNT, 'Message')}/{q(TT, 'Message')}")
    assert inner.get("UtcTime") == "2026-05-04T12:00:00.000Z"
    assert inner.get("PropertyOperation") == "Initialized"
    assert inner.find(f"{q(TT, 'Data')}/{q(TT, 'SimpleItem')}").attrib == {"Name": "State", "Value": "true"}


def test_the_topic_set_prefixes_only_its_roots():
    root = topics.topic_set(topics.CAMERA + topics.RECORDER)
    assert all(child.tag.startswith(f"{{{TNS1}}}") for child in root)
    assert len({child.tag for child in root}) == len(root)
    motion = root.find(f"{q(TNS1, 'VideoSource')}/MotionAlarm")
    assert motion.get(q(WSTOP, "topic")) == "true"
    assert motion.find(q(TT, "MessageDescription")).get("IsProperty") == "true"


def filter_element(topic=None, content=None, *, dialect=TOPIC_CONCRETE_SET, content_dialect=ITEM_FILTER):
    wrapper = etree.Element(q(WSNT, "Filter"), nsmap={"wsnt": WSNT, "x": TNS1, "tt": TT})
    if topic is not None:
        etree.SubElement(wrapper, q(WSNT, "TopicExpression"), Dialect=dialect).text = topic
    if content is not None:
        etree.SubElement(wrapper, q(WSNT, "MessageContent"), Dialect=content_dialect).text = content
    return wrapper


@pytest.mark.parametrize(
    ("expression", "hits"),
    [
        ("tns1:VideoSource/MotionAlarm", {MOTION}),
        ("x:VideoSource/MotionAlarm", {MOTION}),
        (" tns1:VideoSource/MotionAlarm | tns1:Media/ProfileChanged ", {MOTION, "tns1:Media/ProfileChanged"}),
        ("tns1:VideoSource//.", {path for path in PATHS if path.startswith("tns1:VideoSource/")}),
        ("tns1:Media//.|tns1:RuleEngine//.", {path for path in PATHS if path[5:].startswith(("Media", "RuleEngine"))}),
        ("", set(PATHS)),
    ],
)
def test_topic_filters(bus, expression, hits):
    wanted = compile_filter(filter_element(expression), PATHS)
    events = heard(bus)
    for path in PATHS:
        bus.publish(path, {"Source": "s"}, {"State": True})
    assert {event.topic for event in events if wanted(event)} == hits


@pytest.mark.parametrize(
    ("element", "fault"),
    [
        (filter_element("tns1:VideoSource/Nothing"), "TopicNotSupported"),
        (filter_element("tns1:VideoSource"), "TopicNotSupported"),
        (filter_element("tns9:VideoSource/MotionAlarm"), "InvalidTopicExpression"),
        (filter_element("tns1:VideoSource[1]"), "InvalidTopicExpression"),
        (filter_element(MOTION, dialect="http://example.org/other"), "TopicExpressionDialectUnknown"),
        (filter_element(content="//tt:SimpleItem"), "InvalidMessageContentExpression"),
        (filter_element(content="boolean(//tt:SimpleItem[@Name='a'])", content_dialect="xpath"),
         "InvalidMessageContentExpression"),
        (filter_element(content="not(" * 99 + "boolean(//tt:SimpleItem[@Name='a'])" + ")" * 99),
         "InvalidMessageContentExpression"),
        (filter_element("x" * 9000), "InvalidFilter"),
    ],
)  # fmt: skip
def test_refused_filters_name_their_fault(element, fault):
    with pytest.raises(Fault) as refused:
        compile_filter(element, PATHS)
    assert refused.value.subcodes[-1] == fault
    assert refused.value.detail.tag == q(WSNT, f"{fault}Fault")


def test_an_unknown_filter_element_is_refused():
    wrapper = etree.Element(q(WSNT, "Filter"))
    etree.SubElement(wrapper, "{urn:x}Colour").text = "red"
    with pytest.raises(Fault) as refused:
        compile_filter(wrapper, PATHS)
    assert refused.value.subcodes[-1] == "InvalidFilter"


@pytest.mark.parametrize(
    ("expression", "passes"),
    [
        ('boolean(//tt:SimpleItem[@Name="Source" and @Value="source"])', True),
        ('boolean(//SimpleItem[@Name="Source" and @Value="source"])', True),
        ("boolean(//tt:SimpleItem[@Name='Source' and @Value='other'])", False),
        ('not(boolean(//tt:SimpleItem[@Name="Rule"]))', True),
        ('boolean(//tt:SimpleItem[@Name="Rule"]) or boolean(//tt:SimpleItem[@Name="State"])', True),
        (('boolean(//tt:SimpleItem[@Name="a"]) and boolean(//tt:SimpleItem[@Name="b"]) '
         'or boolean(//tt:SimpleItem[@Name="State"])'), True),
        (('(boolean(//tt:SimpleItem[@Name="a"]) or boolean(//tt:SimpleItem[@Name="State"])) '
         'and boolean(//tt:SimpleItem[@Name="b"])'), False),
        ('boolean(//tt:SimpleItem[(@Name="x" or @Name="State") and not(@Value="false")])', True),
        ('boolean(//tt:ElementItem[@Name="State"])', False),
    ],
)  # fmt: skip
def test_content_filters(bus, expression, passes):
    event = bus.publish(MOTION, {"Source": "source"}, {"State": True})
    assert compile_filter(filter_element(content=expression), PATHS)(event) is passes


@settings(max_examples=400)
@given(st.text(alphabet="boleantSimItm()[]@NamVu=\"'/:.|orndx ", max_size=60))
def test_any_filter_text_compiles_or_is_refused_by_name(text):
    for element in (filter_element(text), filter_element(content=text)):
        with contextlib.suppress(Fault):
            assert isinstance(compile_filter(element, PATHS), Filter)


def test_concrete_dialect_is_spoken():
    compile_filter(filter_element(MOTION, dialect=TOPIC_CONCRETE), PATHS)


def test_termination_times():
    assert termination(None, NOW) == timedelta(minutes=1)
    assert termination("PT10S", NOW) == timedelta(seconds=10)
    assert termination("2026-05-04T12:00:30Z", NOW) == timedelta(seconds=30)
    assert termination("P99Y", NOW) == LONGEST_LIFE


@pytest.mark.parametrize("text", ["PT0S", "-PT5S", "2020-01-01T00:00:00Z", "tomorrow", "P", "PT"])
@pytest.mark.parametrize("renewing", [False, True])
def test_termination_times_that_cannot_be(text, renewing):
    with pytest.raises(Fault) as refused:
        termination(text, NOW, renewing=renewing)
    assert refused.value.subcodes[-1] == ("UnacceptableTerminationTime" if renewing else
                                          "UnacceptableInitialTerminationTime")  # fmt: skip


@given(st.text(alphabet="PYMDTHS0123456789.-+:Z", max_size=20))
def test_any_text_is_a_duration_or_refused(text):
    with contextlib.suppress(NotOnvif):
        assert isinstance(duration(text), timedelta)


def test_subscriptions_end_in_time_and_are_limited(bus):
    kept = Subscriptions(limit=2)
    first = kept.create(Filter(), 10.0)
    second = kept.create(Filter(), 60.0)
    with pytest.raises(Fault) as refused:
        kept.create(Filter(), 60.0)
    assert refused.value.subcodes[-1] == "SubscribeCreationFailed"
    later = 10.0
    with pytest.raises(Fault) as gone:
        kept.get(first.token, later)
    assert gone.value.subcodes[-1] == "ResourceUnknown"
    assert kept.expire(later) == [first]
    assert kept.get(second.token, later) is second
    kept.create(Filter(), 60.0)


def test_a_pull_keeps_its_subscription_alive():
    kept = Subscriptions()
    point = kept.create(Filter(), 10.0)
    kept.pulled(point, timedelta(minutes=5), 0.0)
    assert kept.get(point.token, 240.0) is point


def test_a_client_that_never_comes_loses_the_oldest(bus):
    kept = Subscriptions()
    point = kept.create(Filter(), 86400.0)
    for number in range(3000):
        kept.offer(bus.publish("tns1:Media/ProfileChanged", {"Token": str(number)}))
    assert point.dropped == 3000 - 2048
    assert dict(point.next_events(1)[0].source)["Token"] == "952"
    assert len(point.next_events(5000)) == 2047
