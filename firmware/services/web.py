"""The camera's web application: every ONVIF service, snapshots, pairing, discovery; put together in one place."""

import asyncio
import os
import re
import signal
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from datetime import timedelta
from urllib.parse import quote

from aiohttp import web

from firmware.camera import Camera
from firmware.mask.settings import Pattern
from firmware.services.addresses import Addresses
from firmware.services.analytics import AnalyticsService, analytics_service
from firmware.services.analytics_values import AnalyticsConfiguration
from firmware.services.deviceio import DeviceIoService, device_io_service
from firmware.services.https import Https
from firmware.services.imaging import ImagingService, imaging_service
from firmware.services.masks import MaskOperations
from firmware.services.media import Media, media_service
from firmware.services.media2 import Media2, media2_service
from firmware.services.media_values import MediaValues
from firmware.services.osd import OsdOperations
from firmware.services.profiles import Profiles
from firmware.services.video import Encoders
from onvif import names
from onvif.auth import Authenticator
from onvif.discovery.messages import DEVICE, VIDEO_TRANSMITTER, Endpoint
from onvif.discovery.responder import Responder
from onvif.errors import NotAuthorized
from onvif.platform import RecordedPlatform
from onvif.rtsp.tunnel import Tunnels
from onvif.server import Server
from onvif.service import Service
from onvif.services.device import PATH as DEVICE_PATH
from onvif.services.device import device_service
from onvif.services.device_context import DeviceContext, DeviceIdentity
from onvif.services.device_reach import guard
from onvif.services.event_brokers import EventBrokers
from onvif.services.events import EventService, event_service
from onvif.users import AccessClass, User, may

REALM = "veilcam"
HTTPS_PORT = 443
"""Shown while HTTPS is off and no port was chosen."""
FIRMWARE_VERSION = "0.1.0"
_NAMESPACE = uuid.UUID("6c1f3d6e-6a0e-4e0c-9f0e-7b1b1f4f6a55")
"""Of the endpoint identifiers that are made from serial numbers; any fixed value does."""


def application(camera: Camera) -> web.Application:
    """Everything that the camera answers on its web port; discovery runs while it does."""
    return CameraWeb(camera, _restart).application()


class CameraWeb:
    """The parts of one camera's web application and how they reach each other.

    Args:
        restart: ends the process so that it is started again.
    """

    def __init__(self, camera: Camera, restart: Callable[[], None]) -> None:
        self.camera = camera
        settings = camera.settings
        self.platform = RecordedPlatform(restart, timedelta(seconds=settings.device.value.clock.offset_s))
        self.authenticator = Authenticator(settings.accounts, realm=REALM, now=self.platform.now)
        self.identity = device_identity(camera)
        self.responder = Responder(self._endpoint)
        self._announcements: set[asyncio.Task[None]] = set()
        self.events = EventService(camera.bus, now=self.platform.now)
        self.brokers = EventBrokers(camera.config.state, camera.bus, f"veilcam-{camera.config.serial}")
        self.https = Https(
            self._handlers, self._https_wanted, folder=camera.config.state / "tls", host=camera.config.address,
            name=self.identity.default_hostname,
            addresses=tuple(dict.fromkeys(address for one in self.platform.interfaces() for address, _ in one.ipv4)),
        )  # fmt: skip
        self.server = Server(self._services(), self.authenticator, now=self.platform.now)

    def application(self) -> web.Application:
        app = self._handlers()
        app.cleanup_ctx.extend([self.events.running, self.brokers.running, self.https.running])
        if self.camera.config.discovery:
            app.cleanup_ctx.append(self._discoverable)
        return app

    def _handlers(self) -> web.Application:
        """The routes, for each listener an application of its own."""
        app = web.Application(client_max_size=2 << 20, middlewares=[guard(self.camera.settings.device)])
        app.add_routes(self.server.routes())
        app.add_routes([web.get("/snapshot/{token}.jpeg", self._snapshot)])
        app.add_routes(self.camera.pairing.routes(self._administrator))
        Tunnels(lambda: self.camera.live.rtsp_port).install(app)
        return app

    def _services(self) -> Sequence[Service]:
        camera, settings = self.camera, self.camera.settings
        encoders = Encoders(camera.live, settings)
        profiles = Profiles(settings, encoders, camera.bus)
        values = MediaValues(camera.live, profiles, camera.config.serial)
        addresses = Addresses(camera)
        analytics = AnalyticsConfiguration(camera.engine)
        context = DeviceContext(
            identity=self.identity,
            state=settings.device,
            platform=self.platform,
            services=lambda: self.server.services,
            protocols=self._protocols,
            announce=self._announce,
            reopen=lambda: self._later(self.https.follow()),
            factory_default=lambda hard: settings.factory_default(hard=hard),
        )
        return (
            device_service(context),
            media_service(Media(settings, profiles, encoders, values, addresses, analytics), osd=False),
            media2_service(
                Media2(settings, profiles, encoders, values, addresses, analytics),
                OsdOperations(camera.overlay.settings),
                MaskOperations(camera.polygons, self._mask_type),
                osd=True,
                mask=True,
            ),
            event_service(self.events, self.brokers),
            imaging_service(ImagingService(camera.sensor.settings)),
            analytics_service(
                AnalyticsService(
                    camera.engine,
                    changed=lambda: profiles.configuration_changed(analytics.token, "Analytics"),
                )
            ),
            device_io_service(DeviceIoService()),
        )

    def _mask_type(self) -> str:
        return "Pixelated" if self.camera.live.mask.pattern is Pattern.MOSAIC else "Color"

    def _protocols(self) -> dict[str, tuple[bool, tuple[int, ...]]]:
        stored = {protocol.name: protocol for protocol in self.camera.settings.device.value.protocols}
        enabled, port = self._https_wanted()
        running = {
            "HTTP": (True, (self.camera.web_port,)),
            "HTTPS": (enabled, (self.https.port or port or HTTPS_PORT,)),
            "RTSP": (True, (self.camera.live.rtsp_port,)),
        }
        return {
            name: (stored[name].enabled, stored[name].ports) if name in stored else now for name, now in running.items()
        }

    def _https_wanted(self) -> tuple[bool, int]:
        for protocol in self.camera.settings.device.value.protocols:
            if protocol.name == "HTTPS":
                return protocol.enabled, protocol.ports[0]
        return self.camera.config.https, self.camera.config.https_port

    async def _snapshot(self, request: web.Request) -> web.Response:
        self._authorise(request, AccessClass.READ_MEDIA)
        token = request.match_info["token"]
        if token not in {"main", "sub"}:
            raise web.HTTPNotFound(text="there is no such stream")
        width, height = self.camera.live.size(token)
        jpeg = await asyncio.to_thread(self.camera.live.snapshot, width, height)
        if jpeg is None:
            raise web.HTTPServiceUnavailable(text="there is no picture yet")
        return web.Response(body=jpeg, content_type="image/jpeg", headers={"Cache-Control": "no-store"})

    async def _administrator(self, request: web.Request) -> None:
        self._authorise(request, AccessClass.WRITE_SYSTEM)

    def _authorise(self, request: web.Request, access: AccessClass) -> User:
        try:
            user = self.authenticator.from_http(request)
            if user is None:
                raise NotAuthorized("this needs a user and a password")
        except NotAuthorized as refusal:
            answer = web.HTTPUnauthorized(text=str(refusal))
            for challenge in self.authenticator.challenges(stale=refusal.stale):
                answer.headers.add("WWW-Authenticate", challenge)
            raise answer from refusal
        if not may(user.level, access):
            raise web.HTTPForbidden(text=f"this is not for users of the level {user.level}")
        return user

    async def _discoverable(self, _app: web.Application) -> AsyncIterator[None]:
        await self.responder.start()
        yield
        await self.responder.stop()

    def _endpoint(self, address: str) -> Endpoint | None:
        state = self.camera.settings.device.value
        if not state.discoverable:
            return None
        return Endpoint(
            address=self.identity.endpoint,
            types=(VIDEO_TRANSMITTER, DEVICE),
            scopes=(*self.identity.fixed_scopes, *state.scopes),
            xaddrs=(f"http://{address}:{self.camera.web_port}{DEVICE_PATH}",),
            metadata_version=state.metadata_version,
        )

    def _announce(self) -> None:
        self._later(self.responder.hello())

    def _later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="discovery")
        self._announcements.add(task)
        task.add_done_callback(self._announcements.discard)


def device_identity(camera: Camera) -> DeviceIdentity:
    """Who this camera is; the endpoint follows from the serial number and so outlives every restart."""
    config = camera.config
    name = quote(config.name, safe="")
    return DeviceIdentity(
        manufacturer="Veilcam",
        model="Veilcam camera",
        firmware=FIRMWARE_VERSION,
        serial=config.serial,
        hardware=config.hardware,
        endpoint=f"urn:uuid:{uuid.uuid5(_NAMESPACE, config.serial)}",
        fixed_scopes=(
            f"{names.SCOPE_ROOT}type/video_encoder",
            f"{names.SCOPE_ROOT}type/Network_Video_Transmitter",
            f"{names.SCOPE_ROOT}Profile/Streaming",
            f"{names.SCOPE_ROOT}Profile/T",
            f"{names.SCOPE_ROOT}Profile/M",
            f"{names.SCOPE_ROOT}name/{name}",
            f"{names.SCOPE_ROOT}hardware/{quote(config.hardware, safe='')}",
        ),
        default_hostname=re.sub("[^a-z0-9]+", "-", config.name.lower()).strip("-") or "camera",
    )


def _restart() -> None:
    """End this process as its supervisor would; the supervisor starts it again."""
    os.kill(os.getpid(), signal.SIGTERM)
