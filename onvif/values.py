"""The lexical forms and facets of XML Schema that zeep reads past.

zeep takes `Banana` for an enumeration, `maybe` for false and a missing last element for absent. A device must answer
ter:InvalidArgVal or ter:InvalidArgs instead, so this walks the raw request beside zeep's type tree. The facets come
from the vendored schema files themselves (XML Schema Part 2, 2nd edition, 4.3).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lxml import etree
from zeep.xsd import Any as Any_
from zeep.xsd import AnyAttribute, ComplexType, Element
from zeep.xsd.elements.indicators import Choice, Indicator
from zeep.xsd.types.collection import ListType, UnionType

from base.errors import Invalid, WireError
from onvif import names


class InvalidValue(Invalid):
    """A value outside its type; `field` is the path of the element or attribute."""

    def __init__(self, path: str, text: str, why: str) -> None:
        super().__init__(f"{path}: {text[:80]!r} {why}", path)


class MalformedRequest(WireError):
    """An element or attribute is missing, unknown or misplaced."""


@dataclass(frozen=True, slots=True)
class Facets:
    """One named simple type: what it restricts and how."""

    base: str
    enumeration: frozenset[str] = frozenset()
    patterns: tuple[re.Pattern[str], ...] = ()
    least: float | None = None
    most: float | None = None
    min_length: int | None = None
    max_length: int | None = None


@dataclass(frozen=True, slots=True)
class Checker:
    """Checks raw elements against zeep's types and the facets of the schema files."""

    facets: Mapping[str, Facets]

    @classmethod
    def of(cls, root: Path) -> "Checker":
        """Read the facets of every named simple type below a folder of schema files."""
        found: dict[str, Facets] = {}
        for path in sorted(root.rglob("*")):
            if path.suffix in {".xsd", ".wsdl"} or path.name in {"xmlmime", "include"}:
                for schema in etree.parse(str(path), _PARSER).iter(names.q(names.XS, "schema")):
                    target = schema.get("targetNamespace") or ""
                    for node in schema.findall(names.q(names.XS, "simpleType")):
                        found[names.q(target, str(node.get("name")))] = _facets(node)
        return cls(found)

    def check(self, element: etree._Element, xsd_type: Any, path: str = "") -> None:
        """Raises InvalidValue or MalformedRequest for what does not fit; unknown elements are zeep's to refuse."""
        path = f"{path}/{etree.QName(element).localname}"
        if isinstance(xsd_type, ComplexType):
            self._attributes(element, xsd_type, path)
            self._children(element, xsd_type, path)
            return
        if element.get(names.q(names.XSI, "nil")) in {"true", "1"}:
            return
        self._simple(element.text or "", xsd_type, path)

    def _attributes(self, element: etree._Element, xsd_type: ComplexType, path: str) -> None:
        for _, attribute in xsd_type.attributes:
            if isinstance(attribute, AnyAttribute):
                continue
            text = element.get(attribute.qname.text)
            if text is None:
                if attribute.required:
                    raise MalformedRequest(f"{path} lacks its attribute {attribute.name}")
                continue
            self._simple(text, attribute.type, f"{path}@{attribute.name}")

    def _children(self, element: etree._Element, xsd_type: ComplexType, path: str) -> None:
        if [name for name, _ in xsd_type.elements_nested] == ["_value_1"] and isinstance(
            content := xsd_type.elements_nested[0][1], Element
        ):
            # A type with simple content: zeep models its text as an element of this name.
            self._simple(element.text or "", content.type, path)
            return
        types: dict[str, Element] = {}
        for _, nested in xsd_type.elements_nested:
            _collect(nested, types)
        if not types:
            self._empty(element, xsd_type, path)
            return
        present = set()
        for child in element.iterchildren(tag=etree.Element):
            found = types.get(str(child.tag))
            if found is not None:
                present.add(str(child.tag))
                self.check(child, found.type, path)
        for _, nested in xsd_type.elements_nested:
            missing = _missing(nested, present)
            if missing:
                raise MalformedRequest(f"{path} lacks its element {missing}")

    @staticmethod
    def _empty(element: etree._Element, xsd_type: ComplexType, path: str) -> None:
        # zeep does not look into an element whose type has no content, so SystemReboot would take any.
        open_content = any(isinstance(nested, Any_) or (isinstance(nested, Indicator) and len(list(nested)) > 0)
                           for _, nested in xsd_type.elements_nested)  # fmt: skip
        child = next(element.iterchildren(tag=etree.Element), None)
        if child is not None and not open_content:
            raise MalformedRequest(f"{path} has no element {etree.QName(child).localname}")

    def _simple(self, text: str, xsd_type: Any, path: str) -> None:
        if isinstance(xsd_type, ListType):
            for item in text.split():
                self._simple(item, xsd_type.item_type, path)
            return
        if isinstance(xsd_type, UnionType):
            return
        name = getattr(getattr(xsd_type, "qname", None), "text", None) or ""
        self._named(text, name, path)

    def _named(self, text: str, name: str, path: str) -> None:
        facets = self.facets.get(name)
        if facets is None:
            read = _BUILTIN.get(name)
            if read is not None and not read(text.strip()):
                raise InvalidValue(path, text, f"is no {etree.QName(name).localname}")
            return
        if facets.base:
            self._named(text, facets.base, path)
        if facets.enumeration and text not in facets.enumeration:
            raise InvalidValue(path, text, f"is none of {', '.join(sorted(facets.enumeration))}")
        if facets.patterns and not any(pattern.fullmatch(text) for pattern in facets.patterns):
            raise InvalidValue(path, text, "does not have the form that the schema demands")
        if facets.min_length is not None and len(text) < facets.min_length:
            raise InvalidValue(path, text, f"is shorter than {facets.min_length} characters")
        if facets.max_length is not None and len(text) > facets.max_length:
            raise InvalidValue(path, text, f"is longer than {facets.max_length} characters")
        if facets.least is not None and float(text) < facets.least:
            raise InvalidValue(path, text, f"is below {facets.least:g}")
        if facets.most is not None and float(text) > facets.most:
            raise InvalidValue(path, text, f"is above {facets.most:g}")


_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True)


def _facets(node: etree._Element) -> Facets:
    restriction = node.find(names.q(names.XS, "restriction"))
    if restriction is None:
        return Facets("")  # a list or a union: zeep's own type objects show the members

    def texts(facet: str) -> list[str]:
        return [str(found.get("value")) for found in restriction.findall(names.q(names.XS, facet))]

    def number(facet: str) -> float | None:
        found = texts(facet)
        return float(found[0]) if found else None

    def size(facet: str) -> int | None:
        found = number("length") if number("length") is not None else number(facet)
        return int(found) if found is not None else None

    return Facets(
        base=_qname(restriction, str(restriction.get("base") or "")),
        enumeration=frozenset(texts("enumeration")),
        # Name classes (backslash i and c) are XML Schema's own; only types that no request uses have them.
        patterns=tuple(re.compile(text) for text in texts("pattern") if not re.search(r"\\[ic]", text)),
        least=number("minInclusive"),
        most=number("maxInclusive"),
        min_length=size("minLength"),
        max_length=size("maxLength"),
    )


def _qname(node: etree._Element, text: str) -> str:
    prefix, _, local = text.rpartition(":")
    namespace = node.nsmap.get(prefix or None)
    return names.q(namespace, local) if namespace and local else ""


def _collect(nested: Any, types: dict[str, Element]) -> None:
    if isinstance(nested, Indicator):
        for inner in nested:
            _collect(inner, types)
    elif isinstance(nested, Element) and nested.qname is not None:
        types.setdefault(nested.qname.text, nested)


def _missing(nested: Any, present: set[str]) -> str:
    """Name of a required element that is not present, empty when there is none."""
    if isinstance(nested, Element):
        needed = nested.qname is not None and nested.min_occurs > 0 and nested.qname.text not in present
        return str(nested.name) if needed else ""
    if not isinstance(nested, Indicator) or nested.min_occurs == 0:
        return ""
    found = [_missing(inner, present) for inner in nested]
    if isinstance(nested, Choice):
        return found[0] if found and all(found) else ""
    return next(filter(None, found), "")


def _whole(least: int | None = None, most: int | None = None) -> Callable[[str], bool]:
    def fits(text: str) -> bool:
        if not re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII):
            return False
        return (least is None or int(text) >= least) and (most is None or int(text) <= most)

    return fits


def _pattern(text: str) -> Callable[[str], bool]:
    compiled = re.compile(text, re.ASCII)
    return lambda value: compiled.fullmatch(value) is not None


_ZONE = r"(Z|[+-]\d\d:\d\d)?"
_NAME = re.compile(r"[^\W\d][-.\w·]*")
_BUILTIN: Mapping[str, Callable[[str], bool]] = {
    names.q(names.XS, name): fits
    for name, fits in {
        "boolean": lambda text: text in {"true", "false", "1", "0"},
        "int": _whole(-(2**31), 2**31 - 1),
        "integer": _whole(),
        "long": _whole(-(2**63), 2**63 - 1),
        "short": _whole(-(2**15), 2**15 - 1),
        "byte": _whole(-128, 127),
        "unsignedInt": _whole(0, 2**32 - 1),
        "unsignedLong": _whole(0),
        "unsignedShort": _whole(0, 2**16 - 1),
        "unsignedByte": _whole(0, 255),
        "nonNegativeInteger": _whole(0),
        "positiveInteger": _whole(1),
        "float": _pattern(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|-?INF|NaN"),
        "double": _pattern(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|-?INF|NaN"),
        "decimal": _pattern(r"[+-]?(\d+(\.\d*)?|\.\d+)"),
        "dateTime": _pattern(
            r"-?\d{4,}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T(([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?|24:00:00)" + _ZONE
        ),
        "duration": _pattern(r"-?P(?=.)(\d+Y)?(\d+M)?(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?"),
        "NCName": lambda text: _NAME.fullmatch(text) is not None,
        "base64Binary": _pattern(r"[A-Za-z0-9+/\s]*={0,2}\s*"),
        "hexBinary": _pattern(r"([0-9a-fA-F]{2})*"),
        "language": _pattern(r"[a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8})*"),
    }.items()
}
