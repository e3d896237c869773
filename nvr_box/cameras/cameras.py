"""The cameras of this box, as people and ONVIF clients ask for them: discovery, trying, adding, pairing, state."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from functools import partial

from yarl import URL

from base.clock import utc_us
from base.errors import Conflict, PeerError
from base.logs import printable
from base.steady import kept_up
from nvr_box import watchdog
from nvr_box.audit import log as audit
from nvr_box.cameras import pairing
from nvr_box.cameras.camera_store import CameraRow, CameraStore, entry
from nvr_box.cameras.event_ingest import EventIngest
from nvr_box.cameras.maintenance import Maintenance
from nvr_box.cameras.onboarding import ProbedCamera, name_of, probe_camera, refuse_another, row_of
from nvr_box.cameras.pairing_offer import PairingOffers
from nvr_box.cameras.recorders import Recorders
from nvr_box.cameras.rekey import rekeyed
from nvr_box.cameras.status import CameraRecordingState, CameraStatus, DiscoveredCamera, Step, state_of, status_of
from nvr_box.cameras.stream_sources import StreamSource, StreamSources
from nvr_box.notices import Notice
from nvr_box.record.recordings import Recordings
from nvr_box.record.retention import Retention
from nvr_box.record.segments import Segments
from nvr_box.rights import Account, Right
from nvr_box.search.intake import token_hash
from onvif.discovery import discover

__all__ = ["CameraRecordingState", "CameraRow", "CameraStatus", "Cameras", "DiscoveredCamera", "PairingOffers", "Step"]

log = logging.getLogger(__name__)


class Cameras:
    """The list and what can be done with it.

    Reading needs `VIEW` (per camera); changing needs `ADMIN` and, since the answer shows the camera, `VIEW` as well;
    finding and adding cameras needs `ADMIN` for every camera.
    """

    def __init__(
        self,
        roster: CameraStore,
        log_: audit.Audit,
        *,
        recordings: Recordings,
        segments: Segments,
        retention: Retention,
        introduction: PairingOffers,
        segment_s: int,
    ) -> None:
        self._roster, self._log = roster, log_
        self._feeds = StreamSources(segments.store, roster)
        self._recordings, self._segments, self._retention = recordings, segments, retention
        self._introduction = introduction
        self._recorders = Recorders(recordings, segments, retention, segment_s=segment_s)
        self._listening = EventIngest(recordings.events)
        self._upkeep = Maintenance(
            roster, introduction, segments, feeds=self._feeds, recorders=self._recorders, start=self._start
        )

    def list(self, account: Account) -> tuple[CameraRow, ...]:
        """The added cameras that `account` may view, in order of adding."""
        return tuple(each for each in self._roster.all() if account.may(Right.VIEW, each.camera))

    def get(self, account: Account, camera: int) -> CameraRow:
        """One camera; `Refused` when it may not be viewed, `StoreError` when there is none."""
        account.demand(Right.VIEW, camera)
        return self._roster.get(camera)

    def status(self, account: Account, camera: int) -> CameraStatus:
        """How it is doing; cheap, for polling. Sizes and counts are up to five seconds old."""
        account.demand(Right.VIEW, camera)
        known = self._roster.get(camera)
        running = self._recorders.now(camera)
        strange = self._upkeep.impostors.words(camera)
        return status_of(
            camera, running, since_utc_us=known.added_utc_us, strange=strange,
            advice=self._upkeep.impostors.advice(camera), usage=self._upkeep.usage(camera),
        )  # fmt: skip

    def notices(self) -> Iterator[Notice]:
        """What everybody has to know of the cameras."""
        return self._upkeep.impostors.notices()

    def source(self, account: Account, camera: int) -> str:
        """From where a recording gets its pictures when not from its own camera: a name or an address, else empty."""
        account.demand(Right.VIEW, camera)
        feed = self._feeds.get(camera)
        if feed is None or feed.source is None:
            return feed.uri if feed else ""
        return next((each.name for each in self._roster.all() if each.camera == feed.source), "")

    def clock_offset_s(self, camera: int) -> float | None:
        """The camera's clock minus the box's, None while unknown."""
        now = self._recorders.now(camera)
        return now.clock_offset_s if now else None

    async def discover(self, account: Account, *, wait_s: float = 3.0) -> tuple[DiscoveredCamera, ...]:
        """Probe the network and wait `wait_s` for answers.

        Raises:
            PeerError: the network refuses multicast.
        """
        account.demand_everywhere(Right.ADMIN)
        known = {URL(each.xaddr).authority for each in self._roster.all() if each.device}
        try:
            answers = await discover(wait_s)
        except OSError as error:
            raise PeerError(f"the network cannot be searched for cameras: {error.strerror or error}") from error
        return tuple(
            DiscoveredCamera(
                each.address,
                each.xaddrs,
                printable(each.scope("name"), limit=64),
                printable(each.scope("hardware"), limit=64),
                any(_authority(xaddr) in known for xaddr in each.xaddrs),
            )
            for each in answers
        )

    async def test(self, account: Account, xaddr: str, user: str, password: str) -> AsyncIterator[Step]:
        """Try a camera without adding it, a step at a time; ends after the first step that fails."""
        account.demand_everywhere(Right.ADMIN)
        async for step, tried in probe_camera(self._introduction, xaddr, user, password):
            yield step
            if tried:
                await tried.device.close()

    async def add(self, account: Account, xaddr: str, user: str, password: str, *, name: str = "") -> CameraRow:
        """Add a camera by its device service address or `host[:port]`, pair it if it is ours, start recording.

        Raises:
            PeerError: unreachable, wrong password, no usable profile; or ours but paired with another box.
            RequestError: it is already added, or the address is no address.
        """
        await self._log.demand_everywhere(account, Right.ADMIN, "camera-add")
        await self._log.demand(account, Right.VIEW, "camera-add")
        tried = None
        async for step, result in probe_camera(self._introduction, xaddr, user, password):
            if not step.ok:
                await self._log.write(account.name, "camera-add", granted=False, xaddr=xaddr[:200], why=step.detail)
                raise PeerError(f"{step.name}: {step.detail}")
            tried = result
        assert tried is not None
        try:
            return await self._add(account, tried, user, password, name)
        finally:
            await tried.device.close()

    async def pair(self, account: Account, camera: int) -> CameraRow:
        """Exchange keys again (after a reset of the camera, or when recipients changed).

        Raises:
            PeerError: it is of another make, does not answer, refuses, or is another camera than before.
        """
        await self._log.demand(account, Right.ADMIN, "pair", camera=camera)
        await self._log.demand(account, Right.VIEW, "pair", camera=camera)
        return await rekeyed(self._roster, self._introduction, account.name, self._roster.get(camera))

    async def change(
        self, account: Account, camera: int, *, name: str | None = None, recording: bool | None = None
    ) -> CameraRow:
        """Rename it, or switch its recording on or off."""
        await self._log.demand(account, Right.ADMIN, "camera-change", camera=camera)
        await self._log.demand(account, Right.VIEW, "camera-change", camera=camera)
        known = self._roster.get(camera)
        changed = replace(
            known,
            name=known.name if name is None else name_of(name, known.name),
            recording=known.recording if recording is None else recording,
        )
        details: dict[str, audit.Detail] = {"name": changed.name, "recording": changed.recording}
        await self._roster.save(changed, entry(account.name, "camera-change", camera, details))
        if changed.recording != known.recording:
            if changed.recording:
                self._start(changed)
            else:
                await self._stop(camera)
        return changed

    async def move(
        self,
        account: Account,
        camera: int,
        *,
        xaddr: str | None = None,
        user: str | None = None,
        password: str | None = None,
    ) -> CameraRow:
        """Reach it at another address or with another account from now on; tried before it is kept.

        Raises:
            PeerError: a step of trying it failed; nothing was changed.
            RequestError: another camera answers there, or there is no camera behind the recording.
        """
        await self._log.demand(account, Right.ADMIN, "camera-change", camera=camera)
        known = self._roster.get(camera)
        if not known.device:
            raise Conflict("an ONVIF client made this recording; there is no camera to reach")
        user = known.user if user is None else user
        password = self._roster.password(camera) if password is None else password
        tried = None
        async for step, result in probe_camera(self._introduction, xaddr or known.xaddr, user, password):
            if not step.ok:
                there = (xaddr or known.xaddr)[:200]
                await self._log.write(
                    account.name, "camera-change", camera=camera, granted=False, xaddr=there, why=step.detail
                )
                raise PeerError(f"{step.name}: {step.detail}")
            tried = result
        assert tried is not None
        await tried.device.close()
        refuse_another(known, tried)
        changed = replace(
            self._roster.get(camera),
            xaddr=tried.device.address,
            user=user,
            stream_uri=tried.stream_uri,
            profile=tried.profile.token,
        )
        details: dict[str, audit.Detail] = {"xaddr": changed.xaddr, "user": changed.user}
        await self._roster.save(changed, entry(account.name, "camera-change", camera, details), password=password)
        for each in self._roster.all():
            if camera in {each.camera, self._feeds.camera_of(each.camera)}:
                await self._stop(each.camera)
                if each.recording:
                    self._start(each)
        return changed

    async def remove(self, account: Account, camera: int, *, recordings_too: bool = False) -> None:
        """Unpair and forget it; its recordings stay on disk until retention takes them, unless `recordings_too`."""
        await self._log.demand(account, Right.ADMIN, "camera-remove", camera=camera)
        known = self._roster.get(camera)
        for each in self._roster.all():
            if camera in {each.camera, self._feeds.camera_of(each.camera)}:
                await self._stop(each.camera)
        self._recordings.forget(camera)
        if known.paired:
            try:
                order = self._introduction.order(known.camera_id or "")
                await pairing.unpair(known.xaddr, known.user, self._roster.password(camera), order)
            except PeerError as error:
                log.warning("%s: could not be unpaired: %s", known.name, error)
        details: dict[str, audit.Detail] = {"name": known.name, "recordings_too": recordings_too}
        await self._roster.remove(
            camera, recordings_too=recordings_too, entry=entry(account.name, "camera-remove", camera, details)
        )
        if recordings_too:
            await self._retention.sweep()

    async def create(self, account: Account, name: str) -> CameraRow:
        """A recording without a camera: it records what `receive` gives it."""
        await self._log.demand_everywhere(account, Right.ADMIN, "camera-add")
        fresh = CameraRow(
            0, name_of(name, "recording"), "", "", "", "", "", "", "", None, None, None,
            paired=False, recording=False, added_utc_us=utc_us(),
        )  # fmt: skip
        return await self._roster.add(fresh, "", None, account.name)

    async def receive(self, account: Account, camera: int, feed: StreamSource | None, *, recording: bool) -> None:
        """Record from `feed` instead of the camera's own stream (None: from that again), or do not record."""
        account.demand(Right.ADMIN)
        await self._feeds.load()
        if self._feeds.get(camera) != feed:
            await self._feeds.save(camera, feed)
            await self._stop(camera)
            if self._roster.get(camera).recording and recording:
                self._start(self._roster.get(camera))
        if self._roster.get(camera).recording != recording:
            await self.change(account, camera, recording=recording)

    def hold(self, account: Account, feeds: Mapping[str, StreamSource]) -> None:
        """Be connected to these sources, by any name, and to no others, without recording them."""
        account.demand(Right.ADMIN)
        wanted = {token: self._feeds.resolve(feed) for token, feed in feeds.items()}
        self._recorders.hold({token: stream for token, stream in wanted.items() if stream is not None})

    def held(self, account: Account, token: str) -> CameraRecordingState:
        """How a connection that `hold` keeps is doing; off when it keeps none of that name."""
        account.demand(Right.ADMIN)
        now = self._recorders.held(token)
        return state_of(now) if now else CameraRecordingState.OFF

    async def keep(self, account: Account, camera: int, keep_s: int) -> None:
        """Let its recordings go when they are older than this; 0 leaves it to the configuration."""
        await self._log.demand(account, Right.ADMIN, "camera-change", camera=camera)
        await self._roster.keep(camera, keep_s, entry(account.name, "camera-change", camera, {"keep_s": keep_s}))

    async def begin(self) -> None:
        """Record what is to be recorded: the first thing that a box does."""
        await self._feeds.load()
        for camera in self._roster.all():
            if camera.recording:
                self._start(camera)

    async def end(self) -> None:
        """Of a box that began and never ran."""
        await asyncio.gather(self._listening.stop(), self._recorders.stop_all())

    async def feed_watchdog(self) -> None:
        """Until cancelled."""
        await watchdog.feed(self._recorders.stuck, self._recorders.status)

    async def run(self) -> None:
        """Record what is to be recorded and keep an eye on it, until cancelled."""
        try:
            await kept_up("looking after cameras", self._look_after)
        finally:
            await asyncio.gather(self._listening.stop(), self._recorders.stop_all())

    async def _look_after(self) -> None:
        # Again, and without harm to what runs: a start that the database refused is made up for here.
        await self.begin()
        await self._upkeep.run()

    def _start(self, camera: CameraRow) -> None:
        wanted = self._feeds.of(camera)
        if wanted is not None:
            source = self._feeds.camera_of(camera.camera)
            sign_in = None if source is None else self._roster.sign_in(source)
            want_key = partial(self._upkeep.want_key, source if source is not None else camera.camera)
            self._recorders.start(camera, wanted, self._listening.overhear, sign_in, want_key)
        password, sign_in = self._roster.password(camera.camera), self._roster.sign_in(camera.camera)
        self._listening.start(camera, password, sign_in)

    async def _stop(self, camera: int) -> None:
        await self._recorders.stop(camera)
        await self._listening.stop(camera)

    async def _add(self, account: Account, tried: ProbedCamera, user: str, password: str, name: str) -> CameraRow:
        said, device = tried.paired, tried.device
        self._refuse_twice(device.address, said)
        token, stream = secrets.token_urlsafe(32), None
        if said:
            said = await self._introduction.pair(device.address, user, password, said, token)
            stream = self._introduction.stream_account(said)
        fresh = row_of(tried, said, user, name)
        camera = await self._roster.add(
            fresh, password, token_hash(token) if said else None, account.name, stream=stream
        )
        self._start(camera)
        return camera

    def _refuse_twice(self, xaddr: str, said: pairing.Paired | None) -> None:
        for each in self._roster.all():
            same = each.camera_id == said.camera_id if said and each.camera_id else each.xaddr == xaddr
            if same:
                raise Conflict(f"this camera is already added as {each.name!r}")


def _authority(xaddr: str) -> str:
    try:
        return URL(xaddr).authority
    except ValueError:
        return ""
