"""How a service states what it answers: handlers for operations, a path and its capabilities.

    class ImagingService:
        @operation("GetImagingSettings")
        async def get_imaging_settings(self, call: Call) -> Reply:
            if call.request.VideoSourceToken != self._source:
                raise invalid("no such video source", "NoSource")
            return {"ImagingSettings": {...}}

    service(ImagingService(...), names.TIMG, path="/onvif/imaging", capabilities=lambda: {"ImageStabilization": False})

`GetServiceCapabilities` is answered by the server from the same `capabilities` that `GetServices` and
`GetCapabilities` show, so that they cannot disagree.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from aiohttp import web
from lxml import etree

from onvif import names
from onvif.registry import Operation
from onvif.users import User

Reply = Mapping[str, Any] | etree._Element | None
"""Values in the shape of the reply element; or the ready body element; or None for an empty reply."""


@dataclass(frozen=True, slots=True)
class Call:
    """One authorised request on its way to a handler."""

    operation: Operation
    request: Any
    """zeep value of the body: attributes by element name, lists where the schema repeats, None where absent.
    A request element without any content or attribute decodes to None."""
    element: etree._Element
    """The body element itself, for mixed content and xsd:any, which zeep drops."""
    headers: etree._Element | None
    """The SOAP Header element."""
    user: User | None
    """None for an operation of the class PRE_AUTH called without credentials."""
    http: web.Request
    received: datetime

    @property
    def base_url(self) -> str:
        """Scheme, host and port by which the client reached us, without a trailing slash."""
        return f"{self.http.scheme}://{authority(self.http)}"

    @property
    def host(self) -> str:
        """The host by which the client reached us, without the port; an IPv6 address keeps its brackets."""
        return _split(authority(self.http))[0]

    @property
    def path(self) -> str:
        return self.http.path


def authority(request: web.BaseRequest) -> str:
    """Host and port by which a client reached us.

    Some clients leave the port out of Host, and HTTP/1.0 knows no Host: the port, and at need the address, are then
    those of the connection. An address of ours without its port would lead to whatever listens on port 80.
    """
    ours = request.transport.get_extra_info("sockname") if request.transport is not None else None
    host, port = _split(request.headers.get("Host", "").strip())
    if not host and ours is not None:
        address = str(ours[0]).partition("%")[0]
        host = f"[{address}]" if ":" in address else address
    if not port and ours is not None and int(ours[1]) != {"http": 80, "https": 443}[request.scheme]:
        port = str(ours[1])
    return f"{host or 'localhost'}:{port}" if port else host or "localhost"


def _split(text: str) -> tuple[str, str]:
    """Host, with the brackets of an IPv6 address, and port; either may be empty."""
    if text.startswith("["):
        host, _, rest = text.partition("]")
        return f"{host}]", rest.removeprefix(":")
    host, _, port = text.partition(":")
    return host, port


Handler = Callable[[Call], Awaitable[Reply]]
_Method = TypeVar("_Method", bound=Callable[..., Awaitable[Reply]])


def operation(name: str, namespace: str | None = None) -> Callable[[_Method], _Method]:
    """Mark a method as the handler of an operation.

    Args:
        name: local name of the request's body element.
        namespace: its namespace where it is not the service's own (`names.WSNT` for Renew, Unsubscribe, Subscribe).
    """

    def mark(method: _Method) -> _Method:
        method.__dict__["onvif_operation"] = (namespace, name)
        return method

    return mark


@dataclass(frozen=True, slots=True)
class Service:
    """One ONVIF service as a device offers it."""

    namespace: str
    path: str
    handlers: Mapping[str, Handler]
    """By the Clark name of the request element."""
    capabilities: Callable[[], Mapping[str, Any]]
    """Values of the service's own `Capabilities` element; evaluated at each call, for settings may change it."""
    version: tuple[int, int] = (26, 6)
    extra_paths: tuple[str, ...] = field(default=())
    """Prefixes of further paths that belong to this service: subscription managers, for one."""


def service(
    implementation: object | tuple[object, ...],
    namespace: str,
    *,
    path: str,
    capabilities: Callable[[], Mapping[str, Any]],
    version: tuple[int, int] = (26, 6),
    extra_paths: tuple[str, ...] = (),
) -> Service:
    """Collect the marked methods of one object, or of several that make one service together."""
    handlers: dict[str, Handler] = {}
    for part in implementation if isinstance(implementation, tuple) else (implementation,):
        for attribute in dir(type(part)):
            marked = getattr(getattr(type(part), attribute), "onvif_operation", None)
            if marked is not None:
                own_namespace, name = marked
                handlers[names.q(own_namespace or namespace, name)] = getattr(part, attribute)
    return Service(namespace, path, handlers, capabilities, version, extra_paths)
