"""The box as one process: its parts built in order, then recording, retention and the page until a signal."""

import asyncio
import fcntl
import logging
import secrets
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

from aiohttp import web

import models
from nvr_box.audit import Audit
from nvr_box.box import Box
from nvr_box.cameras.cameras import Cameras, Introduction
from nvr_box.cameras.roster import Roster
from nvr_box.clock import utc_us
from nvr_box.config import BoxConfig
from nvr_box.custody import Custody
from nvr_box.export.exports import Exports
from nvr_box.holds import Holds
from nvr_box.keys import Keys
from nvr_box.record.recordings import Recordings
from nvr_box.record.retention import Retention
from nvr_box.record.salvage import salvage
from nvr_box.record.segments import Segments
from nvr_box.reveal.reveals import Reveals
from nvr_box.rights import Right
from nvr_box.search.intake import Intake
from nvr_box.search.passages import Passages
from nvr_box.search.search import Searches
from nvr_box.search.stills import Stills
from nvr_box.selections import Selections
from nvr_box.services.face import OnvifFace
from nvr_box.state import CONSOLE, DATABASE, KEYS, LOCK, RECORDINGS
from nvr_box.store import Store
from nvr_box.users import Users
from nvr_box.web import certificate
from nvr_box.web.app import application
from onvif.doorway import runner_of
from onvif.listener import Listener
from wire.base import service
from wire.base.errors import Error, StoreError
from wire.base.steady import kept_up

log = logging.getLogger(__name__)

_SWEEP_EVERY_S = 30.0
_FOLLOW_EVERY_S = 2.0
_DAY_US = 86_400_000_000
# The installer's account of an empty box; it may do everything but see faces.
FIRST_RIGHTS = frozenset({Right.VIEW, Right.OPERATE, Right.ADMIN})


async def serve(config: BoxConfig) -> None:
    """Run the box until SIGINT or SIGTERM.

    Raises:
        Error: it cannot start, or a part is broken for good; the message says what.
    """
    with _alone(config.state):
        async with built(config) as (box, parts):
            runner = await runner_of(application(box))
            try:
                port = await _listen(runner, config, parts.tls)
                parts.ports.append(port)
                await _first_account(box)
                scheme = "https" if parts.tls else "http"
                host = config.web.advertised_host or config.web.host
                log.info("%s: %s://%s:%d/", config.name, scheme, host, port)
                # For whoever starts us with a pipe (the demo, the tests); under systemd it is one line in the journal.
                print(f"READY box web={port} url={scheme}://{host}:{port}/ fingerprint={parts.fingerprint}", flush=True)
                if parts.tls:
                    log.info("certificate SHA-256 %s", parts.fingerprint)
                async with _onvif(box, parts):
                    await _run(box, parts)
            finally:
                service.notify("STOPPING=1")
                await runner.cleanup()


class Parts:
    """What the process needs beside the box's interface."""

    def __init__(self, store: Store, retention: Retention, passages: Passages, *, keys: Keys, audit: Audit) -> None:
        self.store, self.retention, self.passages = store, retention, passages
        self.keys, self.audit = keys, audit
        self.ports: list[int] = []
        self.tls: ssl.SSLContext | None = None
        self.fingerprint = ""


@asynccontextmanager
async def built(config: BoxConfig) -> AsyncIterator[tuple[Box, Parts]]:
    """Every part, ready but not running; closed in order at the end.

    Raises:
        Error: the state folder, the database, a key or a model cannot be used; the message says what.
    """
    root = config.state / RECORDINGS
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{root}: {error.strerror}") from error
    async with AsyncExitStack() as stack:
        store = Store.open(config.state / DATABASE)
        stack.callback(store.close)
        await salvage(store, root)
        audit = Audit(store)
        users, roster, passages = Users(store, audit), Roster(store), Passages(store)
        await users.load()
        await roster.load()
        await passages.load()
        keys = Keys.open(config.state / KEYS, rotate=config.reveal.rotate)
        networks = await asyncio.to_thread(models.load, config.models)
        segments = Segments(store, root)
        recordings = Recordings(segments, audit)
        stack.push_async_callback(recordings.viewings.close)
        stills = Stills(recordings, passages, audit, networks, config.detect_threshold)
        retention = Retention(store, root, config.record)
        parts = Parts(store, retention, passages, keys=keys, audit=audit)
        if config.web.tls:
            names = tuple({config.web.host, config.web.advertised_host, "localhost", "127.0.0.1"} - {"", "0.0.0.0"})  # noqa: S104
            page = certificate.ensure(config.state / "web", names)
            parts.tls, parts.fingerprint = page.context, page.fingerprint
        introduction = Introduction(
            box_id=keys.box_id,
            feature_key=keys.identity.recipient,
            recipients=keys.recipients,
            fingerprint=parts.fingerprint,
            host=config.web.advertised_host,
            port=lambda: parts.ports[0],
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
        reveals = Reveals(
            audit,
            keys,
            roster,
            recordings,
            minutes=config.reveal.minutes,
            second_person=config.reveal.second_person,
        )
        stack.push_async_callback(reveals.close)
        exports = Exports(
            audit,
            keys,
            roster,
            recordings,
            reveals,
            folder=config.state / "exports",
            box=config.name,
        )
        stack.push_async_callback(exports.close)
        holds = Holds(store, audit, keys, recordings)
        box = Box(
            config=config,
            audit=audit,
            users=users,
            cameras=cameras,
            recordings=recordings,
            stills=stills,
            intake=Intake(store, passages, keys.identity, cameras.clock_offset_s),
            searches=Searches(passages, stills, audit),
            reveals=reveals,
            exports=exports,
            custody=Custody(store, audit, keys, holds),
            holds=holds,
            selections=Selections(audit, roster, stills, passages),
        )
        yield box, parts


@asynccontextmanager
async def _onvif(box: Box, parts: Parts) -> AsyncIterator[None]:
    """The box as an ONVIF device, where the configuration wants it."""
    if not box.config.onvif.enabled:
        yield
        return
    face = OnvifFace(box, parts.keys.box_id, tls=parts.tls)
    async with face.running():
        log.info("ONVIF: http://%s:%d/onvif/device_service", box.config.onvif.host, face.port)
        yield


async def _run(box: Box, parts: Parts) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(box.cameras.run(), name="cameras"),
            group.create_task(kept_up("retention", lambda: _retain(box, parts)), name="retention"),
            group.create_task(kept_up("selections", box.selections.run), name="selections"),
            group.create_task(kept_up("users", lambda: _follow(box.users, parts)), name="users"),
        ]
        service.notify("READY=1")
        await service.until_signal()
        for task in tasks:
            task.cancel()


async def _retain(box: Box, parts: Parts) -> None:
    while True:
        try:
            await parts.retention.sweep()
        except (Error, OSError) as error:
            log.error("retention: %s", error)  # noqa: TRY400 - an operator's sentence, not a bug's trace
        keep_days = box.config.record.keep_days
        if keep_days:
            oldest_us = utc_us() - int(keep_days * _DAY_US)
            await parts.passages.forget_before(oldest_us)
            await _shred(box, parts, oldest_us)
        await asyncio.sleep(_SWEEP_EVERY_S)


async def _shred(box: Box, parts: Parts, oldest_us: int) -> None:
    """Destroy the keys of the days whose recordings are gone; locked evidence and open holds keep their days' keys."""
    sql = "SELECT DISTINCT date(start_us / 1000000, 'unixepoch') FROM segment WHERE locked = 1 AND garbage = 0"
    try:
        locked = await parts.store.read(lambda link: frozenset(day for (day,) in link.execute(sql)))
        # A camera that was away at midnight may have sealed the first minutes of the day after with the same key.
        first = f"{datetime.fromtimestamp(oldest_us / 1e6, UTC) - timedelta(days=1):%Y-%m-%d}"
        spared = locked | await box.holds.days_needed()
        for day in await asyncio.to_thread(parts.keys.shred_days_before, first, spared=spared):
            await parts.audit.write("the box", "keys", what="shred", name=day)
    except (Error, OSError) as error:
        log.error("keys of days past: %s", error)  # noqa: TRY400 - an operator's sentence, not a bug's trace


async def _follow(users: Users, parts: Parts) -> None:
    """The command line changes accounts and codes beside us: read them again when that was done."""
    seen = None
    while True:
        (version,) = await parts.store.read(lambda link: link.execute("PRAGMA data_version").fetchone())
        if version != seen:
            seen = version
            await users.load()
            await parts.passages.follow()
        await asyncio.sleep(_FOLLOW_EVERY_S)


async def _first_account(box: Box) -> None:
    if box.users.list(CONSOLE):
        return
    password = secrets.token_urlsafe(12)
    await box.users.put(CONSOLE, "admin", password=password, rights=FIRST_RIGHTS)
    # Not through the log: a password belongs on the console of whoever starts the box for the first time.
    print(f"first account: admin, password {password}", flush=True)


async def _listen(runner: web.AppRunner, config: BoxConfig, tls: ssl.SSLContext | None) -> int:
    listener = Listener(runner, config.web.host)
    try:
        await listener.open(config.web.port, tls)
    except OSError as error:
        raise StoreError(f"web.port: {config.web.host}:{config.web.port}: {error.strerror}") from error
    return listener.port


@contextmanager
def _alone(state: Path) -> Iterator[IO[str]]:
    """One box per state folder: two recorders on one database would delete each other's files."""
    try:
        state.mkdir(parents=True, exist_ok=True)
        with (state / LOCK).open("w", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield file
    except BlockingIOError as error:
        raise StoreError(f"{state}: another box is running on this folder") from error
    except OSError as error:
        raise StoreError(f"{state}: {error.strerror or error}") from error
