"""Rule types: what every one of them owes the services and the store, and when a line is crossed."""

import math
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from firmware.analytics import Engine
from firmware.analytics.parameters import polyline
from firmware.analytics.rules import RULE_TYPES, type_of
from firmware.analytics.rules.base import TrackedObject, TrackedPicture
from firmware.analytics.rules.line_detector import LINE_DETECTOR, LineDetectorRule
from firmware.camera_topics import CAMERA_TOPICS
from firmware.services.analytics import PATH, AnalyticsService, analytics_service
from firmware.stream.event_track import EventTrack
from firmware.stream.pipeline import Masked
from firmware.stream.publish import MotionAlarm, Publisher
from firmware.vision.frame_detections import FrameDetections, TrackBox
from models.detections import Detections
from onvif.errors import Fault
from onvif.events import Bus
from onvif.metadata import MetadataBox
from onvif.names import TAN, TEV, TNS1, TR2, TT, q
from tests.onvif_camera import HEIGHT, WIDTH, no_mask, running
from tests.onvif_device import device
from tests.onvif_schema import problems
from tests.test_dtt_events import PullPoint, wanted
from wire.features.vocabulary import ObjectClass

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
CONFIGURATION = {"ConfigurationToken": "analytics"}
CROSSED = "tns1:RuleEngine/LineDetector/Crossed"
RATE_FPS = 10
BODY = 0.4
"""Height of the walkers below, normalised."""


def config(name, type_, **items):
    """A tt:Config; texts become simple items, elements element items."""
    simple = [{"Name": key, "Value": value} for key, value in items.items() if isinstance(value, str)]
    elements = [{"Name": key, "_value_1": value} for key, value in items.items() if not isinstance(value, str)]
    parameters = {"SimpleItem": simple, **({"ElementItem": elements} if elements else {})}
    return {"Name": name, "Type": etree.QName(type_), "Parameters": parameters}


def line(*points):
    element = etree.Element(q(TT, "Polyline"), nsmap={"tt": TT})
    for x, y in points:
        etree.SubElement(element, q(TT, "Point"), x=str(x), y=str(y))
    return element


def walker(foot, id_=1, *, type_="Human", likelihood=0.9, sighted=True, height=BODY):
    x, y = foot
    return TrackedObject(id_, type_, likelihood, MetadataBox(x - 0.05, y + height, x + 0.05, y), sighted)


def pictures(*walks, rate_fps=RATE_FPS, start=NOON):
    """One picture for each step of all walks; a step is None where its walker is not there."""
    for number in range(max(len(walk) for walk in walks)):
        seen = tuple(walk[number] for walk in walks if number < len(walk) and walk[number] is not None)
        yield TrackedPicture(start + timedelta(seconds=number / rate_fps), seen, 480, 480)


def walk(*corners, steps=10, **looks):
    """Along straight ways between corners."""
    found = []
    for (x0, y0), (x1, y1) in pairwise(corners):
        found += [
            walker((x0 + (x1 - x0) * step / steps, y0 + (y1 - y0) * step / steps), **looks) for step in range(steps + 1)
        ]
    return found


def crossings(rule, *walks, **how):
    judge = LINE_DETECTOR.judge(rule)
    return [dict(finding) for picture in pictures(*walks, **how) for finding in judge.judge(picture)]


UPRIGHT = LineDetectorRule(name="gate", segments=((0.0, 0.5), (0.0, -0.5)))
RIGHTWARD, LEFTWARD = walk((-0.4, 0.0), (0.4, 0.0)), walk((0.4, 0.0), (-0.4, 0.0))


@pytest.mark.parametrize("type_", RULE_TYPES, ids=lambda type_: type_.type_.rpartition("}")[2])
async def test_every_rule_type_is_described_created_stored_and_shown(type_, tmp_path):
    bus = Bus(CAMERA_TOPICS)
    engine = Engine(tmp_path, bus)
    async with device(analytics_service(AnalyticsService(engine))) as asker:
        client = asker()
        described = await client.ask(TAN, "GetSupportedRules", to=PATH, **CONFIGURATION)
        assert problems(described) == []
        local = type_.type_.rpartition("}")[2]
        (one,) = [item for item in described.iter(q(TT, "RuleDescription")) if item.get("Name") == f"tt:{local}"]
        parameters = [item.get("Name") for item in one.find(q(TT, "Parameters"))]
        assert parameters == [parameter.name for parameter in type_.parameters]
        assert one.findtext(f"{q(TT, 'Messages')}/{q(TT, 'ParentTopic')}") == type_.topic.path
        offered = await client.ask(TAN, "GetRuleOptions", to=PATH, **CONFIGURATION, RuleType=etree.QName(type_.type_))
        assert problems(offered) == []
        assert [option.get("Name") for option in offered] == parameters
        assert {option.get("RuleType") for option in offered} == {f"tt:{local}"}
        await client.ask(TAN, "CreateRules", to=PATH, **CONFIGURATION, Rule=[config("new", type_.type_)])
        listed = await client.ask(TAN, "GetRules", to=PATH, **CONFIGURATION)
        assert problems(listed) == []
        (shown,) = [rule for rule in listed if rule.get("Name") == "new"]
        assert sorted(item.get("Name") for item in shown.find(q(TT, "Parameters"))) == sorted(parameters)
    rule = engine.settings.value.rules[-1]
    assert type_of(rule) is type_
    assert type_.read("new", type_.written(rule), None) == rule
    assert Engine(tmp_path, bus).settings.value == engine.settings.value


async def test_parameters_that_are_not_given_stay(tmp_path):
    engine = Engine(tmp_path, Bus(CAMERA_TOPICS))
    async with device(analytics_service(AnalyticsService(engine))) as asker:

        async def ask(operation, **items):
            rule = config("gate", q(TT, "LineDetector"), **items)
            await asker().ask(TAN, operation, to=PATH, **CONFIGURATION, Rule=[rule])
            return engine.settings.value.rules[-1]

        made = await ask("CreateRules", Direction="Left", Segments=line((-0.25, 1), (0.125, -1)))
        assert (made.direction, made.segments) == ("Left", ((-0.25, 1.0), (0.125, -1.0)))
        changed = await ask("ModifyRules", ClassFilter="Vehicle")
        assert (changed.direction, changed.segments, changed.classes) == ("Left", made.segments, ("Vehicle",))


@pytest.mark.parametrize(
    ("items", "fault", "reason"),
    [
        ({"Segments": "0 0 1 1"}, "InvalidRule", "SimpleItem Segments"),
        ({"Direction": line((0, 0), (1, 1))}, "InvalidRule", "ElementItem Direction"),
        ({"Segments": line((0, 0))}, "InvalidRule", "Segments: want 2 to 16 points"),
        ({"Segments": line(*[(0, 0)] * 17)}, "InvalidRule", "Segments: want 2 to 16 points"),
        ({"Segments": line((0, 0), (1.5, 0))}, "InvalidRule", "Segments: coordinates"),
        ({"Segments": line((0, 0), ("NaN", 0))}, "InvalidRule", "Segments: want a number"),
        ({"Segments": etree.Element(q(TT, "Polygon"))}, "InvalidRule", "Segments: want a tt:Polyline"),
        ({"Direction": "Entering"}, "InvalidRule", "Direction: want one of"),
        ({"ConfidenceLevel": "1_0"}, "InvalidRule", "ConfidenceLevel: want a number"),
    ],
)
async def test_a_line_that_cannot_be_is_refused_by_name(tmp_path, items, fault, reason):
    engine = Engine(tmp_path, Bus(CAMERA_TOPICS))
    before = engine.settings.value
    async with device(analytics_service(AnalyticsService(engine))) as asker:
        with pytest.raises(Fault) as refused:
            await asker().ask(
                TAN, "CreateRules", to=PATH, **CONFIGURATION, Rule=[config("gate", q(TT, "LineDetector"), **items)]
            )
    assert refused.value.subcodes[-1] == fault
    assert reason.replace(" ", "") in refused.value.reason.replace("'", "").replace(" ", "")
    assert engine.settings.value == before


def test_a_rule_that_is_deleted_while_it_judges_leaves_no_state(tmp_path):
    bus = Bus(CAMERA_TOPICS)
    engine = Engine(tmp_path, bus)
    first = engine.settings.value.rules[0]
    engine.settings.change(rules=(first, replace(first, name="second")))
    deleting = threading.Thread(target=lambda: engine.settings.change(rules=()))

    class Objects(tuple):
        """Deletes both rules while the second goes through the objects."""

        __slots__ = ()

        def __iter__(self):
            if bus.states() and not deleting.ident:
                deleting.start()
                # Long enough for a deletion that waits for nothing; ours waits for the picture.
                deleting.join(0.5)
            return super().__iter__()

    engine.judge(TrackedPicture(NOON, Objects([walker((0.0, 0.0))]), 480, 480))
    deleting.join()
    assert bus.states() == ()


async def test_a_rule_keeps_its_type(tmp_path):
    engine = Engine(tmp_path, Bus(CAMERA_TOPICS))
    async with device(analytics_service(AnalyticsService(engine))) as asker:
        rule = config(engine.settings.value.rules[0].name, q(TT, "LineDetector"))
        with pytest.raises(Fault) as refused:
            await asker().ask(TAN, "ModifyRules", to=PATH, **CONFIGURATION, Rule=[rule])
    assert refused.value.subcodes[-1] == "TypeChangeProhibited"


def test_settings_of_the_version_with_one_type_of_rule_are_read(tmp_path):
    (tmp_path / "analytics.json").write_text(
        '{"modules": [], "rules": [{"name": "Cars", "classes": ["Vehicle"], "likelihood": 0.5}]}'
    )
    (rule,) = Engine(tmp_path, Bus(CAMERA_TOPICS)).settings.value.rules
    assert (rule.kind, rule.name, rule.classes, rule.likelihood) == ("ObjectDetection", "Cars", ("Vehicle",), 0.5)


@pytest.mark.parametrize(
    ("direction", "steps", "found"),
    [
        ("Any", RIGHTWARD, 1), ("Any", LEFTWARD, 1),
        # Drawn from the top down, its left hand points to the picture's right.
        ("Left", RIGHTWARD, 1), ("Right", RIGHTWARD, 0), ("Left", LEFTWARD, 0), ("Right", LEFTWARD, 1),
        ("Any", RIGHTWARD + LEFTWARD, 2), ("Left", RIGHTWARD + LEFTWARD, 1),
    ],
)  # fmt: skip
def test_a_line_is_crossed_in_its_direction(direction, steps, found):
    rule = LineDetectorRule(name="gate", segments=UPRIGHT.segments, direction=direction)
    assert crossings(rule, steps) == [{"ObjectId": 1, "ClassTypes": "Human"}] * found


def test_left_is_up_on_a_line_from_left_to_right():
    rule = LineDetectorRule(name="gate", segments=((-0.5, 0.0), (0.5, 0.0)), direction="Left")
    assert len(crossings(rule, walk((0.0, -0.4), (0.0, 0.4)))) == 1
    assert crossings(rule, walk((0.0, 0.4), (0.0, -0.4))) == []


@pytest.mark.parametrize(
    ("why", "walks"),
    [
        ("past the end of the line", [walk((-0.4, 0.7), (0.4, 0.7))]),
        ("along the line", [walk((-0.1, 0.5), (-0.1, -0.5))]),
        ("wavering on the line", [[walker((0.02 * (-1) ** number, 0.0)) for number in range(40)]]),
        ("one picture on the other side", [[walker((x, 0.0)) for x in (-0.1, -0.1, 0.1, -0.1, -0.1, -0.1)]]),
        ("a box that jumps", [[walker((-0.4, 0.0))] * 10 + [walker((0.4, 0.0))] * 10]),
        ("a body of which the lower half appears", [[walker((-0.1, 0.0), height=0.2)] * 10
                                                    + [walker((0.1, -0.2))] * 10]),
        ("predictions", [[walker((x / 10, 0.0), sighted=x < 0) for x in range(-4, 5)]]),
        ("two who stand, one on either side, the first of whom goes", [
            [walker((-0.3, 0.0), 1)] * 10, [None] * 5 + [walker((0.3, 0.0), 2)] * 10]),
        ("another class", [walk((-0.4, 0.0), (0.4, 0.0), type_="Bicycle")]),
        ("too unlikely", [walk((-0.4, 0.0), (0.4, 0.0), likelihood=0.4)]),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_no_crossing(why, walks):
    rule = LineDetectorRule(name="gate", segments=UPRIGHT.segments, classes=("Human", "Vehicle"), likelihood=0.5)
    assert crossings(rule, *walks) == [], why


def test_a_moved_camera_breaks_every_path():
    judge = LINE_DETECTOR.judge(UPRIGHT)
    found = []
    for number, seen in enumerate(pictures(walk((-0.2, 0.0), (0.2, 0.0)))):
        moved = TrackedPicture(seen.utc, seen.objects, seen.width, seen.height, moved=number == 5)
        found += judge.judge(moved)
    assert found == []


def test_each_crosses_for_themselves():
    found = crossings(
        UPRIGHT, walk((-0.4, 0.2), (0.4, 0.2), id_=1), walk((0.4, -0.2), (-0.4, -0.2), id_=2, type_="Vehicle")
    )
    assert sorted((one["ObjectId"], one["ClassTypes"]) for one in found) == [(1, "Human"), (2, "Vehicle")]


def test_a_likelihood_that_falls_at_the_line_is_still_that_person():
    rule = LineDetectorRule(name="gate", segments=UPRIGHT.segments, likelihood=0.5)
    steps = walk((-0.4, 0.0), (-0.1, 0.0), likelihood=0.8) + walk((-0.1, 0.0), (0.4, 0.0), likelihood=0.3)
    assert len(crossings(rule, steps)) == 1


@given(
    corner=st.floats(-0.3, 0.3),
    way=st.floats(-0.25, 0.25),
    slope=st.floats(-0.2, 0.2),
    steps=st.integers(8, 40),
)
def test_a_bent_line_is_crossed_once_wherever(corner, way, slope, steps):
    """Its corner included: the line bends by little, so that one passage is one crossing."""
    rule = LineDetectorRule(name="gate", segments=((0.0, 0.9), (corner / 4, 0.0), (0.0, -0.9)))
    assert len(crossings(rule, walk((-0.4, way - slope), (0.4, way + slope), steps=steps))) == 1


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=2, max_size=16))
def test_any_polyline_is_accepted_kept_and_judged(points):
    rule = LineDetectorRule(name="any", segments=tuple(points))
    written = LINE_DETECTOR.written(rule)
    assert polyline(written["Segments"], "Segments") == rule.segments
    crossings(rule, RIGHTWARD)
    assert all(math.isfinite(float(point.get("x"))) for point in written["Segments"])


def publish(camera, steps):
    """What a camera's encode thread does with masked pictures in which a person is seen to walk so."""
    parts = camera.camera
    publisher = Publisher(
        live=parts.live, paths=camera.paths, bus=parts.bus, engine=parts.engine, alarm=MotionAlarm(),
        best_shots=lambda _picture, _pts_90k: None, colours=lambda _track: (),
        events=EventTrack(parts.bus, parts.settings.media, camera.paths), describes=lambda: False,
    )  # fmt: skip
    black = np.zeros((HEIGHT * 3 // 2, WIDTH), np.uint8)
    for number, step in enumerate(steps):
        edges = np.array(step.box.to_pixels(WIDTH, HEIGHT), np.float32)
        # The young track is none yet, however it walks.
        track = TrackBox(step.id, ObjectClass.PERSON, edges, step.likelihood, seen=True, age_s=number / RATE_FPS)
        young = TrackBox(99, ObjectClass.PERSON, edges, step.likelihood, seen=True, age_s=0.1)
        pts_90k, utc_us = number * 90000 // RATE_FPS, int(NOON.timestamp() * 1e6) + number * 1_000_000 // RATE_FPS
        sight = FrameDetections(pts_90k, (track, young), Detections.none(), np.zeros((0, 4), np.float32))
        publisher.masked(Masked(black, no_mask(), sight, pts_90k, utc_us))


async def test_crossings_reach_a_client_of_a_camera_until_the_rule_is_deleted(tmp_path):
    """By a real client: created, heard by pull point, shown by both services, there after a restart, deleted."""
    segments = line((0, 0.5), (0, -0.5))
    async with running(tmp_path) as camera:
        client = camera.client()
        rule = config("gate", q(TT, "LineDetector"), Segments=segments, Direction="Left", ClassFilter="Human")
        await client(TAN, "CreateRules", **CONFIGURATION, Rule=[rule])
        described = await client.raw(TEV, "GetEventProperties")
        assert described.find(f".//{q(TNS1, 'RuleEngine')}/LineDetector/Crossed") is not None
    async with running(tmp_path) as camera:
        client = camera.client()
        configurations = await client.raw(TR2, "GetAnalyticsConfigurations")
        assert problems(configurations) == []
        rules = await client.raw(TAN, "GetRules", **CONFIGURATION)
        shown = [
            [(item.get("Name"), item.get("Value"), [dict(point.attrib) for point in item.iter(q(TT, "Point"))])
             for item in one.find(q(TT, "Parameters"))]
            for reply, tag in ((rules, q(TAN, "Rule")), (configurations, q(TT, "Rule")))
            for one in reply.iter(tag) if one.get("Name") == "gate"
        ]  # fmt: skip
        assert len(shown) == 2
        assert shown[0] == shown[1]
        assert ("Segments", None, [{"x": "0", "y": "0.5"}, {"x": "0", "y": "-0.5"}]) in shown[0]
        reply = await client.raw(TEV, "CreatePullPointSubscription", Filter={"_value_1": wanted(CROSSED, None)})
        point = PullPoint(client, reply)
        publish(camera, RIGHTWARD + LEFTWARD)
        (heard,) = await point.hear()
        assert (heard.topic, heard.operation) == (CROSSED, "")
        assert heard.source == {"VideoSource": "source", "AnalyticsConfiguration": "analytics", "Rule": "gate"}
        assert list(heard.data) == ["ObjectId", "ClassTypes"]
        assert dict(heard.data) == {"ObjectId": "1", "ClassTypes": "Human"}
        await client(TAN, "DeleteRules", **CONFIGURATION, RuleName=["gate"])
        for picture in pictures(RIGHTWARD, start=NOON + timedelta(seconds=60)):
            camera.camera.engine.judge(picture)
        assert await point.hear(seconds=0) == ()
        assert all(event.topic != CROSSED for event in camera.camera.bus.states())
    async with running(tmp_path) as camera:
        assert "gate" not in [rule.name for rule in camera.camera.engine.settings.value.rules]
