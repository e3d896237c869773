"""The SOAP server: one aiohttp handler for every ONVIF path; the QName of the Body's child chooses the operation.

The order is that of a careful device: size, an empty body (libcurl and others send one first, to be challenged), XML,
operation, credentials and access class, values, handler, reply. Whatever arrives gets an answer: a reply, a
fault or a 401.
"""

import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

from aiohttp import web
from lxml import etree
from zeep.exceptions import ValidationError

from base import refusals
from base.errors import Error
from onvif import names, soap
from onvif.access import access_class
from onvif.auth import Authenticator
from onvif.connection_bounds import read_in_time
from onvif.errors import RECEIVER, Fault, NotAuthorized, NotOnvif, fault_of
from onvif.names import q
from onvif.registry import Operation, OperationRegistry, load
from onvif.reply_cache import ReplyCache, key_of
from onvif.service import Call, Handler, Reply, Service
from onvif.users import AccessClass, User, may

LARGEST_REQUEST = 1 << 20
"""Bytes; the largest legitimate requests are certificate uploads of some tens of kilobytes."""
_BODY_S = 20.0
_ROOT = "/onvif"
log = logging.getLogger(__name__)


class SoapServer:
    """The services of one device behind one aiohttp application.

    Args:
        services: what the device offers; the first handler of a request element wins.
        authenticator: tells users by their credentials.
        now: the device's clock in UTC.
        registry: the WSDLs, loaded when left out.
        refused: called with a user that may not call an operation, its name, and the client's address.
    """

    def __init__(
        self,
        services: Sequence[Service],
        authenticator: Authenticator,
        *,
        now: Callable[[], datetime],
        registry: OperationRegistry | None = None,
        refused: Callable[[User, str, str], Awaitable[None]] | None = None,
    ) -> None:
        self.services = tuple(services)
        self.authenticator = authenticator
        self._now, self._refused = now, refused
        self._registry = registry or load()
        self._rendered = ReplyCache()
        self._handlers: dict[str, Handler] = {}
        for offered in self.services:
            for name, handler in offered.handlers.items():
                if name not in self._registry.operations:
                    raise ValueError(f"{name} is no operation of the vendored WSDLs")
                self._handlers.setdefault(name, handler)
            capabilities = q(offered.namespace, "GetServiceCapabilities")
            if capabilities in self._registry.operations:
                self._handlers.setdefault(capabilities, _capabilities_of(offered))

    @property
    def operations(self) -> Mapping[str, Operation]:
        """What this device answers, by the Clark name of the request element."""
        return {name: self._registry.operations[name] for name in self._handlers}

    def routes(self) -> list[web.RouteDef]:
        """POST on every service's path and below its extra paths."""
        paths = {offered.path for offered in self.services}
        below = {prefix for offered in self.services for prefix in offered.extra_paths}
        return [
            *(web.post(f"{path}{slash}", self.answer) for path in sorted(paths) for slash in ("", "/")),
            *(web.post(f"{prefix.rstrip('/')}/{{tail:.*}}", self.answer) for prefix in sorted(below)),
            web.post(f"{_ROOT}/{{tail:.*}}", self.lost),
        ]

    async def lost(self, request: web.Request) -> web.Response:
        """Answer a request at a path below `/onvif` where no service is: a fault, which is what SOAP clients read."""
        reason = f"there is no service at {request.path[:80]}"
        return _fault(None, Fault(reason, "ActionNotSupported", code=RECEIVER, status=404))

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one HTTP request; never raises for what the client sent."""
        envelope: soap.Envelope | None = None
        try:
            body = await read_in_time(request, most=LARGEST_REQUEST, limit_s=_BODY_S)
            if not body.strip():
                raise NotAuthorized("credentials first")
            envelope = soap.parse(body, limit=LARGEST_REQUEST)
            return await self._dispatch(request, envelope)
        except NotAuthorized as refusal:
            return self._challenge(envelope, refusal)
        except Fault as fault:
            return _fault(envelope, fault)
        except NotOnvif as problem:
            return _fault(None, Fault(str(problem), "WellFormed"))
        except Error as problem:
            if refusals.hides(problem):
                log.error("%s", problem)  # noqa: TRY400 - an operator's sentence
            return _fault(envelope, fault_of(problem))
        except web.HTTPRequestTimeout:
            return _fault(None, Fault(f"a request may take at most {_BODY_S:g} s", "InvalidArgs", status=408))
        except web.HTTPRequestEntityTooLarge:
            return _fault(None, Fault(f"a request may have at most {LARGEST_REQUEST} bytes", "InvalidArgs", status=413))

    async def _dispatch(self, request: web.Request, envelope: soap.Envelope) -> web.Response:
        if envelope.body is None:
            raise Fault("the SOAP Body is empty", "InvalidArgs")
        tag = str(envelope.body.tag)
        operation, handler = self._registry.operations.get(tag), self._handlers.get(tag)
        user = await self._authorized(request, envelope, operation)
        if operation is None or handler is None:
            raise Fault(f"this device does not offer {tag}", "ActionNotSupported", code=RECEIVER)
        values = operation.decode_request(envelope.body)
        call = Call(operation, values, envelope.body, envelope.header, user, request, self._now())
        try:
            content = self._render(operation, envelope, await handler(call))
        except (ValidationError, TypeError, KeyError, AttributeError, ValueError, LookupError) as bug:
            # A handler's reply that does not fit the schema is our error, not the client's: it gets a fault and we a
            # traceback in the log; the device goes on serving.
            log.exception("%s failed", operation.name)
            raise Fault("the device could not build its answer", "Action", code=RECEIVER) from bug
        return _xml(content, envelope.version)

    def _render(self, operation: Operation, envelope: soap.Envelope, reply: Reply) -> bytes:
        key = content = None
        if not isinstance(reply, etree._Element):
            with contextlib.suppress(TypeError):
                key = (operation.request, envelope.version, key_of(reply))
                content = self._rendered.get(key)
        if content is None:
            content = soap.plain_reply(envelope.version, _encoded(operation, reply))
            if key is not None:
                self._rendered.set(key, content)
        return soap.addressed(envelope, content, action=operation.reply_action)

    async def _authorized(
        self, request: web.Request, envelope: soap.Envelope, operation: Operation | None
    ) -> User | None:
        # An operation of the class PRE_AUTH is answered whatever credentials come along: a client whose clock is wrong
        # sends a refusable token with the very GetSystemDateAndTime that would put it right.
        access = access_class(operation) if operation is not None else AccessClass.READ_SYSTEM
        if access is AccessClass.PRE_AUTH:
            return None
        token = self.authenticator.from_token(envelope.header, request.remote or "")
        user = token or self.authenticator.from_http(request)
        if user is None:
            raise NotAuthorized("this needs credentials")
        if not may(user.level, access):
            name = operation.name if operation is not None else "this"
            if self._refused is not None:
                await self._refused(user, name, request.remote or "")
            raise Fault(f"{name} is not for users of the level {user.level}", "NotAuthorized")
        return user

    def _challenge(self, envelope: soap.Envelope | None, refusal: NotAuthorized) -> web.Response:
        # Sent in SOAP too, for clients that read the fault instead of the status.
        fault = Fault(str(refusal), "NotAuthorized", status=401)
        response = _fault(envelope, fault)
        for challenge in self.authenticator.challenges(stale=refusal.stale, md5_first=True):
            response.headers.add("WWW-Authenticate", challenge)
        return response


def _capabilities_of(offered: Service) -> Handler:
    async def get_service_capabilities(_call: Call) -> Reply:
        return {"Capabilities": offered.capabilities()}

    return get_service_capabilities


def _encoded(operation: Operation, reply: Reply) -> etree._Element:
    if isinstance(reply, etree._Element):
        return reply
    return operation.encode_reply(reply or {})


def _fault(envelope: soap.Envelope | None, fault: Fault) -> web.Response:
    version = envelope.version if envelope is not None else names.ENV12
    return _xml(soap.fault_reply(envelope, fault), version, status=fault.status)


def _xml(content: bytes, version: str, *, status: int = 200) -> web.Response:
    return web.Response(body=content, status=status, content_type=soap.CONTENT_TYPE[version], charset="utf-8")
