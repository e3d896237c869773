"""The camera's web application: every ONVIF service, snapshots, pairing, discovery; put together in one place."""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta

from aiohttp import web

from firmware.bound import authorised, authoriser
from firmware.camera import CameraContext
from firmware.config import CameraConfig
from firmware.mask.settings import Pattern
from firmware.masking import MaskingEndpoint
from firmware.services.addresses import Addresses
from firmware.services.analytics import AnalyticsService, analytics_service
from firmware.services.analytics_values import AnalyticsConfiguration
from firmware.services.configurations import Configurations
from firmware.services.deviceio import DeviceIoService, device_io_service
from firmware.services.imaging import ImagingService, imaging_service
from firmware.services.masks import MaskOperations
from firmware.services.media import Media, media_service
from firmware.services.media2 import Media2, media2_service
from firmware.services.media_values import MediaValues
from firmware.services.osd import OsdOperations
from firmware.services.profiles import Profiles
from firmware.services.rtsp_ports import LiveRtspPorts
from firmware.services.video import Encoders
from firmware.stream.multicast import Multicasting
from onvif.auth import Authenticator
from onvif.connection_bounds import ConnectionLimit, bound_connections
from onvif.device.host import DeviceHost, device_identity, restart_process
from onvif.device.ports import DevicePorts
from onvif.discovery.messages import DEVICE, VIDEO_TRANSMITTER
from onvif.host.platform import HostPlatform
from onvif.keystore import Keystore
from onvif.platform import Platform, RecordedPlatform, own_mac
from onvif.rtsp.tunnel import Tunnels
from onvif.server import SoapServer
from onvif.service import Service
from onvif.services.device import device_service
from onvif.services.device_context import DeviceIdentity
from onvif.services.device_reach import guard
from onvif.services.event_brokers import EventBrokers
from onvif.services.events import EventService, event_service
from onvif.services.security import security_service
from onvif.users import AccessClass

REALM = "veilcam"
log = logging.getLogger(__name__)
_NAMESPACE = uuid.UUID("6c1f3d6e-6a0e-4e0c-9f0e-7b1b1f4f6a55")
"""Of the endpoint identifiers that are made from serial numbers; any fixed value does."""


class CameraWeb:
    """The parts of one camera's web application and how they reach each other.

    Args:
        restart: ends the process so that it is started again, as its supervisor would when left out.

    Raises:
        StoreError: the keystore's file cannot be used.
    """

    def __init__(self, camera: CameraContext, restart: Callable[[], None] | None = None) -> None:
        self.camera = camera
        settings = camera.settings
        self.platform = _platform(camera, restart or restart_process)
        self.authenticator = Authenticator(
            settings.accounts, realm=REALM, now=self.platform.now, guard=camera.rtsp.guard
        )
        self.events = EventService(camera.bus, now=self.platform.now)
        self.multicasting = Multicasting(camera.rtsp, settings.media, camera.group)
        self.keystore = Keystore(camera.config.state, camera.bus)
        self.brokers = EventBrokers(
            camera.config.state, camera.bus, f"veilcam-{camera.config.serial}", keystore=self.keystore,
            profiles=self._described_profiles,
        )  # fmt: skip
        camera.engine.watch(self.brokers.scene)
        config = camera.config
        self.rtsp_ports = LiveRtspPorts(camera.rtsp, config.rtsps_port, self.keystore, self._own_certificate)
        self.ports = DevicePorts(
            config.address, settings.device, where=f"camera {config.name}: web_port", rtsp=self.rtsp_ports,
            tls=self.rtsp_ports.context,
            operator={"HTTP": (True, config.web_port), "HTTPS": (config.https, config.https_port),
                      "RTSP": (True, config.rtsp_port)},
        )  # fmt: skip
        self.host = DeviceHost(
            _identity(config), settings.device, self.ports, types=(VIDEO_TRANSMITTER, DEVICE), address=config.address
        )
        self.server = SoapServer(self._services(), self.authenticator, now=self.platform.now)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Answer on the camera's ports, and be found, until the block ends.

        Raises:
            HostError: no port of the web services can be listened on.
        """
        async with self.host.serving(self._application(), discovery=self.camera.config.discovery):
            yield

    def _application(self) -> web.Application:
        app = web.Application(client_max_size=2 << 20, middlewares=[guard(self.camera.settings.device)])
        app.cleanup_ctx.extend([self.events.running, self.brokers.running, self.multicasting.running])
        app.add_routes(self.server.routes())
        app.add_routes([web.get("/snapshot/{token}.jpeg", self._snapshot)])
        app.add_routes(self.camera.pairing.routes(authoriser(self.authenticator)))
        app.add_routes(self.camera.selection.routes(authoriser(self.authenticator)))
        app.add_routes(self.camera.released.routes(authoriser(self.authenticator)))
        masking = MaskingEndpoint(self.camera.live, self.camera.selection.stored, self.camera.released.stored)
        app.add_routes(masking.routes(authoriser(self.authenticator)))
        bound_connections(app, ConnectionLimit())
        Tunnels(lambda: self.camera.rtsp.inner_port, self.camera.rtsp.origins).install(app)
        return app

    def _services(self) -> Sequence[Service]:
        camera, settings = self.camera, self.camera.settings
        encoders = Encoders(camera.live, settings)
        profiles = Profiles(settings, encoders, camera.bus)
        values = MediaValues(camera.live, profiles, camera.group)
        addresses = Addresses(camera, profiles)
        analytics = AnalyticsConfiguration(camera.engine)
        media = Configurations(settings, profiles, encoders, values, analytics)
        texts = OsdOperations(camera.overlay.settings)
        context = self.host.context(self.platform, lambda: self.server.services, self._factory_default)
        return (
            device_service(context),
            media_service(Media(media, addresses), texts, osd=True),
            media2_service(
                Media2(media, addresses),
                texts,
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
            security_service(self.keystore, lambda: self.ports.wanted()["HTTPS"][0]),
        )

    def _mask_type(self) -> str:
        return "Pixelated" if self.camera.live.mask.pattern is Pattern.MOSAIC else "Color"

    def _described_profiles(self) -> tuple[str, ...]:
        profiles = self.camera.settings.media.value.profiles
        return tuple(profile.token for profile in profiles if profile.analytics)

    def _own_certificate(self) -> None:
        addresses = dict.fromkeys(address for interface in self.platform.interfaces() for address, _ in interface.ipv4)
        self.keystore.ensure_own(self.host.identity.default_hostname, tuple(addresses))

    def _factory_default(self, hard: bool) -> None:  # noqa: FBT001 - the shape of DeviceContext
        self.camera.settings.factory_default(hard=hard)
        if hard:
            self.keystore.reset()
            self.camera.pairing.forget()

    async def _snapshot(self, request: web.Request) -> web.Response:
        authorised(self.authenticator, request, AccessClass.READ_MEDIA)
        token = request.match_info["token"]
        if token not in {"main", "sub"}:
            raise web.HTTPNotFound(text="there is no such stream")
        width, height = self.camera.live.size(token)
        jpeg = await asyncio.to_thread(self.camera.live.snapshot, width, height)
        if jpeg is None:
            raise web.HTTPServiceUnavailable(text="there is no picture yet")
        return web.Response(body=jpeg, content_type="image/jpeg", headers={"Cache-Control": "no-store"})


def _identity(config: CameraConfig) -> DeviceIdentity:
    return device_identity(
        "camera", config.name, config.serial, hardware=config.hardware,
        namespace=_NAMESPACE,
        scopes=("type/video_encoder", "type/Network_Video_Transmitter", "Profile/Streaming", "Profile/T", "Profile/M"),
    )  # fmt: skip


def _platform(camera: CameraContext, restart: Callable[[], None]) -> Platform:
    if camera.config.host == "own":
        return HostPlatform(restart)
    offset = timedelta(seconds=camera.settings.device.value.clock.offset_s)
    return RecordedPlatform(restart, offset, own_mac(camera.identity.camera_id))
