"""Making packages: masked recording, report, manifest; on a right and a passphrase the revealed picture as well."""

import asyncio
import contextlib
import hashlib
import secrets
import shutil
import time
import zipfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from base.clock import utc_us
from base.errors import NotFound, RightRefused, StoreError
from nvr_box.audit.log import Audit
from nvr_box.cameras.camera_store import CameraRow, CameraStore
from nvr_box.config import ExportConfig
from nvr_box.export import manifest, report
from nvr_box.export.budget import Budget, BudgetShare, NoRoom, metered
from nvr_box.export.manifest import Listed, PackageManifest
from nvr_box.export.report import Holding
from nvr_box.keys.store import KeyFolder
from nvr_box.record.media_segment import MediaSegment, Timeline
from nvr_box.record.recordings import Recordings
from nvr_box.reveal.approvals import sound_reason
from nvr_box.reveal.reveals import Reveals, Stretch
from nvr_box.rights import Account, Right

LONGEST_US = 3600 * 1_000_000
_KEPT_S = 900.0
_AT_ONCE = 2
README = """\
A recording of a Veilcam box, with its evidence.

masked-*.mp4    the recording as the camera sent it; plays anywhere, people are masked. The sealed originals are
                inside it; the holder of a key opens them by
                `python -m wire.player masked-1.mp4 OUT.mp4 --identity KEYFILE`.
revealed-*.mp4  if it is there: the originals as they were shown to the person named in the manifest, watermarked.
report.txt      what can be said of the recording without any key; report.json the same for programs.
manifest.json   every file with its SHA-256, signed by the box: manifest.sig (Ed25519). `audit_head` in it is the box's
                signed word for how far its audit log went: a log without that entry was cut.

`python -m nvr_box verify PACKAGE.zip` checks the signature, every file, and the report against the recording.
"""


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What to export. With a passphrase the revealed picture goes with it.

    Attributes:
        point: only the person seen there at `start_us`; bystanders stay masked in the revealed picture.
        approval: the key of an approved request, where reveals need a second person; it says then which person may be
            seen, if only one, and within which time.
    """

    camera: int
    start_us: int
    end_us: int
    reason: str
    passphrase: str = ""
    second_passphrase: str = ""
    approval: str = ""
    point: tuple[float, float] | None = None

    @property
    def stretch(self) -> Stretch:
        """What is to be revealed, where no approval is needed."""
        return Stretch(self.start_us, self.end_us, self.point)

    @property
    def rights(self) -> frozenset[Right]:
        """What it needs."""
        return frozenset({Right.OPERATE, Right.VIEW} | ({Right.REVEAL} if self.passphrase else set()))


@dataclass(frozen=True, slots=True)
class Package:
    """A finished one, on disk for a quarter of an hour. `made_s` is monotonic; fetching it needs `rights`."""

    key: str
    account: str
    camera: int
    rights: frozenset[Right]
    name: str
    path: Path
    bytes: int
    made_s: float


class Exports:
    """Packages of this box. Needs `OPERATE` and `VIEW` for the camera, and `REVEAL` for the revealed picture.

    Args:
        account: an account as it is now by name, None when it was removed. Without it rights are the caller's.
    """

    def __init__(
        self,
        audit: Audit,
        keys: KeyFolder,
        roster: CameraStore,
        recordings: Recordings,
        reveals: Reveals,
        *,
        folder: Path,
        box: str,
        account: Callable[[str], Account | None] | None = None,
        budget: Budget | None = None,
    ) -> None:
        self._audit, self._keys, self._roster, self._account = audit, keys, roster, account
        self._recordings, self._reveals = recordings, reveals
        self._folder, self._box = folder, box
        self._budget = budget or Budget(folder, ExportConfig().budget_mib << 20, 0)
        self._packages: dict[str, Package] = {}
        self._turn = asyncio.Semaphore(_AT_ONCE)
        shutil.rmtree(folder, ignore_errors=True)  # what was not fetched before the last stop

    async def make(self, account: Account, wish: ExportRequest) -> Package:
        """Write a package; the entry in the log is there before anything can be fetched.

        Raises:
            Refused: right, reason, passphrase, or the time is none that can be exported.
            StoreError: nothing is recorded then, or the disk refuses.
        """
        try:
            self._demand(account, wish)
            reason = sound_reason(wish.reason)
            if not 0 < wish.end_us - wish.start_us <= LONGEST_US:
                raise RightRefused("choose a time that ends after it begins, at most an hour")
            if wish.passphrase:
                self._reveals.limits(account, wish.camera, wish.stretch, wish.approval).demand(
                    wish.start_us, wish.end_us
                )
            return await self._packed(account, wish, reason)
        except RightRefused as refusal:
            why = str(refusal)
            await self._audit.write(
                account.name, "export", camera=wish.camera, reason=wish.reason, granted=False, why=why
            )
            raise

    async def _packed(self, account: Account, wish: ExportRequest, reason: str) -> Package:
        camera, folder = self._roster.get(wish.camera), self._folder / secrets.token_urlsafe(12)
        async with self._turn:
            self._tidy()
            recorded = await self._recordings.recorded_bytes(wish.camera, wish.start_us, wish.end_us)
            try:
                with self._budget.reserve(recorded, revealed=bool(wish.passphrase)) as share:
                    folder.mkdir(parents=True, mode=0o700)
                    return await self._made(account, wish, reason, camera, folder, share=share)
            except NoRoom as refusal:
                why = str(refusal)
                await self._audit.write(
                    account.name, "export", camera=wish.camera, reason=reason, granted=False, why=why
                )
                raise
            except OSError as error:
                raise StoreError(f"the package cannot be written: {error.strerror}") from error
            finally:
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def get(self, account: Account, key: str) -> Package:
        """A package of one's own.

        Raises:
            Refused: the rights that it was made with are gone.
            StoreError: it is gone, or another person's.
        """
        self._tidy()
        package = self._packages.get(key)
        if package is None or package.account != account.name:
            raise NotFound("that package is gone; make it again")
        for right in package.rights:
            account.demand(right, package.camera)
        return package

    async def close(self) -> None:
        """The box stops: nothing of evidence stays behind outside the recordings."""
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def _made(
        self, account: Account, wish: ExportRequest, reason: str, camera: CameraRow, folder: Path, *, share: BudgetShare
    ) -> Package:
        masked = await _written(metered(self._masked(account, wish), share), folder, "masked")
        if not masked:
            raise NotFound("nothing is recorded in that time")
        revealed, whole = await self._revealed(account, wish, reason, folder, share) if wish.passphrase else ([], None)
        held, shown = await asyncio.to_thread(_holdings, masked), await asyncio.to_thread(_holdings, revealed)
        self._demand(account, wish)
        entry = await self._audit.write(
            account.name, "export", camera=wish.camera, reason=reason, start_us=wish.start_us, end_us=wish.end_us,
            holds=report.spans(held), revealed=bool(shown), revealed_holds=report.spans(shown), whole=whole,
        )  # fmt: skip
        head = await self._audit.head()
        about = {
            "box": self._box, "camera": wish.camera, "camera_name": camera.name, "camera_id": camera.camera_id,
            "camera_signing_key": camera.signing_key, "asked_start": report.utc(wish.start_us),
            "asked_end": report.utc(wish.end_us), "start": report.utc(held[0].first_us),
            "end": report.utc(held[-1].last_us), "who": account.name, "reason": reason, "made": report.utc(utc_us()),
            "audit_entry": entry.number, "audit_hash": entry.hash, "revealed": bool(shown), "whole_picture": whole,
            "holds": [each.to_json() for each in (*held, *shown)],
            "audit_head": head.to_json() if head else None,
        }  # fmt: skip
        signing_key = bytes.fromhex(camera.signing_key) if camera.signing_key else None
        camera_id = bytes.fromhex(camera.camera_id) if camera.camera_id else None

        def finish() -> Package:
            reports = [report.export_report(each.path.name, each.path, signing_key, camera_id) for each in masked]
            for name, data in (
                ("report.json", report.as_json(reports)),
                ("report.txt", report.as_text(reports, about)),
                ("README.txt", README.encode()),
            ):
                (folder / name).write_bytes(data)
            names = [*(each.path.name for each in (*masked, *revealed)), "report.json", "report.txt", "README.txt"]
            files = tuple(_listed(folder / name) for name in names)
            key = folder.name
            zipped = self._folder / f"{key}.zip"
            self._zip(zipped, folder, PackageManifest(self._keys.verifier, files, about))
            when = report.utc(wish.start_us)[:19].replace(" ", "-").replace(":", "")
            safe = "".join(letter if letter.isalnum() else "-" for letter in camera.name)[:40]
            name, size = f"{safe}-{when}.zip", zipped.stat().st_size
            return Package(key, account.name, wish.camera, wish.rights, name, zipped, size, time.monotonic())

        package = await asyncio.to_thread(finish)
        self._packages[package.key] = package
        return package

    def _demand(self, account: Account, wish: ExportRequest) -> None:
        """Every right that it needs, as they are now: packing takes minutes."""
        now = self._account(account.name) if self._account else account
        if now is None:
            raise RightRefused(f"the account {account.name} was removed")
        for right in wish.rights:
            now.demand(right, wish.camera)

    async def _masked(self, account: Account, wish: ExportRequest) -> AsyncIterator[MediaSegment]:
        """What was recorded from the key frame at or before the start on, recovery data and all."""
        timeline, segment_us = Timeline(), None
        async for chunk in self._recordings.chunks(wish.camera, wish.start_us, wish.end_us):
            self._demand(account, wish)
            if chunk.segment_us != segment_us:
                segment_us = chunk.segment_us
                head = timeline.begin(chunk.init, chunk.mime, segment_us)
                if head:
                    yield head
            for fragment, data in chunk.fragments:
                yield timeline.place(segment_us, fragment, data)

    async def _revealed(
        self, account: Account, wish: ExportRequest, reason: str, folder: Path, share: BudgetShare
    ) -> "tuple[list[_File], bool]":
        """The originals as a reveal shows them, with every rule of a reveal; and whether of the whole picture."""
        session = await self._reveals.start(
            account, wish.camera, reason=reason, passphrase=wish.passphrase, second_passphrase=wish.second_passphrase,
            approval=wish.approval, stretch=wish.stretch,
        )  # fmt: skip
        try:
            pieces = self._reveals.play(account, session.key, wish.start_us, wish.end_us)
            return await _written(metered(pieces, share), folder, "revealed"), session.scope.whole
        finally:
            await self._reveals.end(account, session.key, why="exported")

    def _zip(self, path: Path, folder: Path, said: PackageManifest) -> None:
        signature = self._keys.signer.sign(manifest.CONTEXT + bytes(said))
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as package:
            for each in said.files:
                package.write(folder / each.name, each.name)
            package.writestr(manifest.NAME, bytes(said))
            package.writestr(manifest.SIGNATURE, signature)
        path.chmod(0o600)

    def _tidy(self) -> None:
        for key, package in list(self._packages.items()):
            if time.monotonic() - package.made_s > _KEPT_S:
                del self._packages[key]
                with contextlib.suppress(OSError):
                    package.path.unlink()


@dataclass(frozen=True, slots=True)
class _File:
    """A recording of the package; `first_us` is when its first picture was taken."""

    path: Path
    first_us: int


async def _written(pieces: AsyncIterator[MediaSegment], folder: Path, name: str) -> list[_File]:
    """Pieces as files `NAME-1.mp4`, `NAME-2.mp4`, …: a new one wherever the stream's parameters change."""
    files: list[_File] = []
    head: MediaSegment | None = None
    file: IO[bytes] | None = None
    try:
        async for piece in pieces:
            if piece.mime:
                head = piece
                continue
            if head is not None:
                if file is not None:
                    file.close()
                files.append(_File(folder / f"{name}-{len(files) + 1}.mp4", piece.utc_us))
                file = await asyncio.to_thread(files[-1].path.open, "wb")
                await asyncio.to_thread(file.write, head.data)
                head = None
            assert file is not None, "an initialisation segment comes first"
            await asyncio.to_thread(file.write, piece.data)
    finally:
        if file is not None:
            file.close()
    return files


def _holdings(files: Sequence[_File]) -> list[Holding]:
    return [report.holding(each.path.name, each.path, each.first_us) for each in files]


def _listed(path: Path) -> Listed:
    with path.open("rb") as file:
        return Listed(path.name, path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())
