"""Calling operations and judging the answers: by the schemas under XSD 1.1, by strict decoding, by access class."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from lxml import etree

from onvif import names
from onvif.errors import Fault, NotAuthorized, OnvifError
from onvif.registry import load
from onvif.soap_transport import SoapTransport
from onvif.users import AccessClass, Level, may
from tests.onvif_schema import problems

LEVELS = json.loads((Path(__file__).parent / "levels.json").read_text())
"""By `prefix:Operation`: the level in each profile (M, C, O) and the access class of the specification."""

DEADLY = {"tds:SystemReboot", "tds:SetSystemFactoryDefault"}
_MOVED = {"tmd:GetRelayOutputs": "tds:GetRelayOutputs", "tmd:SetRelayOutputState": "tds:SetRelayOutputState"}
"""Operations of the Device IO service that its WSDL takes from device management."""


@dataclass
class Outcome:
    """What is known about one operation of one device.

    Args:
        valid: it answered, and both opinions found the answer valid.
        why: otherwise, in sentences.
        access: whether each of the four levels is let in or refused as the specification says; None if not asked.
    """

    valid: bool = False
    why: list[str] = field(default_factory=list)
    access: bool | None = None


@dataclass
class Device:
    """A device under test, asked as administrator.

    Args:
        base: scheme, host and port.
        accounts: user name and password by level, without Anonymous.
        outcomes: filled by `ask`.
        invalid: replies that were not valid, as sentences.
    """

    base: str
    accounts: dict
    outcomes: dict = field(default_factory=dict)
    invalid: list = field(default_factory=list)
    services: dict = field(default_factory=dict)
    _carriers: dict = field(default_factory=dict)

    async def close(self):
        for carrier in self._carriers.values():
            await carrier.close()

    async def find_services(self):
        reply = await self.ask("tds:GetServices", to=f"{self.base}/onvif/device_service", IncludeCapability=True)
        self.services = {str(service.Namespace): str(service.XAddr) for service in reply.Service}

    async def ask(self, key, *, to="", wait_s=0.0, **values):
        """Call one operation, judge the answer, return it strictly decoded; None when it is no valid answer."""
        operation = find(key)
        outcome = self.outcomes.setdefault(key, Outcome())
        url = to or self.services.get(operation.service, "")
        if not url:
            outcome.why = ["the device does not offer the service"]
            return None
        try:
            body = operation.encode_request(values)
            reply = await self._as(Level.ADMINISTRATOR).request(url, body, action=operation.action, wait_s=wait_s)
        except OnvifError as refused:
            outcome.valid, outcome.why = False, [str(refused)]
            return None
        if str(reply.tag) != operation.response:
            self.invalid.append(f"{key}: answered with {reply.tag}")
        if not self.judge(key, reply):
            return None
        decoded = operation.decode_reply(reply)
        return decoded if decoded is not None else True

    def judge(self, key, element):
        """Let both opinions look at a body element; whether it is valid."""
        wrong = problems(element)
        try:
            decode = find(key).decode_request if key == "tev:Notify" else find(key).decode_reply
            decode(element)
        except OnvifError as refused:
            wrong.append(f"strict decoding: {refused}")
        self.invalid += [f"{key}: {sentence}" for sentence in wrong]
        self.outcomes[key] = Outcome(valid=not wrong, why=wrong)
        return not wrong

    async def check_access(self, key):
        """Ask as each of the four levels, with a body that no device may execute, and compare with the class."""
        wanted = LEVELS[key]["access"]
        operation = find(key)
        url = self.services.get(operation.service)
        if wanted is None or url is None:
            return
        right = True
        for level in Level:
            allowed = may(level, AccessClass(wanted))
            if allowed and key in DEADLY:
                continue
            right = right and await self._let_in(operation, url, level) == allowed
        self.outcomes[key].access = right

    async def _let_in(self, operation, url, level):
        body = etree.Element(operation.request)
        etree.SubElement(body, names.q("urn:veilcam:test", "Nonsense")).text = "x"
        try:
            await self._as(level).request(url, body, action=operation.action)
        except NotAuthorized:
            return False
        except Fault as fault:
            return "NotAuthorized" not in fault.subcodes
        return True

    def _as(self, level):
        if level not in self._carriers:
            user, password = self.accounts.get(level, ("", ""))
            self._carriers[level] = SoapTransport(user, password, timeout_s=60)
        return self._carriers[level]


def find(key):
    """The registry's operation for `prefix:Operation (remark)`; KeyError when the WSDLs have none."""
    prefix, _, name = _MOVED.get(key, key).partition(" (")[0].partition(":")
    return load().operation(names.PREFIXES[prefix], name)
