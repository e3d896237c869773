"""The camera's web application: every ONVIF service, snapshots, pairing, discovery; put together in one place."""

import asyncio
import contextlib
import logging
import os
import re
import signal
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from datetime import timedelta
from urllib.parse import quote

from aiohttp import web

from firmware.bound import authorised, authoriser
from firmware.camera import Camera
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
from firmware.services.ports import Ports
from firmware.services.profiles import Profiles
from firmware.services.video import Encoders
from firmware.stream.multicast import Multicasting
from onvif import names
from onvif.auth import Authenticator
from onvif.discovery.messages import DEVICE, VIDEO_TRANSMITTER, Endpoint
from onvif.discovery.multicast import served_by
from onvif.discovery.responder import Responder
from onvif.doorway import Crowd, attend, runner_of
from onvif.host.platform import HostPlatform
from onvif.keystore import Keystore
from onvif.platform import Platform, RecordedPlatform, own_mac
from onvif.rtsp.tunnel import Tunnels
from onvif.server import Server
from onvif.service import Service
from onvif.services.device import PATH as DEVICE_PATH
from onvif.services.device import device_service
from onvif.services.device_context import DeviceContext, DeviceIdentity
from onvif.services.device_reach import guard
from onvif.services.event_brokers import EventBrokers
from onvif.services.events import EventService, event_service
from onvif.services.security import security_service
from onvif.users import AccessClass

REALM = "veilcam"
FIRMWARE_VERSION = "0.1.0"
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

    def __init__(self, camera: Camera, restart: Callable[[], None] | None = None) -> None:
        self.camera = camera
        settings = camera.settings
        self.platform = _platform(camera, restart or _restart)
        self.authenticator = Authenticator(
            settings.accounts, realm=REALM, now=self.platform.now, guard=camera.rtsp.guard
        )
        self.identity = device_identity(camera)
        self.responder = Responder(self._endpoint, interfaces=served_by(camera.config.address))
        self._announcements: set[asyncio.Task[None]] = set()
        self.events = EventService(camera.bus, now=self.platform.now)
        self.multicasting = Multicasting(camera.rtsp, settings.media, camera.group)
        self.keystore = Keystore(camera.config.state, camera.bus)
        self.brokers = EventBrokers(
            camera.config.state, camera.bus, f"veilcam-{camera.config.serial}", keystore=self.keystore,
            profiles=self._described_profiles,
        )  # fmt: skip
        camera.engine.watch(self.brokers.scene)
        self.ports = Ports(
            camera.config, settings.device, self.keystore, own_certificate=self._own_certificate,
            rtsp=camera.rtsp,
        )  # fmt: skip
        self.server = Server(self._services(), self.authenticator, now=self.platform.now)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Answer on the camera's ports, and be found, until the block ends.

        Raises:
            HostError: no port of the web services can be listened on.
        """
        runner = await runner_of(self._application())
        try:
            await self.ports.start(runner)
            if self.camera.config.discovery:
                try:
                    await self.responder.start()
                except OSError as problem:
                    log.error("the camera cannot be discovered: %s", problem)  # noqa: TRY400 - an operator's sentence
            yield
        finally:
            await self.responder.stop()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.5):
                    await runner.cleanup()

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
        attend(app, Crowd())
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
        context = DeviceContext(
            identity=self.identity,
            state=settings.device,
            platform=self.platform,
            services=lambda: self.server.services,
            protocols=self.ports.shown,
            free=self.ports.free,
            announce=self._announce,
            reopen=lambda: self._later(self._move()),
            factory_default=self._factory_default,
        )
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
        addresses = dict.fromkeys(address for one in self.platform.interfaces() for address, _ in one.ipv4)
        self.keystore.ensure_own(self.identity.default_hostname, tuple(addresses))

    def _factory_default(self, hard: bool) -> None:  # noqa: FBT001 - the shape of DeviceContext
        self.camera.settings.factory_default(hard=hard)
        if hard:
            self.keystore.reset()
            self.camera.pairing.forget()

    async def _move(self) -> None:
        """Listen where SetNetworkProtocols says, then tell it: the addresses in the Hello are new."""
        await self.ports.follow()
        await self.responder.hello()

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

    def _endpoint(self, address: str) -> Endpoint | None:
        state = self.camera.settings.device.value
        if not state.discoverable:
            return None
        return Endpoint(
            address=self.identity.endpoint,
            types=(VIDEO_TRANSMITTER, DEVICE),
            scopes=(*self.identity.fixed_scopes, *state.scopes),
            xaddrs=tuple(
                f"{scheme}://{address}:{port}{DEVICE_PATH}"
                for scheme, port in (("http", self.ports.http), ("https", self.ports.https))
                if port
            ),
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


def _platform(camera: Camera, restart: Callable[[], None]) -> Platform:
    if camera.config.host == "own":
        return HostPlatform(restart)
    offset = timedelta(seconds=camera.settings.device.value.clock.offset_s)
    return RecordedPlatform(restart, offset, own_mac(camera.identity.camera_id))


def _restart() -> None:
    """End this process as its supervisor would; the supervisor starts it again."""
    os.kill(os.getpid(), signal.SIGTERM)
