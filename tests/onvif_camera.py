"""A whole camera for tests of its services: the real application over real encoders, without sensor and RTSP server."""

import asyncio
import contextlib
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import numpy as np
from lxml import etree

from base.settings_file import Stored
from firmware import identity
from firmware.analytics.engine import Engine
from firmware.camera import CameraContext
from firmware.camera_topics import CAMERA_TOPICS
from firmware.capture.sources import ClipSource
from firmware.config import CameraConfig
from firmware.encode.protected import ProtectedEncoder
from firmware.encode.settings import EncoderSettings
from firmware.imaging import Sensor
from firmware.mask import polygons
from firmware.mask.exemption import ExemptionPolicy, Selection
from firmware.mask.paint import Painter
from firmware.mask.plan import MaskPlan, Planner
from firmware.mask.settings import MaskSettings
from firmware.osd import Overlay
from firmware.pairing import PairingEndpoint, Pairings
from firmware.released_places import FILE, ReleasedPlaces, ReleasedPlacesEndpoint
from firmware.selection import SelectionEndpoint
from firmware.services.web import CameraWeb
from firmware.settings import Settings
from firmware.stream.channels import MainChannel, SubChannel
from firmware.stream.live import PipelineControl
from firmware.stream.mounts import MountPoints
from firmware.stream.multicast import grouping
from firmware.stream.pipeline import Masked
from firmware.viewer import ViewerAccount
from onvif import names
from onvif.events.bus import Bus
from onvif.registry import load
from onvif.rtsp.serve import RtspServer
from onvif.soap_transport import SoapTransport
from onvif.users import Level, User

WIDTH, HEIGHT, RATE = 192, 128, Fraction(10)
PASSWORDS = {level: f"{level.lower()}-secret" for level in (Level.ADMINISTRATOR, Level.OPERATOR, Level.USER)}
ACCOUNTS = tuple(User(level.lower(), password, level) for level, password in PASSWORDS.items())
PATHS = {
    names.TDS: "/onvif/device_service", names.TRT: "/onvif/media", names.TR2: "/onvif/media2",
    names.TEV: "/onvif/events", names.TIMG: "/onvif/imaging", names.TAN: "/onvif/analytics",
    names.TMD: "/onvif/deviceio", names.TAS: "/onvif/advanced_security",
}  # fmt: skip


class Client:
    """One user of a device.

    Args:
        paths: of the services, by namespace.
    """

    def __init__(self, base, user, password, paths=None):
        self.base = base
        self.paths = paths or PATHS
        self.carrier = SoapTransport(user, password, timeout_s=60)

    async def raw(self, namespace, operation, **values):
        """The reply's body element."""
        found = load().operation(namespace, operation)
        url = self.base + self.paths[namespace]
        return await self.carrier.request(url, found.encode_request(values), action=found.action)

    async def __call__(self, namespace, operation, **values):
        """The reply, decoded strictly."""
        return load().operation(namespace, operation).decode_reply(await self.raw(namespace, operation, **values))

    async def post(self, body, *, path=PATHS[names.TDS], content_type="application/soap+xml", headers=None):
        """Any bytes as one HTTP request without credentials; status and body."""
        url = body_url(self.base, path)
        async with self.carrier.session.post(
            url, data=body, headers={"Content-Type": content_type, **(headers or {})}
        ) as response:
            return response.status, await response.read()


class Running:
    """The camera and who asks it."""

    def __init__(self, camera, web_parts, restarted, base, paths):
        self.camera, self.web, self.restarted, self.base, self.paths = camera, web_parts, restarted, base, paths
        self.clients = []

    def client(self, level=Level.ADMINISTRATOR):
        password = PASSWORDS.get(level, "")
        return self.client_as(level.lower() if password else "", password)

    def client_as(self, user, password):
        self.clients.append(Client(self.base, user, password))
        return self.clients[-1]


def body_url(base, path):
    return path if "://" in path else base + path


def build(state: Path, *, bus=None, https=False, address="127.0.0.1") -> CameraContext:
    """The camera's context over its state folder, as `firmware.app` builds it."""
    config = CameraConfig(name="Test camera", serial="T-1", state=state, source=ClipSource(clip=Path("none.avi")),
                          discovery=False, https=https, address=address, web_port=0, rtsp_port=0)  # fmt: skip
    bus = bus or Bus(CAMERA_TOPICS)
    who = identity.load(state)
    settings = EncoderSettings(gop_frames=20)
    encoder = ProtectedEncoder(WIDTH, HEIGHT, RATE, settings, camera_id=who.camera_id, signer=who.signer)
    live = PipelineControl(
        MainChannel(WIDTH, HEIGHT, RATE, encoder),
        SubChannel(WIDTH, HEIGHT, RATE, settings),
        Planner(WIDTH, HEIGHT, MaskSettings()),
        Painter(WIDTH, HEIGHT, MaskSettings()),
    )
    live.show(Masked(np.full((HEIGHT * 3 // 2, WIDTH), 90, np.uint8), no_mask(), None, 0, 0))
    stored = Settings(config)
    rtsp = RtspServer("127.0.0.1", 0, stored.users)
    chosen = Stored(state / "selection.json", Selection())
    pairing = PairingEndpoint(Pairings(state), who, config.name, config.serial, "none", ViewerAccount(stored.device))
    return CameraContext(config, who, stored, bus, Sensor(state, bus), Engine(state, bus),
                  Overlay(state), polygons.stored(state), live, pairing,
                  SelectionEndpoint(chosen, ExemptionPolicy(None, lambda: chosen.value)),
                  ReleasedPlacesEndpoint(Stored(state / FILE, ReleasedPlaces())),
                  rtsp, grouping(config.serial))  # fmt: skip


def no_mask():
    return MaskPlan(np.zeros((HEIGHT // 16, WIDTH // 16), np.uint8), (), full=False, why="")


@contextlib.asynccontextmanager
async def running(state: Path, *, https=False):
    """The camera behind a free port of loopback, with one account per level."""
    camera = build(state, https=https)
    if len(camera.settings.device.value.users) < len(ACCOUNTS):
        camera.settings.device.change(users=ACCOUNTS)
    restarted = asyncio.Event()
    parts = CameraWeb(camera, restarted.set)
    paths = MountPoints(camera.rtsp, camera.live, camera.settings.media, camera.group)
    camera.rtsp.start()
    try:
        async with parts.serving():
            started = Running(camera, parts, restarted, f"http://127.0.0.1:{parts.ports.http}", paths)
            try:
                yield started
            finally:
                for client in started.clients:
                    await client.carrier.close()
    finally:
        camera.rtsp.stop()
        camera.live.main.close()


def envelope(body, *, version=names.ENV12, header=""):
    """A SOAP message around body text."""
    return (
        f'<s:Envelope xmlns:s="{version}" xmlns:tds="{names.TDS}" xmlns:trt="{names.TRT}" xmlns:tr2="{names.TR2}" '
        f'xmlns:tt="{names.TT}" xmlns:wsa="{names.WSA}"><s:Header>{header}</s:Header>'
        f"<s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def fault_codes(content):
    """Code and subcodes of a fault reply as local names."""
    root = etree.fromstring(content)
    return [value.text.rpartition(":")[2] for value in root.iter(names.q(names.ENV12, "Value"))]


def now():
    return datetime.now(UTC)
