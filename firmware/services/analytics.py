"""The analytics service (ONVIF Analytics 26.06): modules, rules, their options, and what the metadata stream holds."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from lxml import etree

from firmware.analytics.engine import CONFIGURATION, MOST_MODULES, MOST_RULES, Engine, EngineSettings, with_changed
from firmware.analytics.modules import MODULE_TYPES, OBJECT_TRACKER, Module
from firmware.analytics.parameters import ConfigType, Named
from firmware.analytics.rules import RULE_TYPES, Rule
from firmware.services import analytics_config as config
from onvif import metadata
from onvif.errors import impossible, invalid
from onvif.names import TAN, q
from onvif.service import Call, Reply, Service, operation, service
from wire.features.palette import RGB
from wire.features.vocabulary import Colour

PATH = "/onvif/analytics"


class AnalyticsService:
    """The handlers.

    Args:
        engine: what they configure.
        changed: called after each change of the configuration (ConfigurationChanged).
    """

    def __init__(self, engine: Engine, *, changed: Callable[[], None] = lambda: None) -> None:
        self._engine = engine
        self._changed = changed

    @operation("GetSupportedAnalyticsModules")
    async def get_supported_analytics_modules(self, call: Call) -> Reply:
        _check(call)
        return config.supported("AnalyticsModule", MODULE_TYPES, MOST_MODULES)

    @operation("GetSupportedRules")
    async def get_supported_rules(self, call: Call) -> Reply:
        _check(call)
        return config.supported("Rule", RULE_TYPES, MOST_RULES)

    @operation("GetAnalyticsModules")
    async def get_analytics_modules(self, call: Call) -> Reply:
        _check(call)
        return config.listed("GetAnalyticsModulesResponse", "AnalyticsModule", self._now.modules)

    @operation("GetRules")
    async def get_rules(self, call: Call) -> Reply:
        _check(call)
        return config.listed("GetRulesResponse", "Rule", self._now.rules)

    @operation("GetAnalyticsModuleOptions")
    async def get_analytics_module_options(self, call: Call) -> Reply:
        _check(call)
        wanted = _wanted_type(call, "Type")
        return config.options(f"{call.operation.name}Response", "Options", "AnalyticsModule", MODULE_TYPES, wanted)

    @operation("GetRuleOptions")
    async def get_rule_options(self, call: Call) -> Reply:
        _check(call)
        wanted = _wanted_type(call, "RuleType")
        return config.options(f"{call.operation.name}Response", "RuleOptions", "RuleType", RULE_TYPES, wanted)

    @operation("CreateAnalyticsModules")
    async def create_analytics_modules(self, call: Call) -> Reply:
        _check(call)
        new = config.read(call.element, "AnalyticsModule", MODULE_TYPES, (), "InvalidModule")
        _refuse_known(self._now.modules, new, "NameAlreadyExistent")
        modules = (*self._now.modules, *new)
        _refuse_more(modules, MODULE_TYPES, MOST_MODULES, "TooManyModules")
        return self._put(replace(self._now, modules=modules))

    @operation("CreateRules")
    async def create_rules(self, call: Call) -> Reply:
        _check(call)
        new = config.read(call.element, "Rule", RULE_TYPES, (), "InvalidRule")
        _refuse_known(self._now.rules, new, "RuleAlreadyExistent")
        rules = (*self._now.rules, *new)
        _refuse_more(rules, RULE_TYPES, MOST_RULES, "TooManyRules")
        return self._put(replace(self._now, rules=rules))

    @operation("ModifyAnalyticsModules")
    async def modify_analytics_modules(self, call: Call) -> Reply:
        _check(call)
        changed = config.read(call.element, "AnalyticsModule", MODULE_TYPES, self._now.modules, "InvalidModule")
        _refuse_unknown(self._now.modules, _names(changed), "NameNotExistent")
        return self._put(replace(self._now, modules=with_changed(self._now.modules, changed)))

    @operation("ModifyRules")
    async def modify_rules(self, call: Call) -> Reply:
        _check(call)
        changed = config.read(call.element, "Rule", RULE_TYPES, self._now.rules, "InvalidRule")
        _refuse_unknown(self._now.rules, _names(changed), "RuleNotExistent")
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
        reply = config.element("GetSupportedMetadataResponse")
        if _wanted_type(call, "Type") in {None, OBJECT_TRACKER.type_}:
            info = etree.SubElement(reply, q(TAN, "AnalyticsModule"), Type=config.qname(OBJECT_TRACKER.type_))
            sample = metadata.frame_element(_SAMPLE)
            sample.tag = q(TAN, "SampleFrame")
            info.append(sample)
        return reply

    @property
    def _now(self) -> EngineSettings:
        return self._engine.settings.value

    def _put(self, settings: EngineSettings) -> Reply:
        self._engine.settings.set(settings)
        self._changed()
        return {}


def analytics_service(handlers: AnalyticsService) -> Service:
    return service(handlers, TAN, path=PATH, capabilities=_capabilities)


_SAMPLE = metadata.MetadataFrame(
    datetime(2026, 1, 1, tzinfo=UTC),
    (
        metadata.MetadataObject(
            1,
            metadata.MetadataBox(-0.5, 0.5, -0.3, -0.2),
            "Human",
            0.9,
            tops=(metadata.ColourCluster(RGB[Colour.RED], 0.8),),
            bottoms=(metadata.ColourCluster(RGB[Colour.BLUE], 0.9),),
        ),
        metadata.MetadataObject(
            2,
            metadata.MetadataBox(0.1, 0.3, 0.4, 0.0),
            "Vehicle",
            0.8,
            vehicle="Car",
            colours=(metadata.ColourCluster(RGB[Colour.WHITE], 0.9),),
        ),
        metadata.MetadataObject(
            3,
            metadata.MetadataBox(0.5, 0.3, 0.6, 0.0),
            "Bicycle",
            0.8,
            vehicle="Bicycle",
            colours=(metadata.ColourCluster(RGB[Colour.GREEN], 0.7),),
        ),
    ),
)


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


def _refuse_known(present: Sequence[Named], new: Sequence[Named], fault: str) -> None:
    for item in new:
        if any(other.name == item.name for other in present):
            raise invalid(f"There already is one named {item.name!r}.", fault)


def _refuse_unknown(present: Sequence[Named], wanted: Sequence[str], fault: str) -> None:
    for name in wanted:
        if all(other.name != name for other in present):
            raise invalid(f"There is none named {name[:64]!r}.", fault)


def _refuse_more(all_: Sequence[Module | Rule], types: Iterable[ConfigType[Any]], most: int, fault: str) -> None:
    if len(all_) > most:
        raise impossible(f"There are at most {most} of them.", fault)
    for type_ in types:
        if sum(isinstance(item, type_.settings) for item in all_) > type_.most:
            raise impossible(f"There are at most {type_.most} of type {config.qname(type_.type_)}.", fault)


def _names(values: Sequence[Named]) -> list[str]:
    return [item.name for item in values]


def _wanted_type(call: Call, tag: str) -> str | None:
    element = call.element.find(q(TAN, tag))
    return None if element is None else config.resolved(element, element.text or "")
