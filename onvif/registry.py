"""Every operation of the vendored WSDLs, with zeep as the codec between XML and Python values.

One generated document imports the fifteen services, so that they share one schema: half a second and 16 MiB instead of
three seconds and 65 MiB for fifteen separate loads. Nothing is fetched: addresses that the schemas give as URLs are
answered from the vendored files, any other is refused. zeep is a client library; what is used of it here beyond its
documented face (`binding._operations`, `message.body`) is confined to this file, pinned, and checked when loading.
"""

import contextlib
import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any

from lxml import etree
from zeep import Settings
from zeep.exceptions import Error as ZeepError
from zeep.wsdl import Document
from zeep.xsd import Element, Schema
from zeep.xsd.context import XmlParserContext

from base.errors import StoreError
from onvif import names
from onvif.reply_cache import ReplyCache, key_of
from onvif.values import Checker, MalformedRequest

ROOT = Path(str(files("onvif") / "wsdl"))
SERVICES: Mapping[str, str] = {
    names.TDS: "ver10/device/wsdl/devicemgmt.wsdl",
    names.TRT: "ver10/media/wsdl/media.wsdl",
    names.TR2: "ver20/media/wsdl/media.wsdl",
    names.TIMG: "ver20/imaging/wsdl/imaging.wsdl",
    names.TPTZ: "ver20/ptz/wsdl/ptz.wsdl",
    names.TEV: "ver10/events/wsdl/event.wsdl",
    names.TAN: "ver20/analytics/wsdl/analytics.wsdl",
    names.TMD: "ver10/deviceio.wsdl",
    names.TRC: "ver10/recording.wsdl",
    names.TSE: "ver10/search.wsdl",
    names.TRP: "ver10/replay.wsdl",
    names.TRV: "ver10/receiver.wsdl",
    names.TAS: "ver10/advancedsecurity/wsdl/advancedsecurity.wsdl",
    names.TTH: "ver10/thermal/wsdl/thermal.wsdl",
    names.TPV: "ver10/provisioning/wsdl/provisioning.wsdl",
}
_BY_URL = {
    "http://www.w3.org/2001/xml.xsd": "schema/common/xml.xsd",
    "http://www.w3.org/2009/01/xml.xsd": "schema/common/xml.xsd",
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: its names, its WS-Addressing actions and its two body elements."""

    name: str
    service: str
    """Namespace of the service whose WSDL declares it."""
    request: str
    """Clark name of the request's body element; what a server dispatches on."""
    response: str | None
    action: str
    reply_action: str
    _input: Element
    _output: Element | None
    _schema: Schema
    _checker: Checker

    def decode_request(self, element: etree._Element) -> Any:
        """The request as zeep value (attributes by name, lists for repeated elements), its values checked.

        Raises:
            InvalidValue: a value outside its type (ONVIF answers ter:InvalidArgVal).
            MalformedRequest: an element is missing, unknown or misplaced (ter:InvalidArgs).
        """
        self._checker.check(element, self._input.type)
        return self._parse(self._input, element)

    def decode_reply(self, element: etree._Element, *, strict: bool = True) -> Any:
        """The reply as zeep value; `strict=False` reads past the schema errors that real devices make."""
        if self._output is None:
            return None
        return self._parse(self._output, element, strict=strict)

    def encode_request(self, values: Mapping[str, Any]) -> etree._Element:
        return _render(self._input, values)

    def encode_reply(self, values: Mapping[str, Any]) -> etree._Element:
        """Raises zeep's ValidationError or TypeError when the handler's values do not fit the schema."""
        if self._output is None:
            raise TypeError(f"{self.name} has no reply")
        return _render(self._output, values)

    def _parse(self, body: Element, element: etree._Element, *, strict: bool = True) -> Any:
        return _parsed(body, element, self._schema, strict=strict)


@dataclass(frozen=True, slots=True)
class OperationRegistry:
    operations: Mapping[str, Operation]
    """By the Clark name of the request element."""
    schema: Schema
    _elements: ReplyCache = field(default_factory=ReplyCache)

    def operation(self, service: str, name: str) -> Operation:
        """By the service's namespace and the operation's name; KeyError when the WSDLs have none."""
        for operation in self.operations.values():
            if operation.name == name and operation.service == service:
                return operation
        raise KeyError(f"{service} has no operation {name}")

    def element(self, namespace: str, name: str, values: Mapping[str, Any]) -> etree._Element:
        """A global element of the schemas, rendered from values; for what travels in xsd:any.

        Rendered once for the same values: the capabilities of eight services took 15 ms at each GetServices, which
        no client needs credentials for.
        """
        key = None
        with contextlib.suppress(TypeError):
            key = (namespace, name, key_of(values))
            if (known := self._elements.get(key)) is not None:
                return etree.fromstring(known)
        rendered = _render(self.schema.get_element(names.q(namespace, name)), values)
        if key is not None:
            self._elements.set(key, etree.tostring(rendered))
        return rendered

    def read(self, element: etree._Element, *, strict: bool = True) -> Any:
        """The value of a global element that the schemas know; for what arrived in xsd:any."""
        try:
            known = self.schema.get_element(str(element.tag))
        except (ZeepError, LookupError, ValueError) as problem:
            raise MalformedRequest(f"{element.tag} is no element of the schemas") from problem
        return _parsed(known, element, self.schema, strict=strict)

    def value(self, type_name: str, namespace: str = names.TT, **values: Any) -> Any:
        """A value of a named type, for places where the schema leaves the type open."""
        return self.schema.get_type(names.q(namespace, type_name))(**values)


@cache
def load() -> OperationRegistry:
    """Read the vendored WSDLs; once per process, later calls return the same object.

    Raises:
        StoreError: a vendored file is missing or altered, or zeep no longer is the one this was written for.
    """
    _verify()
    # zeep logs a traceback for each value it cannot convert; requests are checked first, devices are often wrong.
    logging.getLogger("zeep.xsd").setLevel(logging.CRITICAL)
    document = Document(BytesIO(_aggregate()), _Vendored(), base=f"{ROOT}/all.wsdl", settings=_SETTINGS)
    checker = Checker.of(ROOT)
    operations: dict[str, Operation] = {}
    for definition in document._definitions.values():
        for binding in definition.bindings.values():
            for found in binding._operations.values():
                operation = _operation(found, definition.target_namespace, document.types, checker)
                if operation.service in SERVICES:
                    # Some port types are bound twice: by the OASIS document and by ONVIF's; the names are the same.
                    operations.setdefault(operation.request, operation)
    if len(operations) < 400:
        raise StoreError(f"only {len(operations)} operations found in the vendored WSDLs: zeep has changed")
    return OperationRegistry(operations, document.types)


_SETTINGS = Settings(strict=True, forbid_dtd=True, forbid_entities=True, forbid_external=False)


class _Vendored:
    """What zeep calls a transport: it may read the vendored files and nothing else."""

    def load(self, url: str) -> bytes:
        path = (ROOT / _BY_URL.get(url, url)).resolve()
        if not path.is_relative_to(ROOT.resolve()):
            raise StoreError(f"a schema imports {url}, which is not among the vendored files")
        return path.read_bytes()


def _aggregate() -> bytes:
    imports = "".join(f'<import namespace="{namespace}" location="{path}"/>' for namespace, path in SERVICES.items())
    wsdl = "http://schemas.xmlsoap.org/wsdl/"
    return f'<definitions xmlns="{wsdl}" targetNamespace="urn:all">{imports}</definitions>'.encode()


def _verify() -> None:
    listed = [line.split("  ", 1) for line in (ROOT / "MANIFEST.sha256").read_text().splitlines()]
    for digest, name in listed:
        try:
            content = (ROOT / name).read_bytes()
        except OSError as problem:
            raise StoreError(f"the vendored schema {name} cannot be read: {problem}") from problem
        if hashlib.sha256(content).hexdigest() != digest:
            raise StoreError(f"the vendored schema {name} is not the published one (sha256 differs)")


def _operation(found: Any, namespace: str, schema: Schema, checker: Checker) -> Operation:
    body = found.input.body
    reply = found.output.body if found.output is not None else None
    # The notification operations are declared by OASIS in its own namespace and bound by ONVIF's event service.
    service = names.TEV if namespace.startswith("http://docs.oasis-open.org/") else namespace
    action = found.soapaction or ""
    return Operation(
        name=found.name,
        service=service,
        request=body.qname.text,
        response=reply.qname.text if reply is not None else None,
        action=action,
        reply_action=f"{action.removesuffix('Request')}Response",
        _input=body,
        _output=reply,
        _schema=schema,
        _checker=checker,
    )


def _parsed(known: Element, element: etree._Element, schema: Schema, *, strict: bool) -> Any:
    try:
        with schema.settings(strict=strict, xsd_ignore_sequence_order=not strict):
            return known.parse(element, schema, context=XmlParserContext(settings=schema.settings))
    except (ZeepError, ValueError, TypeError, AttributeError, LookupError) as problem:
        # zeep reports what does not fit by its own errors, and a few shapes (an attribute on a simple type, a bad
        # QName in xsi:type) by whatever its parser stumbles over; all of them mean the same here.
        raise MalformedRequest(f"{etree.QName(element).localname}: {problem}") from problem


def _render(element: Element, values: Mapping[str, Any]) -> etree._Element:
    # The usual prefixes are in scope, so that QNames in values are written with them and outlive the clean-up.
    holder = etree.Element("holder", nsmap=dict(names.PREFIXES))
    element.render(holder, element(**values))
    return holder[0]
