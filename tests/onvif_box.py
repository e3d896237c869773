"""A box behind its ONVIF face for tests: real store, roster, recordings and recorders, cameras that are away."""

import asyncio
import contextlib
from types import SimpleNamespace

from nvr_box.accounts.users import Accounts
from nvr_box.audit.log import Audit
from nvr_box.box import BoxContext
from nvr_box.cameras.camera_store import CameraRow, CameraStore
from nvr_box.cameras.cameras import Cameras, PairingOffers
from nvr_box.config import BoxConfig, OnvifConfig, RecordConfig
from nvr_box.db.database import Store
from nvr_box.record import gop_index
from nvr_box.record.recordings import Recordings
from nvr_box.record.retention import Retention
from nvr_box.record.segments import Segment, Segments
from nvr_box.services.face import OnvifFace
from onvif import names
from onvif.users import Level
from tests.onvif_camera import ACCOUNTS, PASSWORDS, Client
from wire.keys import Identity, SigningKey

START_US = 1_790_000_000_000_000
MINUTE_US = 60_000_000
PATHS = {
    names.TDS: "/onvif/device_service", names.TEV: "/onvif/events", names.TRC: "/onvif/recording",
    names.TSE: "/onvif/search", names.TRP: "/onvif/replay", names.TRV: "/onvif/receiver",
}  # fmt: skip


def segment(camera, number):
    """One minute on disk; number 2 leaves a hole in front of it."""
    start_us = START_US + number * MINUTE_US + (30_000_000 if number >= 2 else 0)
    return Segment(0, camera, start_us, start_us + MINUTE_US, f"{camera}/{number}.mp4", 1000, b"x" * 32,
                   'video/mp4; codecs="avc1.640020"', gop_index.pack(((0, 0),)), locked=False)  # fmt: skip


class Running:
    """The face and who asks it."""

    def __init__(self, face, box):
        self.face, self.box = face, box
        self.base = f"http://127.0.0.1:{face.port}"
        self.clients = []

    def client(self, level=Level.ADMINISTRATOR):
        password = PASSWORDS.get(level, "")
        self.clients.append(Client(self.base, level.lower() if password else "", password, PATHS))
        return self.clients[-1]


@contextlib.asynccontextmanager
async def running(state, *, cameras=2, restarted=lambda: None, record=None, device="", uri="", tls=None):
    """The face on a free port over a box with two cameras, three recorded minutes each.

    Args:
        record: called with (segments, camera) instead, to put something that plays on disk.
        tls: the certificate for HTTPS and RTSPS.
        device, uri: where the first camera really is: its device service, its stream.
    """
    config = BoxConfig(state=state, onvif=OnvifConfig(), record=RecordConfig())
    (state / "recordings").mkdir(parents=True, exist_ok=True)
    store = Store.open(state / "box.db")
    try:
        audit = Audit(store)
        users, roster = Accounts(store, audit), CameraStore(store)
        await users.load()
        await roster.load()
        segments = Segments(store, state / "recordings")
        while len(roster.all()) < cameras:
            number = len(roster.all()) + 1
            xaddr = (number == 1 and device) or f"http://192.0.2.{number}/onvif/device_service"
            stream = (number == 1 and uri) or f"rtsp://192.0.2.{number}:554/main"
            fresh = CameraRow(0, f"Camera {number}", xaddr, "administrator" if device else "admin", stream, "main",
                           "Maker", "Model", f"S-{number}", None, None, None, paired=False, sealed_to="",
                           recording=False, added_utc_us=START_US)  # fmt: skip
            password = PASSWORDS[Level.ADMINISTRATOR] if device else "secret"
            added = await roster.add(fresh, password, None, "test")
            if record is not None:
                await asyncio.to_thread(record, segments, added.camera)
                continue
            for minute in range(3):
                segments.add(segment(added.camera, minute))
        recordings = Recordings(segments, audit)
        introduction = PairingOffers(
            Identity.generate(), SigningKey.generate(), lambda _camera_id: (), "", "", lambda: 0
        )
        retention = Retention(store, state / "recordings", config.record)
        listed = Cameras(roster, audit, recordings=recordings, segments=segments, retention=retention,
                         introduction=introduction, segment_s=60)  # fmt: skip
        used = {"config": config, "audit": audit, "users": users, "cameras": listed, "recordings": recordings}
        box = BoxContext(**{name: used.get(name, SimpleNamespace()) for name in BoxContext.__slots__})
        face = OnvifFace(box, "0123456789abcdef", restart=restarted, tls=tls)
        if len(face.device.value.users) < len(ACCOUNTS):
            face.device.change(users=ACCOUNTS)
        watching = asyncio.create_task(listed.run())
        async with face.running():
            started = Running(face, box)
            try:
                yield started
            finally:
                for client in started.clients:
                    await client.carrier.close()
                watching.cancel()  # which ends the recorders
                await asyncio.gather(watching, return_exceptions=True)
    finally:
        store.close()
