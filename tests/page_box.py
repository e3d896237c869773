"""A box for the page's tests: real store, users, audit and recordings of a clip; models, cameras and keys stand in.

The end-to-end story (test_page_story.py) runs the page against the whole box; here the page itself is under test, so
detections come from a difference to the background and "reveal" plays a second, clear recording.
"""

import asyncio
import collections
import itertools
import secrets
import shutil
import time
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np

from base.errors import NotFound, PeerError, RightRefused
from nvr_box.accounts.users import Accounts
from nvr_box.audit.log import Audit
from nvr_box.box import BoxContext
from nvr_box.cameras.cameras import CameraRecordingState, CameraRow, CameraStatus, DiscoveredCamera, Step
from nvr_box.cameras.masking import Masking
from nvr_box.cameras.masking_history import PastMasking
from nvr_box.cameras.released import ReleasedPlaceRow
from nvr_box.config import BoxConfig, RevealConfig
from nvr_box.custody.custody import Custody
from nvr_box.custody.holds import Holds
from nvr_box.db.database import Store
from nvr_box.keys.store import KeyFolder
from nvr_box.record.recorder import Recorder
from nvr_box.record.recordings import Recordings
from nvr_box.record.segments import Segments
from nvr_box.record.source import Timed
from nvr_box.reveal.approvals import Approvals
from nvr_box.reveal.reveals import EVERYTHING, RevealSession, Verdicts
from nvr_box.rights import Account, Right
from nvr_box.search.density import Density
from nvr_box.search.frozen_frames import Pick, Still
from nvr_box.search.passages import StoredShot
from nvr_box.search.search import Match, Results, Tick
from nvr_box.timekeeping.timekeeper import Timekeeper
from wire.features.packet import ColourShare
from wire.features.vocabulary import BodyPart, Colour, ObjectClass
from wire.selection import Mode

CLIP = Path.home() / ".cache/veilcam/vtest.avi"
RATE, FRAMES, GOP = 10, 100, 10
WIDTH, HEIGHT = 480, 448
WINDOWS = (0, 288)
PASSPHRASE = "open sesame, please"
ROOT = Account("setup", frozenset(Right))
CLEAR = 100  # camera n's clear recording is kept as camera n + CLEAR


def clip_windows():
    """Per window: clear and masked pictures (n, h, w, 3) RGB and the boxes that moved, as pixels."""
    with av.open(str(CLIP)) as source:
        frames = [f.to_ndarray(format="rgb24") for f in itertools.islice(source.decode(video=0), FRAMES)]
    background = np.median(np.stack(frames[::10]), axis=0).astype(np.uint8)
    for left in WINDOWS:
        clear, masked, boxes = [], [], []
        for frame in frames:
            moved = cv2.absdiff(frame, background).max(axis=2) > 28
            moved = cv2.dilate(moved.astype(np.uint8), np.ones((17, 9), np.uint8))[
                64 : 64 + HEIGHT, left : left + WIDTH
            ]
            picture = frame[64 : 64 + HEIGHT, left : left + WIDTH]
            _, _, stats, _ = cv2.connectedComponentsWithStats(moved)
            found = [(x, y, x + w, y + h) for x, y, w, h, area in stats[1:] if area > 500]
            cells = cv2.resize(
                cv2.resize(picture, (WIDTH // 16, HEIGHT // 16), interpolation=cv2.INTER_AREA),
                (WIDTH, HEIGHT),
                interpolation=cv2.INTER_NEAREST,
            )
            hidden = picture.copy()
            for x0, y0, x1, y1 in found:
                hidden[y0:y1, x0:x1] = cells[y0:y1, x0:x1]
            clear.append(np.ascontiguousarray(picture))
            masked.append(hidden)
            boxes.append(found)
        yield clear, masked, boxes


def encode(path, pictures):
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "20", "g": str(GOP), "threads": "1"}
        for picture in pictures:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))


class ClipSource:
    """The packets of a file at its own rate, over and over, as `nvr_box.record.source.Source` gives a camera's."""

    rate_fps = float(RATE)

    def __init__(self, path, began_us):
        self._container = av.open(str(path))
        self.stream = self._container.streams.video[0]
        self._began_us = began_us
        self._ended = False

    def packets(self, _documents=None):
        step = 90_000 // RATE
        for number in itertools.count():
            if number % FRAMES == 0:
                self._container.seek(0)
                packets = (p for p in self._container.demux(self.stream) if p.size)
            at_us = self._began_us + number * 1_000_000 // RATE
            while time.time_ns() // 1000 < at_us and not self._ended:
                time.sleep(0.005)  # this is the camera's own clock, not a test that waits
            packet = next(packets)
            yield Timed(packet, packet.is_keyframe, number * step, number * step, step, at_us, 0.0)

    def close(self):
        self._container.close()


class StandInCameras:
    def __init__(self, recorders, audit):
        self._recorders, self._audit = recorders, audit
        self.cameras = {n: _camera(n) for n in (1, 2)}
        self.says = {}  # by camera: what its status says otherwise than its recorder

    def list(self, by):
        return tuple(c for n, c in sorted(self.cameras.items()) if by.may(Right.VIEW, n))

    def get(self, by, camera):
        by.demand(Right.VIEW, camera)
        if camera not in self.cameras:
            raise NotFound(f"there is no camera {camera}")
        return self.cameras[camera]

    def status(self, by, camera):
        now = self._recorders[camera].now
        state = CameraRecordingState.RECORDING if now.connected else CameraRecordingState.CONNECTING
        status = CameraStatus(
            camera,
            state,
            now.since_utc_us,
            now.message,
            now.clock_offset_s,
            "avc1.42c01e",
            WIDTH,
            HEIGHT,
            float(RATE),
            now.last_frame_utc_us,
            4_200_000,
            now.since_utc_us,
            12,
        )
        return replace(status, **self.says.get(camera, {}))

    def source(self, by, camera):
        return "" if self.cameras[camera].device else "rtsp://192.0.2.9/other"

    async def discover(self, by, *, wait_s=3.0):
        by.demand(Right.ADMIN)
        return (
            DiscoveredCamera(
                "192.0.2.7", ("http://192.0.2.7/onvif/device_service",), "Yard", "Veilcam VC1", added=False
            ),
        )

    async def test(self, by, xaddr, user, password):
        by.demand(Right.ADMIN)
        yield Step("reach", ok=True, detail=f"{xaddr} answers")
        yield Step("sign-in", ok=password == "right password", detail="the camera knows this user")

    async def add(self, by, xaddr, user, password, *, name=""):
        raise PeerError(f"{xaddr} has no usable profile")

    async def change(self, by, camera, *, name=None, recording=None):
        by.demand(Right.ADMIN)
        old = self.get(by, camera)
        self.cameras[camera] = _camera(camera, name or old.name)
        return self.cameras[camera]

    async def move(self, by, camera, *, xaddr=None, user=None, password=None):
        by.demand(Right.ADMIN)
        if password != "right password":
            raise PeerError("sign-in: the camera refuses the user or the password")
        self.cameras[camera] = replace(self.cameras[camera], xaddr=xaddr or self.cameras[camera].xaddr)
        return self.cameras[camera]


def _camera(number, name=None):
    return _Camera(
        number,
        name or ("Entrance", "Forecourt")[number - 1],
        f"http://127.0.0.1:80{number}0/onvif/device_service",
        "box",
        "rtsp://127.0.0.1/main",
        "main",
        "Veilcam",
        "VC1",
        f"VC1-000{number}",
        f"{number:016x}",
        "ab" * 32,
        "stripes-1",
        paired=True,
        recording=True,
        added_utc_us=1_700_000_000_000_000,
    )


class _Camera(CameraRow):
    @property
    def fingerprint(self):
        return "3f2a 77c1 9d04 5be8 20aa 1c67 f0d3 98be"


class StandInMaskings:
    """What cameras say at once, and have said since ever; `history` by camera where it was otherwise."""

    def __init__(self):
        self.said, self.wholes, self.history = {}, {}, {}

    def now(self, by, camera):
        by.demand(Right.VIEW, camera)
        return self.said.get(camera, Masking())

    def whole(self, by, camera):
        by.demand(Right.VIEW, camera)
        return self.wholes.get(camera)

    async def past(self, by, camera, start_us, end_us):
        return self.history.get(camera, (PastMasking(0, None, self.now(by, camera)),))

    def change(self, camera, **changes):
        self.said[camera] = replace(self.said.get(camera, Masking()), **changes)


class StandInSelections:
    """What is asked of cameras; they do it at once."""

    def __init__(self, maskings):
        self.asked, self._maskings = [], maskings

    async def choose_pick(self, by, camera, choice, *, still, pick):
        by.demand(Right.ADMIN)
        self.asked.append((by.name, camera, choice.mode.value, choice.label))
        self._maskings.change(camera, mode=choice.mode, labels=(choice.label,))

    async def end(self, by, camera):
        by.demand(Right.ADMIN)
        self._maskings.change(camera, mode=Mode.EVERYONE, labels=())


class StandInReleasedPlaces:
    """The same for places."""

    def __init__(self, maskings):
        self._maskings = maskings

    async def release(self, by, camera, box, *, reason):
        by.demand(Right.ADMIN, camera)
        before = self._maskings.now(by, camera).places
        place = ReleasedPlaceRow(secrets.token_hex(8), box, reason, by.name, time.time_ns() // 1000)
        self._maskings.change(camera, places=(*before, place))

    async def take_back(self, by, camera, place):
        by.demand(Right.ADMIN, camera)
        before = self._maskings.now(by, camera).places
        self._maskings.change(camera, places=tuple(each for each in before if each.id != place))


class StandInStills:
    """Picks are what moved in the frame that was shown."""

    def __init__(self, scene, recordings):
        self._scene, self._recordings = scene, recordings
        self.held = {}

    async def _frame(self, by, camera, utc_us):
        if not await self._recordings.spans(by, camera, utc_us - 10_000_000, utc_us + 10_000_000):
            raise NotFound("nothing is recorded within 10 s of that time")
        number = (utc_us - self._scene.began_us) * RATE // 1_000_000
        return self._scene.masked[camera - 1][number % FRAMES], self._scene.boxes[camera - 1][number % FRAMES], number

    async def jpeg(self, by, camera, utc_us, *, width=320):
        picture, _, _ = await self._frame(by, camera, utc_us)
        return jpeg(cv2.resize(picture, (width, width * HEIGHT // WIDTH)))

    async def freeze(self, by, camera, utc_us):
        by.demand(Right.VIEW, camera)
        by.demand(Right.OPERATE, camera)
        picture, boxes, number = await self._frame(by, camera, utc_us)
        picks = tuple(
            Pick(
                i, (x0 / WIDTH, y0 / HEIGHT, x1 / WIDTH, y1 / HEIGHT), ObjectClass.PERSON, 0.9 - i / 20, COLOURS[i % 3]
            )
            for i, (x0, y0, x1, y1) in enumerate(boxes)
        )
        at_us = self._scene.began_us + number * 1_000_000 // RATE
        still = Still(secrets.token_hex(8), camera, at_us, WIDTH, HEIGHT, jpeg(picture), picks)
        self.held[still.key] = still
        return still

    async def draw(self, by, key, box, object_class):
        if key not in self.held:
            raise NotFound("that frozen picture is gone; freeze it again")
        old = self.held[key]
        picks = (*old.picks, Pick(len(old.picks), box, object_class, 1.0, ()))
        self.held[key] = Still(old.key, old.camera, old.utc_us, old.width, old.height, old.jpeg, picks)
        return self.held[key]


COLOURS = (
    (ColourShare(BodyPart.UPPER, Colour.RED, 0.7), ColourShare(BodyPart.LOWER, Colour.BLACK, 0.8)),
    (ColourShare(BodyPart.UPPER, Colour.WHITE, 0.6), ColourShare(BodyPart.LOWER, Colour.BLUE, 0.8)),
    (ColourShare(BodyPart.UPPER, Colour.GREY, 0.6), ColourShare(BodyPart.LOWER, Colour.BROWN, 0.8)),
)


class StandInSearches:
    """Passages are what moved once a second on either camera; similarity falls with their number."""

    def __init__(self, scene, audit):
        self._scene, self._audit = scene, audit

    def _passages(self, by):
        for second in range(0, FRAMES // RATE, 2):
            for camera in (1, 2):
                for i, box in enumerate(self._scene.boxes[camera - 1][second * RATE][:3]):
                    packet = second * 100 + camera * 10 + i
                    at_us = self._scene.began_us + second * 1_000_000
                    if by.may(Right.VIEW, camera):
                        yield packet, camera, i, box, at_us

    async def _find(self, by, filters, alike):
        by.demand(Right.OPERATE)
        matches, histogram, removed = [], [0] * 100, {"cameras": 0, "colours": 0, "classes": 0}
        for n, (packet, camera, i, _box, at_us) in enumerate(self._passages(by)):
            if filters.cameras and camera not in filters.cameras:
                removed["cameras"] += 1
                continue
            if filters.classes and ObjectClass.PERSON not in filters.classes:
                removed["classes"] += 1
                continue
            if any(all((c.part, c.colour) != (w.part, w.colour) for c in COLOURS[i % 3]) for w in filters.colours):
                removed["colours"] += 1
                continue
            similarity = max(0.05, 0.97 - n * 0.025) if alike else None
            if similarity is not None:
                histogram[int(similarity * 100)] += 1
                if similarity < filters.threshold:
                    continue
            matches.append(
                Match(
                    packet,
                    camera,
                    ObjectClass.PERSON,
                    at_us - 900_000,
                    at_us,
                    at_us + 900_000,
                    similarity,
                    COLOURS[i % 3],
                    (),
                )
            )
        await self._audit.write(by.name, "search", found=len(matches))
        narrowest = "" if matches else max(removed, key=removed.get)
        total = sum(1 for _ in self._passages(by))
        return Results(tuple(matches[: filters.limit]), total, total, 0.4, tuple(histogram), 0, narrowest)

    async def by_pick(self, by, still, number, filters):
        return await self._find(by, filters, alike=True)

    async def by_packet(self, by, packet, filters):
        return await self._find(by, filters, alike=True)

    async def by_attributes(self, by, filters):
        return await self._find(by, filters, alike=False)

    async def best_shot(self, by, packet):
        return self._cut(by, packet, self._scene.masked)[1]

    async def stored_shot(self, by, packet):
        """As if the original were sealed inside: in clear, what the stand-in reveal hands on."""
        camera, clear, at_us = self._cut(by, packet, self._scene.clear)
        return StoredShot(packet, camera, at_us, clear, recoverable=packet % 10 != 1)

    def _cut(self, by, packet, pictures):
        for number, camera, _i, (x0, y0, x1, y1), at_us in self._passages(by):
            if number == packet:
                frame = (at_us - self._scene.began_us) * RATE // 1_000_000 % FRAMES
                return camera, jpeg(pictures[camera - 1][frame][y0:y1, x0:x1]), at_us
        raise NotFound("there is no such passage")

    async def ticks(self, by, camera, start_us, end_us, *, limit=5000):
        by.demand(Right.VIEW, camera)
        return tuple(
            Tick(packet, ObjectClass.PERSON, at - 900_000, at, at + 900_000)
            for packet, at_camera, _i, _b, at in self._passages(by)
            if at_camera == camera and start_us < at < end_us
        )

    async def density(self, by, camera, start_us, end_us, *, steps):
        by.demand(Right.VIEW, camera)
        step_us = max(1, -(-(end_us - start_us) // steps))
        ticks = await self.ticks(by, camera, start_us, end_us)
        found = collections.Counter((tick.best_us - start_us) // step_us for tick in ticks)
        return Density(step_us, {ObjectClass.PERSON: tuple(sorted(found.items()))})

    async def beside(self, by, camera, at_us, *, later):
        ticks = await self.ticks(by, camera, 0, 1 << 60)
        starts = [tick.first_us for tick in ticks if (tick.first_us > at_us if later else tick.first_us < at_us)]
        return (min if later else max)(starts, default=None)


class StandInReveals:
    """Plays the clear recording of a camera to whoever knows the passphrase."""

    minutes = 5.0
    dual_control = False

    def __init__(self, recordings, audit):
        self._recordings, self._audit = recordings, audit
        self.approvals = Approvals(audit, wanted=False)
        self.on = {}
        self.all_over = asyncio.Event()

    async def start(
        self, by, camera, *, reason, passphrase, second_passphrase="", stretch=EVERYTHING, approval="", minutes=None
    ):
        request = self.approvals.approved(by, camera, approval) if self.approvals.wanted else None
        scope = request.scope if request else stretch.scope(camera, self.minutes)
        reason = request.reason if request else reason
        why = (
            ("" if by.may(Right.REVEAL, camera) else f"{by.name} does not hold the right 'reveal'")
            or ("" if len(reason) >= 8 else "a reason of at least 8 characters is needed")
            or ("" if passphrase == PASSPHRASE else "the passphrase is wrong")
        )
        await self._audit.write(by.name, "reveal", camera=camera, reason=reason, granted=not why, why=why)
        if why:
            raise RightRefused(why)
        now = time.time_ns() // 1000
        session = RevealSession(
            secrets.token_hex(8),
            by.name,
            scope,
            reason,
            now,
            now + round(self.minutes * 60e6),
            f"{by.name} · revealed",
            Verdicts(),
        )
        self.on[session.key] = session
        if request:
            self.approvals.claim(request)
        return session

    def may_open_in_browser(self, by):
        return False

    def session(self, by, key):
        if key not in {s.key for s in self.active(by)}:
            raise RightRefused("the reveal is over")
        return self.on[key]

    def active(self, by):
        now = time.time_ns() // 1000
        return tuple(s for s in self.on.values() if s.account == by.name and s.expires_us > now)

    async def play(self, by, key, start_us=None, end_us=None):
        start_us = self.session(by, key).scope.begin_us if start_us is None else start_us
        while True:
            async for piece in self._recordings.play(ROOT, self.on[key].camera + CLEAR, start_us):
                if key not in {s.key for s in self.active(by)}:
                    raise RightRefused("the reveal is over")
                start_us = max(start_us, piece.utc_us + round(piece.duration_s * 1e6))
                yield piece
            await asyncio.sleep(0.3)
            if key not in {s.key for s in self.active(by)}:
                raise RightRefused("the reveal is over")

    async def card(self, by, key, shot):
        if key not in {s.key for s in self.active(by)}:
            raise RightRefused("the reveal is over")
        if not shot.recoverable:
            raise NotFound("this best shot stays masked: sealed to other keys")
        return shot.jpeg

    async def end(self, by, key, *, why="ended"):
        if self.on.pop(key, None):
            await self._audit.write(by.name, "reveal-end")
        if not self.on:
            self.all_over.set()


def jpeg(rgb):
    return cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1].tobytes()


class Scene:
    """The clip's two windows, encoded once into `folder`; and two operators' keys."""

    def __init__(self, folder):
        self.folder = folder
        keys = KeyFolder.open(folder / "keys")
        for name in ("anna", "bert"):
            keys.create(name, f"{name}'s own passphrase")
        self.clear, self.masked, self.boxes = zip(*clip_windows(), strict=True)
        for n in (1, 2):
            encode(folder / f"masked{n}.mp4", self.masked[n - 1])
            encode(folder / f"clear{n}.mp4", self.clear[n - 1])
        self.began_us = 0


class StandInBox:
    """`async with StandInBox(scene, state) as box:` records both cameras while it lasts."""

    def __init__(self, scene, state, *, history_s=0):
        self.scene, self.state, self.history_s = scene, state, history_s

    async def __aenter__(self):
        store = self._store = Store.open(self.state / "box.db")
        audit = Audit(store)
        users = Accounts(store, audit)
        await users.load()
        segments = Segments(store, self.state / "rec")
        recordings = Recordings(segments, audit)
        began_us = self.scene.began_us = time.time_ns() // 1000 - self.history_s * 1_000_000
        loop = asyncio.get_running_loop()
        self._recorders = {}
        for n, kind in itertools.product((1, 2), ("masked", "clear")):
            camera = n + CLEAR * (kind == "clear")
            path = self.scene.folder / f"{kind}{n}.mp4"
            hub = recordings.hub(camera)
            self._recorders[camera] = Recorder(
                camera,
                f"{kind}{n}",
                lambda path=path: ClipSource(path, began_us),
                segments,
                segment_s=10,
                make_room=lambda: False,
                publish=lambda *piece, hub=hub: loop.call_soon_threadsafe(hub.publish, *piece),
            )
            self._recorders[camera].start()
        for name, rights, cameras in (
            ("guard", [Right.VIEW, Right.OPERATE], None),
            ("controller", [Right.VIEW, Right.OPERATE, Right.REVEAL, Right.APPROVE], None),
            ("officer", [Right.VIEW, Right.REVEAL, Right.APPROVE], None),
            ("admin", [Right.VIEW, Right.OPERATE, Right.ADMIN], None),
            ("porter", [Right.VIEW], [1]),
        ):
            await users.save(ROOT, name, password=f"{name} password", rights=rights, cameras=cameras)
        shutil.copytree(self.scene.folder / "keys", self.state / "keys", dirs_exist_ok=True)
        keys = KeyFolder.open(self.state / "keys")
        keys.today()
        holds, maskings = Holds(store, audit, keys, recordings), StandInMaskings()
        return BoxContext(
            config=BoxConfig(state=self.state, name="Harbour office", reveal=RevealConfig(in_browser=False)),
            audit=audit,
            users=users,
            cameras=StandInCameras(self._recorders, audit),
            recordings=recordings,
            stills=StandInStills(self.scene, recordings),
            intake=None,
            searches=StandInSearches(self.scene, audit),
            reveals=StandInReveals(recordings, audit),
            exports=None,
            custody=Custody(store, audit, keys, holds),
            holds=holds,
            maskings=maskings,
            selections=StandInSelections(maskings),
            released_places=StandInReleasedPlaces(maskings),
            timekeeper=Timekeeper(store, audit),
        )

    async def __aexit__(self, *_):
        for recorder in self._recorders.values():
            recorder.stop()
        for recorder in self._recorders.values():
            await asyncio.to_thread(recorder.join, 10)
        self._store.close()
