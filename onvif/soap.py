"""SOAP 1.1 and 1.2 envelopes: reading requests and replies, writing replies and faults, WS-Addressing.

SOAP 1.2 Part 1 (second edition) 5; WS-Addressing 1.0 SOAP Binding; ONVIF Core 26.06, 5.11 (faults) and 5.9 (events).
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from lxml import etree

from onvif import names
from onvif.errors import Fault, NotOnvif
from onvif.names import q
from onvif.xml import read

CONTENT_TYPE = {names.ENV12: "application/soap+xml", names.ENV11: "text/xml"}
_FAULT_CODE_11 = {"Sender": "Client", "Receiver": "Server"}


@dataclass(frozen=True, slots=True)
class Envelope:
    """One SOAP message taken apart."""

    version: str
    """Namespace of the envelope: `names.ENV12` or `names.ENV11`."""
    header: etree._Element | None
    body: etree._Element | None
    """The first child of Body, None when Body is empty."""

    @property
    def addressed(self) -> bool:
        """Whether it carries WS-Addressing headers, which the reply then relates to."""
        return bool(self.addressing("MessageID") or self.addressing("Action"))

    def addressing(self, name: str) -> str:
        """Text of a WS-Addressing header block in either of its namespaces, empty when absent."""
        if self.header is None:
            return ""
        for namespace in (names.WSA, names.WSA04):
            found = self.header.find(q(namespace, name))
            if found is not None:
                return (found.text or "").strip()
        return ""


def parse(data: bytes, *, limit: int) -> Envelope:
    """Take a message apart; raises NotOnvif for anything that is not one SOAP envelope of at most `limit` bytes."""
    root = read(data, limit=limit, what="SOAP message")
    namespace, name = names.split(str(root.tag))
    if name != "Envelope" or namespace not in CONTENT_TYPE:
        raise NotOnvif(f"the document is a {name} in {namespace or 'no namespace'}, not a SOAP envelope")
    body = root.find(q(namespace, "Body"))
    if body is None:
        raise NotOnvif("the SOAP envelope has no Body")
    first = next(body.iterchildren(tag=etree.Element), None)
    return Envelope(namespace, root.find(q(namespace, "Header")), first)


def request(body: etree._Element, *, action: str = "", to: str = "", headers: Sequence[etree._Element] = ()) -> bytes:
    """A SOAP 1.2 request; WS-Addressing headers when `action` is given."""
    header = list(headers)
    if action:
        header += [_text(q(names.WSA, "Action"), action), _text(q(names.WSA, "MessageID"), f"urn:uuid:{uuid.uuid4()}"),
                   _text(q(names.WSA, "To"), to)]  # fmt: skip
        reply_to = etree.Element(q(names.WSA, "ReplyTo"))
        etree.SubElement(reply_to, q(names.WSA, "Address")).text = names.WSA_ANONYMOUS
        header.append(reply_to)
    return _envelope(names.ENV12, header, body)


def reply(envelope: Envelope, body: etree._Element, *, action: str) -> bytes:
    """The reply to a request, in its SOAP version, with WS-Addressing headers when the request carried them."""
    return addressed(envelope, plain_reply(envelope.version, body), action=action)


def plain_reply(version: str, body: etree._Element) -> bytes:
    """A reply without headers, which is the same for every client with the same request."""
    return _envelope(version, [], body)


def addressed(envelope: Envelope, plain: bytes, *, action: str) -> bytes:
    """A `plain_reply` with the WS-Addressing headers that answer a request; as it is where that carried none."""
    blocks = _addressing(envelope, action)
    if not blocks:
        return plain
    header = etree.Element(q(envelope.version, "Header"), nsmap={"env": envelope.version, "wsa": names.WSA})
    header.extend(blocks)
    return plain.replace(b"<env:Body", etree.tostring(header, encoding="utf-8") + b"<env:Body", 1)


def fault_reply(envelope: Envelope | None, fault: Fault) -> bytes:
    """A fault in the version of the request (1.2 when that could not be read)."""
    version = envelope.version if envelope is not None else names.ENV12
    headers = [] if envelope is None else _addressing(envelope, names.WSA_SOAP_FAULT_ACTION)
    body = _fault11(fault) if version == names.ENV11 else _fault12(fault)
    return _envelope(version, headers, body)


def read_fault(element: etree._Element, status: int) -> Fault:
    """The Fault that a peer's Fault element means; anything missing is read as empty."""
    namespace, _ = names.split(str(element.tag))
    if namespace == names.ENV11:
        code, reason = element.findtext("faultcode") or "", element.findtext("faultstring") or ""
        detail = element.find("detail")
        local = code.rpartition(":")[2]
        parts = [part for part in local.split(".") if part not in {"Client", "Server"}]
        return Fault(reason.strip() or local, *parts, code="Sender" if "Client" in local else "Receiver",
                     detail=detail, status=status)  # fmt: skip
    values = [(value.text or "").strip().rpartition(":")[2] for value in element.iter(q(names.ENV12, "Value"))]
    text = element.find(f"{q(names.ENV12, 'Reason')}/{q(names.ENV12, 'Text')}")
    reason = "".join(map(str, text.itertext())).strip() if text is not None else ""
    code, subcodes = (values[0], values[1:]) if values else ("Receiver", [])
    return Fault(reason or "/".join(values), *subcodes, code=code, status=status,
                 detail=element.find(q(names.ENV12, "Detail")))  # fmt: skip


def _addressing(envelope: Envelope, action: str) -> list[etree._Element]:
    if not envelope.addressed:
        return []
    message_id = envelope.addressing("MessageID")
    blocks = [_text(q(names.WSA, "Action"), action), _text(q(names.WSA, "MessageID"), f"urn:uuid:{uuid.uuid4()}"),
              _text(q(names.WSA, "To"), names.WSA_ANONYMOUS)]  # fmt: skip
    if message_id:
        blocks.append(_text(q(names.WSA, "RelatesTo"), message_id))
    return blocks


def _fault12(fault: Fault) -> etree._Element:
    element = etree.Element(q(names.ENV12, "Fault"))
    holder = etree.SubElement(element, q(names.ENV12, "Code"))
    etree.SubElement(holder, q(names.ENV12, "Value")).text = f"env:{fault.code}"
    for subcode in fault.subcodes:
        holder = etree.SubElement(holder, q(names.ENV12, "Subcode"))
        etree.SubElement(holder, q(names.ENV12, "Value")).text = f"ter:{subcode}"
    reason = etree.SubElement(element, q(names.ENV12, "Reason"))
    text = etree.SubElement(reason, q(names.ENV12, "Text"))
    text.set("{http://www.w3.org/XML/1998/namespace}lang", "en")
    text.text = fault.reason
    if isinstance(fault.detail, etree._Element):
        etree.SubElement(element, q(names.ENV12, "Detail")).append(fault.detail)
    return element


def _fault11(fault: Fault) -> etree._Element:
    # SOAP 1.1 has no subcodes; the innermost one is put after the code, as its 4.4.1 allows.
    element = etree.Element(q(names.ENV11, "Fault"))
    code = _FAULT_CODE_11.get(fault.code, fault.code)
    etree.SubElement(element, "faultcode").text = ".".join((f"env:{code}", *fault.subcodes))
    etree.SubElement(element, "faultstring").text = fault.reason
    if isinstance(fault.detail, etree._Element):
        etree.SubElement(element, "detail").append(fault.detail)
    return element


def _envelope(version: str, header: list[etree._Element], body: etree._Element) -> bytes:
    # The well-known prefixes stand at the root because QNames in text (ter:InvalidArgVal, tns1:…) need them there,
    # and because clients that match on text find the names they expect.
    root = etree.Element(q(version, "Envelope"), nsmap={"env": version, **names.PREFIXES})
    if header:
        etree.SubElement(root, q(version, "Header")).extend(header)
    etree.SubElement(root, q(version, "Body")).append(body)

    etree.cleanup_namespaces(root, top_nsmap=names.PREFIXES, keep_ns_prefixes=_KEPT)
    return b'<?xml version="1.0" encoding="UTF-8"?>' + etree.tostring(root, encoding="utf-8")


_KEPT = ["tt", "tns1", "xs", "xsi", "tds", "wsnt", "ter", "tan", "vc"]
"""Prefixes that QNames in text and attributes use, which no serialiser can see."""


def _text(tag: str, text: str) -> etree._Element:
    element = etree.Element(tag)
    element.text = text
    return element
