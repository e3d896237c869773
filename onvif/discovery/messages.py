"""The WS-Discovery messages: bytes ↔ dataclasses, matching of types and scopes. No sockets, no clocks.

WS-Discovery (April 2005) 4 to 6 with WS-Addressing (August 2004), SOAP 1.2; ONVIF Core 26.06, 7.3. Some clients use the
later WS-Addressing (August 2005): they are read as well, and answered in their own.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from lxml import etree

from onvif.errors import NotOnvif
from onvif.names import DN, ENV11, ENV12, TDS, WSA, WSA04, WSD, q, split
from onvif.xml import read

MAX_DATAGRAM = 65507
TO_ALL = "urn:schemas-xmlsoap-org:ws:2005:04:discovery"
ANONYMOUS = f"{WSA04}/role/anonymous"
_ANONYMOUS = {WSA04: ANONYMOUS, WSA: f"{WSA}/anonymous"}
VIDEO_TRANSMITTER = q(DN, "NetworkVideoTransmitter")
DEVICE = q(TDS, "Device")
_BY_NAME = {"NetworkVideoTransmitter": VIDEO_TRANSMITTER, "Device": DEVICE}

_RULES = {f"{WSD}/{name}" for name in ("rfc2396", "rfc3986", "strcmp0", "none")}
_PREFIXES = {"env": ENV12, "wsa": WSA04, "d": WSD, "dn": DN, "tds": TDS}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a device says about itself.

    Args:
        address: its stable name, `urn:uuid:…`.
        types: Clark names, VIDEO_TRANSMITTER and DEVICE for a camera.
        scopes: URIs without blanks.
        xaddrs: where its device service answers.
        metadata_version: grows whenever anything above changes.
    """

    address: str
    types: tuple[str, ...]
    scopes: tuple[str, ...]
    xaddrs: tuple[str, ...]
    metadata_version: int = 1


@dataclass(frozen=True, slots=True)
class Message:
    """One datagram's head: its action (`Probe`, `Hello`, …), identity and the message that it answers."""

    action: str
    message_id: str
    relates_to: str
    reply_to: str
    body: etree._Element
    addressing: str = WSA04
    """Namespace of its WS-Addressing."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Which devices are wanted: all of `types`, all of `scopes` by `rule`."""

    types: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    rule: str = f"{WSD}/rfc3986"

    @property
    def understood(self) -> bool:
        """Whether the matching rule is one that we know; others are answered with nothing, or a fault by unicast."""
        return self.rule in _RULES

    def matches(self, endpoint: Endpoint) -> bool:
        return (
            self.understood
            and set(self.types) <= set(endpoint.types)
            and all(any(scope_matches(wanted, own, self.rule) for own in endpoint.scopes) for wanted in self.scopes)
        )


def scope_matches(wanted: str, own: str, rule: str) -> bool:
    """WS-Discovery 5.1: by rfc2396/3986 scheme and authority agree in any case, the path is a prefix in segments."""
    if rule == f"{WSD}/none":
        return False
    if rule == f"{WSD}/strcmp0":
        return wanted == own
    try:
        ours, theirs = urlsplit(own), urlsplit(wanted)
    except ValueError:
        return False
    if (ours.scheme.lower(), ours.netloc.lower()) != (theirs.scheme.lower(), theirs.netloc.lower()):
        return False
    wanted_path = [unquote(segment) for segment in theirs.path.split("/") if segment]
    own_path = [unquote(segment) for segment in ours.path.split("/") if segment]
    # A scope with `.` or `..` never matches (5.1, rule rfc2396).
    return not {".", ".."} & set(wanted_path + own_path) and own_path[: len(wanted_path)] == wanted_path


def parse(data: bytes) -> Message:
    """The message in one datagram.

    Raises:
        NotOnvif: not XML, not SOAP, or without the headers that WS-Discovery demands.
    """
    # C programs send the zero behind their strings.
    root = read(data.rstrip(b"\0"), limit=MAX_DATAGRAM, what="The discovery message")
    namespace, name = split(str(root.tag))
    if namespace not in {ENV11, ENV12} or name != "Envelope":
        raise NotOnvif("The discovery message is no SOAP envelope.")
    header, body = root.find(q(namespace, "Header")), root.find(q(namespace, "Body"))
    if header is None or body is None or len(body) == 0:
        raise NotOnvif("The discovery message lacks a header or a body.")
    used = WSA if header.find(q(WSA, "Action")) is not None else WSA04
    action = _text(header, q(used, "Action"))
    if not action.startswith(f"{WSD}/"):
        raise NotOnvif(f"The action {action[:80]!r} is none of WS-Discovery.")
    return Message(
        action.removeprefix(f"{WSD}/"),
        _text(header, q(used, "MessageID"))[:256],
        _text(header, q(used, "RelatesTo"))[:256],
        _text(header, f"{q(used, 'ReplyTo')}/{q(used, 'Address')}"),
        body[0],
        used,
    )


def parse_probe(message: Message) -> Probe:
    """Raises NotOnvif when the body is no Probe."""
    if message.body.tag != q(WSD, "Probe"):
        raise NotOnvif("The body is no Probe.")
    scopes = message.body.find(q(WSD, "Scopes"))
    rule = (scopes.get("MatchBy") if scopes is not None else None) or f"{WSD}/rfc3986"
    wanted = tuple((scopes.text or "").split()) if scopes is not None else ()
    return Probe(_types(message.body.find(q(WSD, "Types"))), wanted[:64], rule.strip())


def parse_resolve(message: Message) -> str:
    """The endpoint address that is searched for. Raises NotOnvif when the body is no Resolve."""
    if message.body.tag != q(WSD, "Resolve"):
        raise NotOnvif("The body is no Resolve.")
    return _text(message.body, _reference_path(message.addressing))


def parse_endpoints(message: Message) -> tuple[Endpoint, ...]:
    """What ProbeMatches, ResolveMatches, Hello or Bye say; a match without an address is left out."""
    root = message.body
    nodes = [root] if split(str(root.tag))[1] in {"Hello", "Bye"} else list(root)
    found = []
    for node in nodes[:256]:
        address = _text(node, _reference_path(message.addressing))
        if not address:
            continue
        types = _types(node.find(q(WSD, "Types")))
        version = _text(node, q(WSD, "MetadataVersion"))
        found.append(
            Endpoint(
                address[:256],
                types,
                tuple(_text(node, q(WSD, "Scopes")).split())[:256],
                tuple(_text(node, q(WSD, "XAddrs")).split())[:16],
                int(version) if version.isascii() and version.isdigit() and len(version) < 10 else 0,
            )
        )
    return tuple(found)


def hello(endpoint: Endpoint, sequence: tuple[int, int]) -> bytes:
    body = _described("Hello", endpoint)
    return _envelope("Hello", body, to=TO_ALL, sequence=sequence)


def bye(endpoint: Endpoint, sequence: tuple[int, int]) -> bytes:
    body = etree.Element(q(WSD, "Bye"))
    body.append(_reference(endpoint.address))
    return _envelope("Bye", body, to=TO_ALL, sequence=sequence)


def matches(request: Message, endpoints: Iterable[Endpoint], sequence: tuple[int, int]) -> bytes:
    """ProbeMatches or ResolveMatches, whichever `request` wants."""
    kind = "Resolve" if request.action == "Resolve" else "Probe"
    body = etree.Element(q(WSD, f"{kind}Matches"))
    for endpoint in endpoints:
        body.append(_described(f"{kind}Match", endpoint, request.addressing))
    return _envelope(
        f"{kind}Matches", body, to=request.reply_to or _ANONYMOUS[request.addressing], sequence=sequence,
        relates_to=request.message_id, addressing=request.addressing,
    )  # fmt: skip


def rule_not_supported(request: Message, sequence: tuple[int, int]) -> bytes:
    """The fault for an unknown MatchBy, sent to unicast probes only (WS-Discovery 5.2)."""
    fault = etree.Element(q(ENV12, "Fault"))
    code = etree.SubElement(fault, q(ENV12, "Code"))
    etree.SubElement(code, q(ENV12, "Value")).text = "env:Sender"
    subcode = etree.SubElement(code, q(ENV12, "Subcode"))
    etree.SubElement(subcode, q(ENV12, "Value")).text = "d:MatchingRuleNotSupported"
    reason = etree.SubElement(etree.SubElement(fault, q(ENV12, "Reason")), q(ENV12, "Text"))
    reason.text = "The matching rule specified is not supported."
    reason.set("{http://www.w3.org/XML/1998/namespace}lang", "en")
    detail = etree.SubElement(fault, q(ENV12, "Detail"))
    etree.SubElement(detail, q(WSD, "SupportedMatchingRules")).text = " ".join(sorted(_RULES))
    return _envelope(
        "fault", fault, to=request.reply_to or _ANONYMOUS[request.addressing], sequence=sequence,
        relates_to=request.message_id, addressing=request.addressing,
    )  # fmt: skip


def probe(types: Sequence[str] = (), scopes: Sequence[str] = ()) -> tuple[str, bytes]:
    """(message id, datagram) of a Probe; types are Clark names of the `dn` or `tds` namespace."""
    body = etree.Element(q(WSD, "Probe"), nsmap=_PREFIXES)
    etree.SubElement(body, q(WSD, "Types")).text = _qnames(types)
    if scopes:
        etree.SubElement(body, q(WSD, "Scopes")).text = " ".join(scopes)
    message_id = f"urn:uuid:{uuid.uuid4()}"
    return message_id, _envelope("Probe", body, to=TO_ALL, message_id=message_id, reply_to=ANONYMOUS)


def resolve(address: str) -> tuple[str, bytes]:
    """(message id, datagram) of a Resolve for one endpoint address."""
    body = etree.Element(q(WSD, "Resolve"))
    body.append(_reference(address))
    message_id = f"urn:uuid:{uuid.uuid4()}"
    return message_id, _envelope("Resolve", body, to=TO_ALL, message_id=message_id, reply_to=ANONYMOUS)


def _envelope(
    action: str,
    body: etree._Element,
    *,
    to: str,
    sequence: tuple[int, int] | None = None,
    relates_to: str = "",
    message_id: str = "",
    reply_to: str = "",
    addressing: str = WSA04,
) -> bytes:
    envelope = etree.Element(q(ENV12, "Envelope"), nsmap={**_PREFIXES, "wsa": addressing})
    header = etree.SubElement(envelope, q(ENV12, "Header"))
    etree.SubElement(header, q(addressing, "MessageID")).text = message_id or f"urn:uuid:{uuid.uuid4()}"
    if relates_to:
        etree.SubElement(header, q(addressing, "RelatesTo")).text = relates_to
    if reply_to:
        holder = etree.SubElement(header, q(addressing, "ReplyTo"))
        etree.SubElement(holder, q(addressing, "Address")).text = reply_to
    etree.SubElement(header, q(addressing, "To")).text = to
    etree.SubElement(header, q(addressing, "Action")).text = f"{WSD}/{action}"
    if sequence is not None:
        instance, number = sequence
        etree.SubElement(header, q(WSD, "AppSequence"), InstanceId=str(instance), MessageNumber=str(number))
    etree.SubElement(envelope, q(ENV12, "Body")).append(body)
    return etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")


def _described(name: str, endpoint: Endpoint, addressing: str = WSA04) -> etree._Element:
    node = etree.Element(q(WSD, name), nsmap={**_PREFIXES, "wsa": addressing})
    node.append(_reference(endpoint.address, addressing))
    etree.SubElement(node, q(WSD, "Types")).text = _qnames(endpoint.types)
    etree.SubElement(node, q(WSD, "Scopes")).text = " ".join(endpoint.scopes)
    etree.SubElement(node, q(WSD, "XAddrs")).text = " ".join(endpoint.xaddrs)
    etree.SubElement(node, q(WSD, "MetadataVersion")).text = str(endpoint.metadata_version)
    return node


def _reference(address: str, addressing: str = WSA04) -> etree._Element:
    reference = etree.Element(q(addressing, "EndpointReference"), nsmap={"wsa": addressing})
    etree.SubElement(reference, q(addressing, "Address")).text = address
    return reference


def _reference_path(addressing: str) -> str:
    return f"{q(addressing, 'EndpointReference')}/{q(addressing, 'Address')}"


def _qnames(types: Iterable[str]) -> str:
    prefix_of = {uri: prefix for prefix, uri in _PREFIXES.items()}
    return " ".join(f"{prefix_of[namespace]}:{name}" for namespace, name in map(split, types))


def _types(element: etree._Element | None) -> tuple[str, ...]:
    """xs:list of xs:QName, resolved by the element's own declarations: clients choose any prefix they like.

    Several clients and devices declare none; what they mean is known by its local name.
    """
    names = []
    for word in ((element.text or "") if element is not None else "").split()[:64]:
        prefix, _, local = word.rpartition(":")
        namespace = element.nsmap.get(prefix or None) if element is not None else None
        if prefix and namespace is None:
            names.append(_BY_NAME.get(local, word))
        else:
            names.append(f"{{{namespace}}}{local}" if namespace else local)
    return tuple(names)


def _text(element: etree._Element, path: str) -> str:
    return (element.findtext(path) or "").strip()
