"""The list of added cameras: rows in the database, a copy in memory. Belongs to the event loop."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from base.errors import Conflict, NotFound
from nvr_box.audit import log as audit
from nvr_box.cameras.sign_ins import SignIn
from nvr_box.db import cameras as camera_rows
from nvr_box.db import events as event_rows
from nvr_box.db import feeds as feed_rows
from nvr_box.db import packets as packet_rows
from nvr_box.db import retention as retention_rows
from nvr_box.db.database import Store
from nvr_box.db.link import Link


@dataclass(frozen=True, slots=True)
class CameraRow:
    """A camera that was added.

    Attributes:
        camera_id, signing_key: hex; None for a camera of another make.
        sealed_to: ids of the keys that it was last given to seal the originals to, hex, by blanks.
    """

    camera: int
    name: str
    xaddr: str
    user: str
    stream_uri: str
    profile: str
    manufacturer: str
    model: str
    serial: str
    camera_id: str | None
    signing_key: str | None
    appearance_model: str | None
    paired: bool
    recording: bool
    added_utc_us: int
    sealed_to: str = ""

    @property
    def device(self) -> bool:
        """Whether there is a camera behind it: else an ONVIF client made a recording without one."""
        return bool(self.xaddr)

    @property
    def veilcam(self) -> bool:
        """Whether it is one of ours: masks, recovers and describes."""
        return self.camera_id is not None

    @property
    def fingerprint(self) -> str:
        """What to compare with the camera's own print-out: SHA-256 of the signing key, 16 bytes in groups of four."""
        if self.signing_key is None:
            return ""
        text = hashlib.sha256(bytes.fromhex(self.signing_key)).hexdigest()[:32]
        return " ".join(text[at : at + 4] for at in range(0, 32, 4))


class CameraStore:
    """Rows ⇔ memory. A removed camera keeps its row, so that its recordings keep their number."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cameras: dict[int, CameraRow] = {}
        self._passwords: dict[int, str] = {}
        self._streams: dict[int, tuple[str, str]] = {}
        self._sign_ins: dict[int, SignIn] = {}

    async def load(self) -> None:
        """Read the rows; before anything else."""
        for password, *fields in await self._store.read(camera_rows.every):
            camera = _camera(fields)
            self._cameras[camera.camera] = camera
            self._passwords[camera.camera] = str(password)
        self._streams = await self._store.read(camera_rows.stream_accounts)

    def all(self) -> tuple[CameraRow, ...]:
        """In order of adding."""
        return tuple(self._cameras.values())

    def get(self, camera: int) -> CameraRow:
        """One camera; `StoreError` when there is none."""
        try:
            return self._cameras[camera]
        except KeyError as error:
            raise NotFound(f"there is no camera {camera}") from error

    def password(self, camera: int) -> str:
        """What the box signs in with."""
        return self._passwords[camera]

    def stream_account(self, camera: int) -> tuple[str, str]:
        """Name and password for its streams: of the account that it made for them, else what the box signs in with."""
        return self._streams.get(camera) or (self._cameras[camera].user, self._passwords[camera])

    def sign_in(self, camera: int) -> SignIn:
        """Whether its account may be tried now; a sign-in reports how it went."""
        return self._sign_ins.setdefault(camera, SignIn())

    async def packets(self, camera: int) -> int:
        """How many passages of it are stored."""
        return await self._store.read(lambda link: packet_rows.count_of(link, camera))

    async def add(
        self,
        fresh: CameraRow,
        password: str,
        push_token: str | None,
        actor: str,
        *,
        stream: tuple[str, str] | None = None,
    ) -> CameraRow:
        """A new row; the old one of a camera of ours that comes back, so that its recordings are its own again.

        Raises:
            StoreError: a camera of this id was here with another key; or the disk refuses.
        """

        def change(link: Link) -> CameraRow:
            row = camera_rows.known_by(link, fresh.camera_id)
            if row and row[1] not in (None, fresh.signing_key):
                raise Conflict(f"a camera {fresh.camera_id} with another key was here before")
            number = row[0] if row else camera_rows.begin(link)
            camera = replace(fresh, camera=number)
            _update(link, camera)
            camera_rows.add_secrets(link, number, password, push_token)
            camera_rows.set_stream_account(link, number, stream)
            details: dict[str, audit.Detail] = {"name": camera.name, "xaddr": camera.xaddr, "paired": camera.paired}
            audit.append(link, actor, "camera-add", camera=number, reason="", granted=True, details=details)
            return camera

        camera = await self._store.write(change)
        self._cameras[camera.camera] = camera
        self._passwords[camera.camera] = password
        self._remember_stream(camera.camera, stream)
        return camera

    async def save(
        self,
        camera: CameraRow,
        entry: Callable[[Link], audit.AuditEntry] | None,
        *,
        push_token: str | None = None,
        stream: tuple[str, str] | None = None,
        password: str | None = None,
    ) -> None:
        """Write a changed camera, with its audit entry in the same transaction.

        Args:
            push_token, stream: come with another pairing, and only then: the account for the streams (None for none).
        """

        def change(link: Link) -> None:
            _update(link, camera)
            if push_token is not None:
                camera_rows.set_push_token(link, camera.camera, push_token)
                camera_rows.set_stream_account(link, camera.camera, stream)
            if password is not None:
                camera_rows.set_password(link, camera.camera, password)
            if entry:
                entry(link)

        await self._store.write(change)
        self._cameras[camera.camera] = camera
        if push_token is not None:
            self._remember_stream(camera.camera, stream)
        if password is not None:
            self._passwords[camera.camera] = password
            self.sign_in(camera.camera).accepted()

    async def keep(self, camera: int, keep_s: int, entry: Callable[[Link], audit.AuditEntry]) -> None:
        """How long its recordings may be kept at most; 0 for no limit of its own."""

        def change(link: Link) -> None:
            camera_rows.set_term(link, camera, keep_s)
            entry(link)

        await self._store.write(change)

    async def remove(self, camera: int, *, recordings_too: bool, entry: Callable[[Link], audit.AuditEntry]) -> None:
        """Mark the row as removed; with `recordings_too` whatever of it is neither locked nor on hold as garbage."""

        def change(link: Link) -> None:
            feed_rows.remove(link, camera)
            camera_rows.remove(link, camera)
            if recordings_too:
                retention_rows.mark_loose(link, camera)
                packet_rows.remove_of(link, camera)
                event_rows.remove_of(link, camera)
            entry(link)

        await self._store.write(change)
        self._cameras.pop(camera, None)
        self._passwords.pop(camera, None)
        self._streams.pop(camera, None)
        self._sign_ins.pop(camera, None)
        await self._store.scrub()  # its passwords

    def _remember_stream(self, camera: int, stream: tuple[str, str] | None) -> None:
        self._streams.pop(camera, None)
        if stream is not None:
            self._streams[camera] = stream


def _update(link: Link, camera: CameraRow) -> None:
    camera_rows.update(
        link,
        camera.camera,
        (
            camera.name,
            camera.xaddr,
            camera.user,
            camera.stream_uri,
            camera.profile,
            camera.manufacturer,
            camera.model,
            camera.serial,
            camera.camera_id,
            camera.signing_key,
            camera.appearance_model,
            int(camera.paired),
            int(camera.recording),
            camera.added_utc_us,
            camera.sealed_to,
        ),
    )


def _camera(fields: Sequence[object]) -> CameraRow:
    values = dict(zip(CameraRow.__dataclass_fields__, fields, strict=True))
    values["paired"], values["recording"] = bool(values["paired"]), bool(values["recording"])
    return CameraRow(**values)  # type: ignore[arg-type]  # columns of a STRICT table in the order of the fields


def entry(actor: str, action: str, camera: int, details: dict[str, audit.Detail]) -> Callable[[Link], audit.AuditEntry]:
    """An audit entry to be written in the same transaction as the change."""
    return lambda link: audit.append(link, actor, action, camera=camera, reason="", granted=True, details=details)
