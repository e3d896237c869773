"""tt:Config, what a module or a rule is in the protocol: read, written and described by its type.

Nothing here knows any type of module or rule; see `firmware/analytics/modules.py` and `firmware/analytics/rules/`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lxml import etree

from firmware.analytics.modules import OBJECT_TRACKER, Module
from firmware.analytics.parameters import ConfigType, Given, Named, Options, Parameter
from firmware.analytics.rules import Rule, type_of
from firmware.analytics.rules.base import RuleType
from onvif import names
from onvif.errors import invalid
from onvif.events import topics
from onvif.names import TAN, TT, VC, q, split

PREFIXES = {"tan": TAN, "tt": TT, "vc": VC, "xs": names.XS, "tns1": names.TNS1}
_SCHEMA = "http://www.onvif.org/onvif/ver10/schema/onvif.xsd"


def config_type(settings: Module | Rule) -> ConfigType[Any]:
    """The type that one module or rule is of."""
    return OBJECT_TRACKER if isinstance(settings, Module) else type_of(settings)


def element(tag: str) -> etree._Element:
    return etree.Element(q(TAN, tag), nsmap=PREFIXES)


def qname(clark: str) -> str:
    namespace, name = split(clark)
    return f"{next(prefix for prefix, uri in PREFIXES.items() if uri == namespace)}:{name}"


def resolved(place: etree._Element, text: str) -> str:
    """A QName in the content or an attribute of `place`, in Clark notation."""
    prefix, _, name = text.strip().rpartition(":")
    return q(place.nsmap.get(prefix or None) or "", name)


def read(
    request: etree._Element, tag: str, types: Iterable[ConfigType[Any]], present: Sequence[Named], fault: str
) -> list[Any]:
    """The modules or rules of a request, by its raw elements: a QName in an attribute needs its declarations.

    Args:
        tag: the local name of each.
        present: those in force; one of the same name keeps what the request does not give.
        fault: subcode of a refusal.

    Raises:
        Fault: one of an unknown type or of another than it has, an unknown, doubled or wrong parameter, a name twice.
    """
    by_name = {value.name: value for value in present}
    known = {type_.type_: type_ for type_ in types}
    found: list[Any] = []
    for config in request.findall(q(TAN, tag)):
        name = config.get("Name", "")
        type_ = known.get(resolved(config, config.get("Type", "")))
        if type_ is None:
            raise invalid(f"There is no {tag} of type {config.get('Type', '')[:80]!r}.", fault)
        before = by_name.get(name)
        if before is not None and not isinstance(before, type_.settings):
            raise invalid(f"The type of {name[:64]!r} cannot be changed.", "TypeChangeProhibited")
        try:
            value = type_.read(name, _given(config, type_), before)
        except ValueError as problem:
            raise invalid(f"{tag} {name[:64]!r}: {problem}.", fault) from problem
        if any(other.name == value.name for other in found):
            raise invalid(f"The name {value.name!r} is given twice.", fault)
        found.append(value)
    return found


def _given(config: etree._Element, type_: ConfigType[Any]) -> Given:
    """The parameters of one tt:Config.

    Raises:
        ValueError: one that the type has not, or not as that sort of item, or more than once.
    """
    known = {parameter.name: parameter for parameter in type_.parameters}
    given: dict[str, str | etree._Element] = {}
    for sort in ("SimpleItem", "ElementItem"):
        for item in config.iterfind(f"{q(TT, 'Parameters')}/{q(TT, sort)}"):
            name = item.get("Name", "")
            parameter = known.get(name)
            if parameter is None or parameter.element is not (sort == "ElementItem"):
                raise ValueError(f"there is no {sort} {name[:80]!r}")
            if name in given:
                raise ValueError(f"{name} is given twice")
            if not parameter.element:
                given[name] = item.get("Value", "")
            elif (child := next(item.iterchildren(tag=etree.Element), None)) is not None:
                given[name] = child
            else:
                raise ValueError(f"{name} is empty")
    return given


def values(settings: Module | Rule) -> dict[str, Any]:
    """One module or rule as the media services show it: a tt:Config in zeep's values."""
    simple, elements = _split(settings)
    items: dict[str, Any] = {"SimpleItem": [{"Name": name, "Value": value} for name, value in simple.items()]}
    if elements:
        items["ElementItem"] = [{"Name": name, "_value_1": value} for name, value in elements.items()]
    return {"Name": settings.name, "Type": qname(config_type(settings).type_), "Parameters": items}


def listed(response: str, tag: str, present: Sequence[Module | Rule]) -> etree._Element:
    """GetRules or GetAnalyticsModules."""
    reply = element(response)
    for settings in present:
        config = etree.SubElement(reply, q(TAN, tag), Name=settings.name, Type=qname(config_type(settings).type_))
        parameters = etree.SubElement(config, q(TT, "Parameters"))
        simple, elements = _split(settings)
        for name, value in simple.items():
            etree.SubElement(parameters, q(TT, "SimpleItem"), Name=name, Value=value)
        for name, child in elements.items():
            etree.SubElement(parameters, q(TT, "ElementItem"), Name=name).append(child)
    return reply


def _split(settings: Module | Rule) -> tuple[Mapping[str, str], Mapping[str, etree._Element]]:
    written = config_type(settings).written(settings)
    simple = {name: value for name, value in written.items() if isinstance(value, str)}
    return simple, {name: value for name, value in written.items() if not isinstance(value, str)}


def supported(kind: str, types: Iterable[ConfigType[Any]], most: int) -> etree._Element:
    """GetSupportedRules or GetSupportedAnalyticsModules; `kind` is Rule or AnalyticsModule."""
    reply = element(f"GetSupported{kind}sResponse")
    found = etree.SubElement(reply, q(TAN, f"Supported{kind}s"), Limit=str(most))
    etree.SubElement(found, q(TT, f"{kind}ContentSchemaLocation")).text = _SCHEMA
    for type_ in types:
        description = etree.SubElement(
            found, q(TT, f"{kind}Description"), Name=qname(type_.type_), fixed="false", maxInstances=str(type_.most)
        )
        parameters = etree.SubElement(description, q(TT, "Parameters"))
        for parameter in type_.parameters:
            sort = "ElementItemDescription" if parameter.element else "SimpleItemDescription"
            etree.SubElement(parameters, q(TT, sort), Name=parameter.name, Type=parameter.type_)
        if isinstance(type_, RuleType):
            messages = topics.describe(type_.topic)
            messages.tag = q(TT, "Messages")
            etree.SubElement(messages, q(TT, "ParentTopic")).text = type_.topic.path
            description.append(messages)
    return reply


def options(
    response: str, tag: str, attribute: str, types: Iterable[ConfigType[Any]], wanted: str | None
) -> etree._Element:
    """GetRuleOptions or GetAnalyticsModuleOptions: of every type, or of the one that is wanted."""
    reply = element(response)
    for type_ in types:
        if wanted in {None, type_.type_}:
            for parameter in type_.parameters:
                _option(reply, tag, {attribute: qname(type_.type_)}, parameter)
    return reply


def _option(reply: etree._Element, tag: str, of: dict[str, str], parameter: Parameter) -> None:
    shown: Options = parameter.options
    option = etree.SubElement(
        reply, q(TAN, tag), {**of, "Name": parameter.name, "Type": parameter.type_, "minOccurs": "0"}
    )
    child = etree.SubElement(option, q(TT, shown.element))
    if shown.text:
        child.text = shown.text
    for name, text in shown.parts:
        etree.SubElement(child, q(TT, name)).text = text
