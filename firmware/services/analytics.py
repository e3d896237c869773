"""The analytics service (ONVIF Analytics 26.06): modules, rules, their options, and what the metadata stream holds."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from lxml import etree

from firmware.analytics.engine import (
    CLASSES,
    CONFIGURATION,
    MODULE_TYPE,
    MOST_MODULES,
    MOST_RULES,
    RULE_TYPE,
    Engine,
    EngineSettings,
    Module,
    ObjectFilter,
    Rule,
    with_changed,
)
from onvif import metadata, names
from onvif.errors import impossible, invalid
from onvif.events import topics
from onvif.names import TAN, TT, VC, q, split
from onvif.service import Call, Reply, Service, operation, service
from wire.features.palette import RGB
from wire.features.vocabulary import Colour

PATH = "/onvif/analytics"
_PREFIXES = {"tan": TAN, "tt": TT, "vc": VC, "xs": names.XS, "tns1": names.TNS1}
_SCHEMA = "http://www.onvif.org/onvif/ver10/schema/onvif.xsd"
_PARAMETERS = (("ClassFilter", "tt:StringList"), ("ConfidenceLevel", "xs:float"))


class AnalyticsService:
    """The handlers.

    Args:
        engine: what they configure.
        changed: told after each change of the configuration (ConfigurationChanged).
    """

    def __init__(self, engine: Engine, *, changed: Callable[[], None] = lambda: None) -> None:
        self._engine = engine
        self._changed = changed

    @operation("GetSupportedAnalyticsModules")
    async def get_supported_analytics_modules(self, call: Call) -> Reply:
        _check(call)
        return _supported("AnalyticsModule", MODULE_TYPE, MOST_MODULES)

    @operation("GetSupportedRules")
    async def get_supported_rules(self, call: Call) -> Reply:
        _check(call)
        return _supported("Rule", RULE_TYPE, MOST_RULES, topics.OBJECT_DETECTION)

    @operation("GetAnalyticsModules")
    async def get_analytics_modules(self, call: Call) -> Reply:
        _check(call)
        return _listed("GetAnalyticsModulesResponse", "AnalyticsModule", MODULE_TYPE, self._now.modules)

    @operation("GetRules")
    async def get_rules(self, call: Call) -> Reply:
        _check(call)
        return _listed("GetRulesResponse", "Rule", RULE_TYPE, self._now.rules)

    @operation("GetAnalyticsModuleOptions")
    async def get_analytics_module_options(self, call: Call) -> Reply:
        _check(call)
        return _options(call, tag="Options", attribute="AnalyticsModule", asked="Type", type_=MODULE_TYPE)

    @operation("GetRuleOptions")
    async def get_rule_options(self, call: Call) -> Reply:
        _check(call)
        return _options(call, tag="RuleOptions", attribute="RuleType", asked="RuleType", type_=RULE_TYPE)

    @operation("CreateAnalyticsModules")
    async def create_analytics_modules(self, call: Call) -> Reply:
        _check(call)
        new = _read(call, "AnalyticsModule", MODULE_TYPE, Module, "InvalidModule")
        _refuse_known(self._now.modules, new, "NameAlreadyExistent")
        if len(self._now.modules) + len(new) > MOST_MODULES:
            raise impossible(f"There are at most {MOST_MODULES} modules.", "TooManyModules")
        return self._put(replace(self._now, modules=(*self._now.modules, *new)))

    @operation("CreateRules")
    async def create_rules(self, call: Call) -> Reply:
        _check(call)
        new = _read(call, "Rule", RULE_TYPE, Rule, "InvalidRule")
        _refuse_known(self._now.rules, new, "RuleAlreadyExistent")
        if len(self._now.rules) + len(new) > MOST_RULES:
            raise impossible(f"There are at most {MOST_RULES} rules.", "TooManyRules")
        return self._put(replace(self._now, rules=(*self._now.rules, *new)))

    @operation("ModifyAnalyticsModules")
    async def modify_analytics_modules(self, call: Call) -> Reply:
        _check(call)
        changed = _read(call, "AnalyticsModule", MODULE_TYPE, Module, "InvalidModule")
        _refuse_unknown(self._now.modules, [module.name for module in changed], "NameNotExistent")
        return self._put(replace(self._now, modules=with_changed(self._now.modules, changed)))

    @operation("ModifyRules")
    async def modify_rules(self, call: Call) -> Reply:
        _check(call)
        changed = _read(call, "Rule", RULE_TYPE, Rule, "InvalidRule")
        _refuse_unknown(self._now.rules, [rule.name for rule in changed], "RuleNotExistent")
        return self._put(replace(self._now, rules=with_changed(self._now.rules, changed)))

    @operation("DeleteAnalyticsModules")
    async def delete_analytics_modules(self, call: Call) -> Reply:
        _check(call)
        gone = list(call.request.AnalyticsModuleName)
        _refuse_unknown(self._now.modules, gone, "NameNotExistent")
        return self._put(replace(self._now, modules=tuple(kept for kept in self._now.modules if kept.name not in gone)))

    @operation("DeleteRules")
    async def delete_rules(self, call: Call) -> Reply:
        _check(call)
        gone = list(call.request.RuleName)
        _refuse_unknown(self._now.rules, gone, "RuleNotExistent")
        return self._put(replace(self._now, rules=tuple(kept for kept in self._now.rules if kept.name not in gone)))

    @operation("GetSupportedMetadata")
    async def get_supported_metadata(self, call: Call) -> Reply:
        reply = _element("GetSupportedMetadataResponse")
        wanted = _asked_type(call, "Type")
        if wanted in {None, MODULE_TYPE}:
            info = etree.SubElement(reply, q(TAN, "AnalyticsModule"), Type=_qname(MODULE_TYPE))
            sample = metadata.frame_element(_SAMPLE)
            sample.tag = q(TAN, "SampleFrame")
            info.append(sample)
        return reply

    @property
    def _now(self) -> EngineSettings:
        return self._engine.settings.value

    def _put(self, settings: EngineSettings) -> Reply:
        self._engine.settings.put(settings)
        self._changed()
        return {}


def analytics_service(handlers: AnalyticsService) -> Service:
    return service(handlers, TAN, path=PATH, capabilities=_capabilities)


def configs(kind: str, type_: str, choices: Sequence[ObjectFilter]) -> list[etree._Element]:
    """Modules or rules as tt:Config elements named `kind`, for the analytics configuration of the media services."""
    found = []
    for choice in choices:
        config = etree.Element(q(TT, kind), Name=choice.name, Type=_qname(type_), nsmap=_PREFIXES)
        _fill(config, choice)
        found.append(config)
    return found


_SAMPLE = metadata.MetadataFrame(
    datetime(2026, 1, 1, tzinfo=UTC),
    (
        metadata.MetadataObject(
            1, metadata.MetadataBox(-0.5, 0.5, -0.3, -0.2), "Human", 0.9,
            tops=(metadata.ColourCluster(RGB[Colour.RED], 0.8),), bottoms=(metadata.ColourCluster(RGB[Colour.BLUE], 0.9),),
        ),
        metadata.MetadataObject(
            2, metadata.MetadataBox(0.1, 0.3, 0.4, 0.0), "Vehicle", 0.8, vehicle="Car",
            colours=(metadata.ColourCluster(RGB[Colour.WHITE], 0.9),),
        ),
        metadata.MetadataObject(
            3, metadata.MetadataBox(0.5, 0.3, 0.6, 0.0), "Bicycle", 0.8, vehicle="Bicycle",
            colours=(metadata.ColourCluster(RGB[Colour.GREEN], 0.7),),
        ),
    ),
)  # fmt: skip


def _capabilities() -> Mapping[str, Any]:
    return {
        "RuleSupport": True,
        "AnalyticsModuleSupport": True,
        "CellBasedSceneDescriptionSupported": False,
        "RuleOptionsSupported": True,
        "AnalyticsModuleOptionsSupported": True,
        "SupportedMetadata": True,
    }


def _check(call: Call) -> None:
    if call.request.ConfigurationToken != CONFIGURATION:
        raise invalid(f"There is no analytics configuration {call.request.ConfigurationToken[:64]!r}.", "NoConfig")


def _read(call: Call, tag: str, type_: str, kind: type[ObjectFilter], fault: str) -> list[Any]:
    """The configs of a request, by the raw elements: a QName in an attribute needs its declarations."""
    found: list[ObjectFilter] = []
    for element in call.element.findall(q(TAN, tag)):
        if _resolved(element, element.get("Type", "")) != type_:
            raise invalid(f"There is no {tag} of type {element.get('Type', '')[:80]!r}.", fault)
        items = {
            item.get("Name"): (item.get("Value") or "").strip()
            for item in element.iterfind(f"{q(TT, 'Parameters')}/{q(TT, 'SimpleItem')}")
        }
        if unknown := set(items) - {name for name, _ in _PARAMETERS}:
            raise invalid(f"There is no parameter {min(map(str, unknown))[:80]!r}.", fault)
        try:
            choice = kind(
                name=element.get("Name", ""),
                classes=tuple(dict.fromkeys(items.get("ClassFilter", " ".join(CLASSES)).split())),
                likelihood=_likelihood(items.get("ConfidenceLevel", "0")),
            )
        except ValueError as problem:
            raise invalid(f"{tag} {element.get('Name', '')[:64]!r}: {problem}.", fault) from problem
        if any(other.name == choice.name for other in found):
            raise invalid(f"The name {choice.name!r} is given twice.", fault)
        found.append(choice)
    return found


def _likelihood(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("the confidence level is 0 to 1")
    return value


def _refuse_known(kept: Sequence[ObjectFilter], new: Sequence[ObjectFilter], fault: str) -> None:
    for choice in new:
        if any(other.name == choice.name for other in kept):
            raise invalid(f"There already is one named {choice.name!r}.", fault)


def _refuse_unknown(kept: Sequence[ObjectFilter], wanted: Sequence[str], fault: str) -> None:
    for name in wanted:
        if all(other.name != name for other in kept):
            raise invalid(f"There is none named {name[:64]!r}.", fault)


def _element(tag: str) -> etree._Element:
    return etree.Element(q(TAN, tag), nsmap=_PREFIXES)


def _qname(clark: str) -> str:
    namespace, name = split(clark)
    return f"{next(prefix for prefix, uri in _PREFIXES.items() if uri == namespace)}:{name}"


def _resolved(element: etree._Element, text: str) -> str:
    prefix, _, name = text.strip().rpartition(":")
    return q(element.nsmap.get(prefix or None) or "", name)


def _asked_type(call: Call, tag: str) -> str | None:
    element = call.element.find(q(TAN, tag))
    return None if element is None else _resolved(element, element.text or "")


def _fill(config: etree._Element, choice: ObjectFilter) -> None:
    parameters = etree.SubElement(config, q(TT, "Parameters"))
    for name, value in (("ClassFilter", " ".join(choice.classes)), ("ConfidenceLevel", f"{choice.likelihood:g}")):
        etree.SubElement(parameters, q(TT, "SimpleItem"), Name=name, Value=value)


def _listed(response: str, tag: str, type_: str, choices: Sequence[ObjectFilter]) -> etree._Element:
    reply = _element(response)
    for choice in choices:
        _fill(etree.SubElement(reply, q(TAN, tag), Name=choice.name, Type=_qname(type_)), choice)
    return reply


def _supported(kind: str, type_: str, most: int, topic: topics.Topic | None = None) -> etree._Element:
    plural = "Rules" if kind == "Rule" else "AnalyticsModules"
    reply = _element(f"GetSupported{plural}Response")
    supported = etree.SubElement(reply, q(TAN, f"Supported{plural}"), Limit=str(most))
    etree.SubElement(supported, q(TT, f"{kind}ContentSchemaLocation")).text = _SCHEMA
    description = etree.SubElement(
        supported, q(TT, f"{kind}Description"), Name=_qname(type_), fixed="false", maxInstances=str(most)
    )
    parameters = etree.SubElement(description, q(TT, "Parameters"))
    for name, parameter_type in _PARAMETERS:
        etree.SubElement(parameters, q(TT, "SimpleItemDescription"), Name=name, Type=parameter_type)
    if topic is not None:
        messages = topics.describe(topic)
        messages.tag = q(TT, "Messages")
        etree.SubElement(messages, q(TT, "ParentTopic")).text = topic.path
        description.append(messages)
    return reply


def _options(call: Call, *, tag: str, attribute: str, asked: str, type_: str) -> etree._Element:
    reply = _element(f"{call.operation.name}Response")
    wanted = _asked_type(call, asked)
    if wanted not in {None, type_}:
        return reply
    for name, parameter_type in _PARAMETERS:
        option = etree.SubElement(
            reply, q(TAN, tag), {attribute: _qname(type_), "Name": name, "Type": parameter_type, "minOccurs": "0"}
        )
        if name == "ClassFilter":
            etree.SubElement(option, q(TT, "StringList")).text = " ".join(CLASSES)
        else:
            levels = etree.SubElement(option, q(TT, "FloatRange"))
            etree.SubElement(levels, q(TT, "Min")).text = "0"
            etree.SubElement(levels, q(TT, "Max")).text = "1"
    return reply
