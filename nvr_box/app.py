"""The box as one process: its parts built in order, then recording, retention and the page until a signal."""

import asyncio
import fcntl
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import IO

from aiohttp import web

import models
from base import libav, service
from base.errors import Conflict, HostError, StoreError
from base.steady import kept_up
from nvr_box.accounts.users import Accounts
from nvr_box.audit.head import Heads
from nvr_box.audit.log import Audit
from nvr_box.box import BoxContext
from nvr_box.cameras.camera_store import CameraStore
from nvr_box.cameras.cameras import Cameras, PairingOffers
from nvr_box.cameras.maskings import Maskings
from nvr_box.cameras.released_places import PlaceReleases
from nvr_box.cameras.selections import Selections
from nvr_box.config import BoxConfig
from nvr_box.custody.custody import Custody
from nvr_box.custody.holds import Holds
from nvr_box.db.database import Damaged, Store
from nvr_box.export.budget import Budget
from nvr_box.export.exports import Exports
from nvr_box.keys.secret import box_secret
from nvr_box.keys.store import KeyFolder
from nvr_box.maintenance import repair
from nvr_box.maintenance.housekeeping import Housekeeping
from nvr_box.record.crash_recovery import salvage
from nvr_box.record.recordings import Recordings
from nvr_box.record.retention import Retention
from nvr_box.record.segments import Segments
from nvr_box.reveal.passphrase_throttle import PassphraseThrottle
from nvr_box.reveal.reveals import Reveals
from nvr_box.rights import Right
from nvr_box.search.frozen_frames import Stills
from nvr_box.search.intake import Intake
from nvr_box.search.passages import Passages
from nvr_box.search.search import AppearanceSearch
from nvr_box.services.face import OnvifFace
from nvr_box.state import CONSOLE, DATABASE, FIRST_PASSWORD, LOCK, RECORDINGS
from nvr_box.timekeeping.timekeeper import Timekeeper
from nvr_box.web import certificate
from nvr_box.web.app import application
from onvif.connection_bounds import runner_of
from onvif.listener import PortListener

log = logging.getLogger(__name__)

# The installer's account of an empty box; it may do everything but see faces.
FIRST_RIGHTS = frozenset({Right.VIEW, Right.OPERATE, Right.ADMIN})


async def serve(config: BoxConfig) -> None:
    """Run the box until SIGINT or SIGTERM.

    Raises:
        Error: it cannot start, or a part is broken for good; the message says what.
    """
    libav.bound_allocations()
    with _alone(config.state):
        # From here on: recorders run long before everything else does, and end with their segments whole.
        stop = asyncio.create_task(service.until_signal(), name="signal")
        await asyncio.sleep(0)
        async with built(config) as (box, parts):
            runner = await runner_of(application(box))
            try:
                port = await _listen(runner, config, parts.tls)
                parts.ports.append(port)
                await _first_account(box)
                scheme = "https" if parts.tls else "http"
                host = config.web.advertised_host or config.web.host
                log.info("%s: %s://%s:%d/", config.name, scheme, host, port)
                # For the process that starts us with a pipe (the demo, the tests); under systemd it is one line in the
                # journal.
                print(f"READY box web={port} url={scheme}://{host}:{port}/ fingerprint={parts.fingerprint}", flush=True)
                if parts.tls:
                    log.info("certificate SHA-256 %s", parts.fingerprint)
                async with _onvif(box, parts):
                    await _run(box, parts, stop)
            finally:
                service.notify("STOPPING=1")
                await runner.cleanup()


class ProcessParts:
    """What the process needs beside the box's interface."""

    def __init__(
        self,
        housekeeping: Housekeeping,
        keys: KeyFolder,
        ports: list[int],
        *,
        heads: Heads,
        tls: ssl.SSLContext | None,
        fingerprint: str,
    ) -> None:
        self.housekeeping, self.keys, self.ports, self.heads = housekeeping, keys, ports, heads
        self.tls, self.fingerprint = tls, fingerprint


@asynccontextmanager
async def built(config: BoxConfig) -> AsyncIterator[tuple[BoxContext, ProcessParts]]:
    """Every part, recording already; closed in order at the end.

    Raises:
        Error: the state folder, the database, a key or a model cannot be used; the message says what.
    """
    root = config.state / RECORDINGS
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{root}: {error.strerror}") from error
    async with AsyncExitStack() as stack:
        store = _database(config.state / DATABASE, root)
        stack.callback(store.close)
        secret = box_secret(config, make=True)
        keys = await asyncio.to_thread(
            partial(KeyFolder.open, config.key_folder, rotate=config.reveal.rotate, secret=secret)
        )
        heads = Heads(store, keys.signer, config.state)
        audit = Audit(store, heads)
        timekeeper = Timekeeper(store, audit)
        await timekeeper.load()
        roster = CameraStore(store)
        await roster.load()
        segments = Segments(store, root, timekeeper.error_us, timekeeper.error_before_us)
        recordings = Recordings(segments, audit)
        stack.push_async_callback(recordings.viewings.close)
        retention = Retention(store, segments, config.record, timekeeper.now_us)
        tls, fingerprint = _certificate(config)
        ports: list[int] = []
        introduction = PairingOffers(
            identity=keys.identity,
            signer=keys.signer,
            recipients=keys.recipients,
            fingerprint=fingerprint,
            host=config.web.advertised_host,
            port=lambda: ports[0],
        )
        cameras = Cameras(
            roster,
            audit,
            recordings=recordings,
            segments=segments,
            retention=retention,
            introduction=introduction,
            segment_s=config.record.segment_s,
        )
        # Before anything that takes its time: what is not recorded now is lost for good.
        stack.push_async_callback(cameras.end)
        await cameras.begin()
        try:
            await salvage(store, root, segments, newest=True)
        except StoreError as error:
            log.warning("recordings of the last run: %s", error)  # housekeeping tries again
        users, passages = Accounts(store, audit, config.state / FIRST_PASSWORD), Passages(store)
        await users.load()
        passages.begin()
        networks = await asyncio.to_thread(models.load, config.models)
        stills = Stills(recordings, passages, audit, networks, config.detect_threshold)
        brake = PassphraseThrottle()
        holds = Holds(store, audit, keys, recordings, brake=brake)
        housekeeping = Housekeeping(
            store,
            segments,
            retention,
            passages,
            timekeeper=timekeeper,
            users=users,
            keys=keys,
            audit=audit,
            holds=holds,
            keep_days=config.record.keep_days,
        )
        parts = ProcessParts(housekeeping, keys, ports, heads=heads, tls=tls, fingerprint=fingerprint)
        reveals = Reveals(
            audit,
            keys,
            roster,
            recordings,
            minutes=config.reveal.minutes,
            second_person=config.reveal.second_person,
            account=users.get,
            brake=brake,
        )
        users.listen(reveals.rights_changed)
        stack.push_async_callback(reveals.close)
        packages = config.state / "exports"
        exports = Exports(
            audit,
            keys,
            roster,
            recordings,
            reveals,
            folder=packages,
            box=config.name,
            account=users.get,
            budget=Budget(packages, config.export.budget_mib << 20, config.record.keep_free_mib << 20),
        )
        stack.push_async_callback(exports.close)
        maskings = Maskings(store, roster)
        box = BoxContext(
            config=config,
            audit=audit,
            users=users,
            cameras=cameras,
            recordings=recordings,
            stills=stills,
            intake=Intake(store, passages, keys.identity, cameras.clock_offset_s),
            searches=AppearanceSearch(passages, stills, audit),
            reveals=reveals,
            exports=exports,
            custody=Custody(store, audit, keys, holds),
            holds=holds,
            maskings=maskings,
            selections=Selections(audit, roster, stills, passages, maskings),
            released_places=PlaceReleases(audit, roster, maskings),
            timekeeper=timekeeper,
            notices=lambda: (*cameras.notices(), *housekeeping.notices()),
        )
        yield box, parts


def _certificate(config: BoxConfig) -> tuple[ssl.SSLContext | None, str]:
    """The page's, and its fingerprint."""
    if not config.web.tls:
        return None, ""
    names = tuple({config.web.host, config.web.advertised_host, "localhost", "127.0.0.1"} - {"", "0.0.0.0"})  # noqa: S104
    page = certificate.ensure(config.state / "web", names)
    return page.context, page.fingerprint


def _database(path: Path, recordings: Path) -> Store:
    try:
        return Store.open(path)
    except Damaged as damage:
        log.error("%s", damage)  # noqa: TRY400 - an operator's sentence, not a bug's trace
        repair.rebuild(path, recordings, str(damage.__cause__))
        return Store.open(path)


@asynccontextmanager
async def _onvif(box: BoxContext, parts: ProcessParts) -> AsyncIterator[None]:
    """The box as an ONVIF device, where the configuration wants it."""
    if not box.config.onvif.enabled:
        yield
        return
    face = OnvifFace(box, parts.keys.box_id, tls=parts.tls)
    async with face.running():
        log.info("ONVIF: http://%s:%d/onvif/device_service", box.config.onvif.host, face.port)
        yield


async def _run(box: BoxContext, parts: ProcessParts, stop: Awaitable[None]) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(box.cameras.run(), name="cameras"),
            group.create_task(parts.housekeeping.run(), name="housekeeping"),
            group.create_task(kept_up("maskings", box.maskings.run), name="maskings"),
            group.create_task(box.cameras.feed_watchdog(), name="watchdog"),
            group.create_task(kept_up("audit-head", parts.heads.run), name="audit-head"),
        ]
        service.notify("READY=1")
        await stop
        for task in tasks:
            task.cancel()


async def _first_account(box: BoxContext) -> None:
    if box.users.list(CONSOLE):
        return
    await box.users.begin("admin", FIRST_RIGHTS)
    # The file, not the password: whatever is printed by a service lies in the journal for years.
    note = box.config.state / FIRST_PASSWORD
    log.warning("the first account is 'admin'; its password is in %s until it is used to sign in and is changed", note)


async def _listen(runner: web.AppRunner, config: BoxConfig, tls: ssl.SSLContext | None) -> int:
    listener = PortListener(runner, config.web.host)
    try:
        await listener.open(config.web.port, tls)
    except OSError as error:
        raise HostError(f"web.port: {config.web.host}:{config.web.port}: {error.strerror}") from error
    return listener.port


@contextmanager
def _alone(state: Path) -> Iterator[IO[str]]:
    """One box per state folder: two recorders on one database would delete each other's files."""
    try:
        state.mkdir(parents=True, exist_ok=True)
        file = (state / LOCK).open("w", encoding="ascii")
    except OSError as error:
        raise StoreError(f"{state}: {error.strerror or error}") from error
    with file:  # what the box itself meets later is not this folder's fault
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(f"{state}: another box is running on this folder") from error
        except OSError as error:
            raise StoreError(f"{state}: {error.strerror or error}") from error
        yield file
