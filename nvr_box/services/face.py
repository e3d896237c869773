"""The box's ONVIF face: device management, events and Profile G on a listener of their own, found by discovery."""

import asyncio
import contextlib
import logging
import ssl
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from aiohttp import web

from base.errors import Error, HostError, StoreError
from base.settings_file import Stored
from base.steady import kept_up
from nvr_box.box import BoxContext
from nvr_box.services.archive import BoxArchive
from nvr_box.services.jobs import Jobs
from nvr_box.services.receiver import Receivers, receiver_service
from nvr_box.services.recording import RecordingControl, recording_service
from nvr_box.services.recording_state_events import publish_recordings
from nvr_box.services.recordings_view import ASKING, Catalogue
from nvr_box.services.replay import Replay, replay_service
from nvr_box.services.replay_ports import ReplayPorts
from nvr_box.services.searches import RecordingSearch, search_service
from onvif.access import access_class
from onvif.auth import Authenticator
from onvif.connection_bounds import ConnectionLimit, bound_connections
from onvif.device.host import DeviceHost, device_identity, restart_process
from onvif.device.ports import DevicePorts
from onvif.device_state import DeviceState
from onvif.discovery.messages import DEVICE
from onvif.events import Bus
from onvif.events.settings_damage import publish_damage
from onvif.events.topics import RECORDER
from onvif.platform import RecordedPlatform
from onvif.rtsp.replay import ReplayServer
from onvif.rtsp.tunnel import Tunnels
from onvif.server import SoapServer
from onvif.service import Call, Handler, Reply, Service
from onvif.services.device import device_service
from onvif.services.device_context import DeviceIdentity
from onvif.services.device_reach import guard
from onvif.services.events import EventService, event_service
from onvif.services.first_account import ensure_administrator
from onvif.users import AccessClass, User

log = logging.getLogger(__name__)
_PUBLISH_EVERY_S = 1.0
_READING = frozenset({
    AccessClass.PRE_AUTH, AccessClass.READ_SYSTEM, AccessClass.READ_SYSTEM_SENSITIVE, AccessClass.READ_SYSTEM_SECRET,
    AccessClass.READ_MEDIA,
})  # fmt: skip
_NAMESPACE = uuid.UUID("0d3c6f0e-52c8-4e9a-b7b6-0f53f0f5c3a1")
"""Of the endpoint identifiers that are made from box identifiers; any fixed value does."""


class OnvifFace:
    """The services over one box.

    Args:
        serial: the box's identifier.
        restart: ends the process so that it is started again.
        tls: the certificate for HTTPS and RTSPS; None for a box without one.

    Raises:
        StoreError: a settings file cannot be used.
    """

    def __init__(
        self,
        box: BoxContext,
        serial: str,
        *,
        restart: Callable[[], None] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.box = box
        folder = box.config.state / "onvif"
        self.device = Stored(folder / "device.json", DeviceState())
        self.catalogue = Catalogue(box, folder)
        ensure_administrator(self.device, folder)
        offset = timedelta(seconds=self.device.value.clock.offset_s)
        self.platform = RecordedPlatform(restart or restart_process, offset)
        self.bus = Bus(RECORDER)
        publish_damage(self.bus, self.device, self.catalogue.state)
        self.authenticator = Authenticator(self._accounts, realm="veilcam", now=self.platform.now)
        self.events = EventService(self.bus, now=self.platform.now)
        self.jobs = Jobs(self.catalogue)
        self.control = RecordingControl(self.catalogue, self.jobs, self.bus)
        self.receivers = Receivers(self.catalogue, self.jobs, self.bus)
        self.search = RecordingSearch(self.catalogue, self.jobs)
        self.replay = ReplayServer(BoxArchive(self.catalogue), self.authenticator)
        config = box.config.onvif
        operator = {"HTTP": (True, config.port), "RTSP": (True, config.replay_port)}
        if tls is not None:
            operator["HTTPS"] = (config.https, config.https_port)
        self.replay_ports = ReplayPorts(self.replay, config, tls)
        self.ports = DevicePorts(
            config.host, self.device, operator=operator, where="onvif.port", rtsp=self.replay_ports, tls=lambda: tls
        )
        self.host = DeviceHost(
            _identity(box.config.name, serial), self.device, self.ports, types=(DEVICE,), address=config.host
        )
        self.server = SoapServer(self._services(), self.authenticator, now=self.platform.now, refused=self._refused)

    @property
    def port(self) -> int:
        """Of the services without TLS, 0 while that is closed."""
        return self.ports.http

    def replay_port(self) -> int:
        """Of the RTSP server that replays recordings."""
        return self.replay.port

    def application(self) -> web.Application:
        app = web.Application(client_max_size=2 << 20, middlewares=[guard(self.device)])
        app.add_routes(self.server.routes())
        bound_connections(app, ConnectionLimit())
        Tunnels(lambda: self.replay.port_of("inner"), self.replay.origins).install(app)
        app.cleanup_ctx.append(self.events.running)
        app.cleanup_ctx.append(self._publishing_states)
        return app

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve until the block ends.

        Raises:
            StoreError: the port cannot be listened on.
        """
        await self.jobs.reconcile()
        self._keep_sessions()
        self.catalogue.state.listen(lambda _before, _after: self._keep_sessions())
        config = self.box.config.onvif
        try:
            await self.replay_ports.start()
            async with self.host.serving(self.application(), discovery=config.discovery):
                if self.ports.wanted()["RTSP"][0] and not self.replay.port:
                    raise HostError(f"onvif.replay_port {config.replay_port} cannot be listened on")
                yield
        finally:
            await self.replay_ports.stop()

    def _services(self) -> Sequence[Service]:
        context = self.host.context(self.platform, lambda: self.server.services, self._factory_default)
        services = (
            device_service(context),
            event_service(self.events),
            recording_service(self.control),
            search_service(self.search),
            replay_service(Replay(self.catalogue, self.replay_port, lambda: self.replay.port_of("tls"))),
            receiver_service(self.receivers),
        )
        return tuple(
            replace(each, handlers={name: self._answering(handler) for name, handler in each.handlers.items()})
            for each in services
        )

    def _answering(self, handler: Handler) -> Handler:
        """The same under the name of the user that asks, with what changes something in the audit log."""

        async def answer(call: Call) -> Reply:
            name = call.user.name if call.user else "nobody"
            acting = ASKING.set(name)
            try:
                if access_class(call.operation) not in _READING:
                    # Before it is done: what cannot be written down does not happen.
                    await self.box.audit.write(name, "onvif", operation=call.operation.name, peer=call.http.remote)
                return await handler(call)
            finally:
                ASKING.reset(acting)

        return answer

    async def _refused(self, user: User, operation: str, peer: str) -> None:
        try:
            await self.box.audit.write(user.name, "onvif", granted=False, operation=operation, peer=peer)
        except StoreError as problem:
            # It is refused either way.
            log.error("a refusal is not in the audit log: %s", problem)  # noqa: TRY400 - an operator's sentence

    def _accounts(self) -> dict[str, User]:
        return {user.name: user for user in self.device.value.users}

    def _factory_default(self, hard: bool) -> None:  # noqa: FBT001 - the shape of DeviceContext
        kept = self.device.value
        if hard:
            self.device.reset()
            ensure_administrator(self.device, self.box.config.state / "onvif")
        else:
            self.device.reset(users=kept.users, hostname=kept.hostname, interfaces=kept.interfaces)
        self.catalogue.state.reset(next_number=self.catalogue.state.value.next_number)

    async def _publishing_states(self, _app: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(kept_up("ONVIF states", self._publish_states), name="onvif states")
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _publish_states(self) -> None:
        """The states of jobs, receivers and recordings follow from the recorders; look and say what changed."""
        while True:
            try:
                await self.jobs.reconcile()
            except Error as error:
                # The disk refuses for now: recorders go on as they do, the next turn tries again.
                log.debug("recording jobs: %s", error)
            self.control.publish_states()
            self.receivers.publish_states()
            publish_recordings(self.catalogue, self.bus)
            await asyncio.sleep(_PUBLISH_EVERY_S)

    def _keep_sessions(self) -> None:
        """Let replay sessions last as SetReplayConfiguration says."""
        self.replay.timeout_s = float(self.catalogue.state.value.session_timeout_s)


def initial_password(state: Path) -> Path:
    """Where the first administrator's password is left when the box is new."""
    return state / "onvif" / "initial-password"


def _identity(name: str, serial: str) -> DeviceIdentity:
    return device_identity(
        "box", name, serial, hardware="veilcam-box", namespace=_NAMESPACE,
        scopes=("type/Network_Video_Storage", "Profile/G"),
    )  # fmt: skip
