"""The analytics and device I/O services: schema-true replies, rules and modules that act, faults by name."""

from datetime import UTC, datetime

import pytest
from lxml import etree

from firmware.analytics import Engine
from firmware.analytics.rules.base import TrackedObject, TrackedPicture
from firmware.camera_topics import CAMERA_TOPICS
from firmware.services.analytics import PATH, AnalyticsService, analytics_service
from firmware.services.deviceio import PATH as IO_PATH
from firmware.services.deviceio import DeviceIoService, device_io_service
from onvif.errors import Fault
from onvif.events import Bus
from onvif.metadata import MetadataBox, MetadataFrame, MetadataObject
from onvif.names import TAN, TDS, TMD, TT, VC, q
from tests.onvif_device import device
from tests.onvif_schema import problems

NOW = datetime(2026, 5, 4, tzinfo=UTC)
RULE = q(TT, "ObjectDetection")
MODULE = q(VC, "ObjectTracker")


@pytest.fixture
def bus():
    return Bus(CAMERA_TOPICS)


@pytest.fixture
def engine(tmp_path, bus):
    return Engine(tmp_path, bus)


def config(name, type_=RULE, **items):
    return {
        "Name": name,
        "Type": etree.QName(type_),
        "Parameters": {"SimpleItem": [{"Name": key, "Value": value} for key, value in items.items()]},
    }


def picture(*seen):
    """Of objects of these (tt:ObjectType, likelihood)."""
    box = MetadataBox(-0.1, 0.5, 0.1, 0.0)
    return TrackedPicture(NOW, tuple(TrackedObject(i, *one, box) for i, one in enumerate(seen, 1)), 640, 480)


def offered(engine):
    return device(analytics_service(AnalyticsService(engine)), device_io_service(DeviceIoService()))


@pytest.mark.parametrize(
    ("operation", "values"),
    [
        ("GetSupportedRules", {"ConfigurationToken": "analytics"}),
        ("GetRules", {"ConfigurationToken": "analytics"}),
        ("GetRuleOptions", {"ConfigurationToken": "analytics"}),
        ("GetRuleOptions", {"ConfigurationToken": "analytics", "RuleType": etree.QName(RULE)}),
        pytest.param(
            "GetSupportedAnalyticsModules",
            {"ConfigurationToken": "analytics"},
            marks=pytest.mark.case("ANALYTICS-4-1-1"),
        ),
        pytest.param(
            "GetAnalyticsModules", {"ConfigurationToken": "analytics"}, marks=pytest.mark.case("ANALYTICS-4-1-3")
        ),
        pytest.param(
            "GetAnalyticsModuleOptions", {"ConfigurationToken": "analytics"}, marks=pytest.mark.case("ANALYTICS-4-1-2")
        ),
        pytest.param("GetSupportedMetadata", {}, marks=pytest.mark.case("ANALYTICS-4-1-4")),
        pytest.param("GetServiceCapabilities", {}, marks=pytest.mark.case("ANALYTICS-3-1-2")),
    ],
)
async def test_every_read_is_valid(engine, operation, values):
    async with offered(engine) as asker:
        reply = await asker().ask(TAN, operation, to=PATH, **values)
        assert problems(reply) == []
        await asker().values(TAN, operation, to=PATH, **values)
        assert len(reply) > 0


@pytest.mark.parametrize(
    "operation",
    ["GetVideoSources", "GetAudioSources", "GetAudioOutputs", "GetVideoOutputs", "GetRelayOutputOptions",
     "GetDigitalInputs", "GetSerialPorts", "GetServiceCapabilities"],
)  # fmt: skip
async def test_device_io_is_valid(engine, operation):
    async with offered(engine) as asker:
        assert problems(await asker().ask(TMD, operation, to=IO_PATH)) == []
        assert problems(await asker().ask(TDS, "GetRelayOutputs", to=IO_PATH)) == []


async def test_rules_act_on_events_and_survive(engine, bus, tmp_path):
    heard = []
    bus.listen(heard.append)
    async with offered(engine) as asker:
        client = asker()
        await client.ask(
            TAN, "CreateRules", to=PATH, ConfigurationToken="analytics",
            Rule=[config("Cars", ClassFilter="Vehicle", ConfidenceLevel="0.5")],
        )  # fmt: skip
        engine.judge(picture(("Human", 0.9), ("Vehicle", 0.4)))
        engine.judge(picture(("Vehicle", 0.6)))
        told = [(dict(event.source)["Rule"], dict(event.data)["ClassTypes"]) for event in heard]
        assert [[name for name, _ in event.source] for event in heard[:2]] == [
            ["VideoSource", "AnalyticsConfiguration", "Rule"]
        ] * 2
        described = await client.ask(TAN, "GetSupportedRules", to=PATH, ConfigurationToken="analytics")
        source = described.find(f".//{q(TT, 'Messages')}/{q(TT, 'Source')}")
        assert [(item.get("Name"), item.get("Type")) for item in source] == [
            ("VideoSource", "tt:ReferenceToken"), ("AnalyticsConfiguration", "tt:ReferenceToken"),
            ("Rule", "xs:string"),
        ]  # fmt: skip
        assert told == [
            ("ObjectDetection", "Human Vehicle"), ("Cars", ""), ("ObjectDetection", "Vehicle"), ("Cars", "Vehicle"),
        ]  # fmt: skip
        await client.ask(
            TAN, "ModifyRules", to=PATH, ConfigurationToken="analytics", Rule=[config("Cars", ConfidenceLevel="0.9")]
        )
        engine.judge(picture(("Vehicle", 0.6)))
        assert dict(heard[-1].data)["ClassTypes"] == ""
        assert [rule.name for rule in Engine(tmp_path, bus).settings.value.rules] == ["ObjectDetection", "Cars"]
        await client.ask(TAN, "DeleteRules", to=PATH, ConfigurationToken="analytics", RuleName=["Cars"])
        assert (heard[-1].operation.value, dict(heard[-1].source)["Rule"]) == ("Deleted", "Cars")
        listed = await client.ask(TAN, "GetRules", to=PATH, ConfigurationToken="analytics")
        assert [rule.get("Name") for rule in listed] == ["ObjectDetection"]


@pytest.mark.case("ANALYTICS-4-1-5", "ANALYTICS-4-1-6", "ANALYTICS-4-1-7", "ANALYTICS-4-1-8")
async def test_modules_decide_what_is_described(engine):
    def described(type_, likelihood):
        frame = MetadataFrame(NOW, (MetadataObject(1, MetadataBox(0, 0.5, 0.5, 0), type_, likelihood),))
        return bool(engine.describe(frame).objects)

    parts = []
    engine.watch(lambda module, frame: parts.append((module, len(frame.objects))))
    assert described("Human", 0.3)
    assert parts == [("ObjectTracker", 1)]
    async with offered(engine) as asker:
        client = asker()
        await client.ask(
            TAN, "ModifyAnalyticsModules", to=PATH, ConfigurationToken="analytics",
            AnalyticsModule=[config("ObjectTracker", MODULE, ClassFilter="Vehicle")],
        )  # fmt: skip
        assert not described("Human", 0.3)
        await client.ask(
            TAN, "CreateAnalyticsModules", to=PATH, ConfigurationToken="analytics",
            AnalyticsModule=[config("People", MODULE, ClassFilter="Human", ConfidenceLevel="0.5")],
        )  # fmt: skip
        assert described("Human", 0.6)
        assert not described("Human", 0.3)
        await client.ask(
            TAN, "DeleteAnalyticsModules", to=PATH, ConfigurationToken="analytics",
            AnalyticsModuleName=["ObjectTracker", "People"],
        )  # fmt: skip
        assert not described("Vehicle", 1.0)


@pytest.mark.parametrize(
    ("operation", "values", "fault"),
    [
        ("GetRules", {"ConfigurationToken": "nowhere"}, "NoConfig"),
        ("CreateRules", {"Rule": [config("a", q(TT, "FieldDetector"))]}, "InvalidRule"),
        ("CreateRules", {"Rule": [config("a", Colour="red")]}, "InvalidRule"),
        ("CreateRules", {"Rule": [config("a", ClassFilter="Unicorn")]}, "InvalidRule"),
        ("CreateRules", {"Rule": [config("a", ConfidenceLevel="nan")]}, "InvalidRule"),
        ("CreateRules", {"Rule": [config("a"), config("a")]}, "InvalidRule"),
        ("CreateRules", {"Rule": [config("ObjectDetection")]}, "RuleAlreadyExistent"),
        ("CreateRules", {"Rule": [config(str(number)) for number in range(9)]}, "TooManyRules"),
        ("ModifyRules", {"Rule": [config("nothing")]}, "RuleNotExistent"),
        ("DeleteRules", {"RuleName": ["ObjectDetection", "nothing"]}, "RuleNotExistent"),
        ("CreateAnalyticsModules", {"AnalyticsModule": [config("a")]}, "InvalidModule"),
        ("CreateAnalyticsModules", {"AnalyticsModule": [config("ObjectTracker", MODULE)]}, "NameAlreadyExistent"),
        ("ModifyAnalyticsModules", {"AnalyticsModule": [config("nothing", MODULE)]}, "NameNotExistent"),
        ("DeleteAnalyticsModules", {"AnalyticsModuleName": ["nothing"]}, "NameNotExistent"),
    ],
)
async def test_what_cannot_be_is_refused_whole(engine, operation, values, fault):
    before = engine.settings.value
    async with offered(engine) as asker:
        with pytest.raises(Fault) as refused:
            await asker().ask(TAN, operation, to=PATH, **{"ConfigurationToken": "analytics", **values})
    assert refused.value.subcodes[-1] == fault
    assert engine.settings.value == before
