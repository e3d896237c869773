"""Freezing the picture: one masked frame, and what the detector sees in it."""

import asyncio
import io
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, replace

import av
import cv2
import numpy as np
import numpy.typing as npt

from base.clock import utc_us as now_us
from base.errors import HostError, ModelError, NotFound, RightRefused
from models import Models
from nvr_box.audit.log import Audit
from nvr_box.record.recordings import RecordedGop, Recordings
from nvr_box.record.sightings import Sighting
from nvr_box.rights import Account, Right
from nvr_box.search.passages import Passage, Passages
from wire.features.packet import AppearanceCode, ColourShare
from wire.features.palette import word
from wire.features.vocabulary import ObjectClass

Picture = npt.NDArray[np.uint8]

_KEPT_S = 600.0
# A camera describes an object when it has gone or some seconds after it came; the push takes a moment more.
_TOLD_AFTER_US, _PATIENCE_S, _LOOK_AGAIN_S = 60_000_000, 15.0, 0.3
_MOST_KEPT = 64
_MOST_THUMBNAILS = 512
_THUMBNAIL_QUALITY, _STILL_QUALITY = 70, 90


@dataclass(frozen=True, slots=True)
class Pick:
    """An object in a frozen picture.

    Attributes:
        box: x0, y0, x1, y1 as shares 0..1 of width and height.
        track: the camera's own number of it; None when the box found it, or a person drew it.
        passage: where the camera has described that track already, None while it has not.
    """

    number: int
    box: tuple[float, float, float, float]
    object_class: ObjectClass
    score: float
    colours: tuple[ColourShare, ...]
    track: int | None = None
    passage: int | None = None


@dataclass(frozen=True, slots=True)
class Still:
    """A frozen, masked picture; `key` names it for ten minutes in `Searches.by_pick`."""

    key: str
    camera: int
    utc_us: int
    width: int
    height: int
    jpeg: bytes
    picks: tuple[Pick, ...]


@dataclass(frozen=True, slots=True)
class _Frozen:
    still: Still
    rgb: Picture
    account: str
    until_mono_s: float


class Stills:
    """Frames out of recordings. Needs `VIEW` for the camera."""

    def __init__(
        self, recordings: Recordings, passages: Passages, log: Audit, models: Models, threshold: float
    ) -> None:
        self._recordings, self._passages, self._log, self._models = recordings, passages, log, models
        self._threshold = threshold
        self._frozen: OrderedDict[str, _Frozen] = OrderedDict()
        self._thumbnails: OrderedDict[tuple[int, int, int], bytes] = OrderedDict()
        # One picture through the networks at a time: they share the box's cores with recording.
        self._detecting = asyncio.Lock()

    async def jpeg(self, account: Account, camera: int, utc_us: int, *, width: int = 320) -> bytes:
        """Thumbnail of the key frame at or before `utc_us`, scaled to `width`; not audited one by one, cached.

        Raises:
            StoreError: nothing is recorded within 10 s of that time.
        """
        account.demand(Right.VIEW, camera)
        chunk = await self._recordings.showing(camera, utc_us)
        key_us = chunk.start_us
        name = (camera, key_us, width)
        if name not in self._thumbnails:
            rgb, _ = await asyncio.to_thread(_decode, chunk, key_us)
            self._thumbnails[name] = await asyncio.to_thread(_jpeg, _scaled(rgb, width), _THUMBNAIL_QUALITY)
            while len(self._thumbnails) > _MOST_THUMBNAILS:
                self._thumbnails.popitem(last=False)
        return self._thumbnails[name]

    async def picture(self, camera: int, utc_us: int) -> tuple[Picture, int]:
        """The frame shown at `utc_us` as (h, w, 3) RGB, and when it was taken; no rights, for the parts of the box."""
        return await asyncio.to_thread(_decode, await self._recordings.showing(camera, utc_us), utc_us)

    async def freeze(self, account: Account, camera: int, utc_us: int) -> Still:
        """The exact frame shown at `utc_us` with its objects; needs `OPERATE` as well, since it begins a search.

        The objects are those that the camera itself saw, where it says so: its mosaic may leave nothing to find.
        Otherwise the box's own detector looks.

        Raises:
            StoreError: nothing is recorded within 10 s of that time.
            ModelError: the detector failed.
        """
        await self._log.demand(account, Right.VIEW, "freeze", camera=camera)
        await self._log.demand(account, Right.OPERATE, "freeze", camera=camera)
        rgb, at_us = await self.picture(camera, utc_us)
        await self._log.write(account.name, "freeze", camera=camera, at_us=at_us)
        jpeg = await asyncio.to_thread(_jpeg, rgb, _STILL_QUALITY)
        sighting = await self._recordings.sighting(camera, at_us)
        if sighting is not None:
            picks = await self._picks_of(camera, sighting)
        else:
            async with self._detecting:
                picks = await asyncio.to_thread(self._look, rgb)
        height, width = rgb.shape[:2]
        still = Still(secrets.token_hex(8), camera, at_us, width, height, jpeg, picks)
        self._keep(_Frozen(still, rgb, account.name, time.monotonic() + _KEPT_S))
        return still

    async def draw(
        self, account: Account, key: str, box: tuple[float, float, float, float], object_class: ObjectClass
    ) -> Still:
        """The same still with one more pick, drawn by hand where the detector found nothing.

        Raises:
            ModelError: the box has hardly any area.
        """
        frozen = self._known(account, key)
        account.demand(Right.OPERATE, frozen.still.camera)
        async with self._detecting:
            pixels = _pixels(box, frozen.rgb)
            colours = await asyncio.to_thread(self._models.colours.describe, frozen.rgb, pixels, object_class)
        pick = Pick(len(frozen.still.picks), box, object_class, 1.0, colours)
        still = replace(frozen.still, picks=(*frozen.still.picks, pick))
        self._frozen[key] = replace(frozen, still=still)
        return still

    async def code(self, account: Account, key: str, number: int) -> tuple[AppearanceCode, Pick, Still]:
        """The appearance code of pick `number`: the camera's own, made before the masking, where it has sent one;
        else of the masked picture, by the same encoder.

        Raises:
            StoreError: no such still or pick, it may be older than ten minutes; or the camera did not describe it.
            ModelError: the encoder failed.
        """
        frozen = self._known(account, key)
        if not 0 <= number < len(frozen.still.picks):
            raise NotFound(f"the still has no object {number}")
        pick = frozen.still.picks[number]
        if pick.track is not None:
            passage = await self._described(frozen.still, pick.track)
            if passage.code is not None:
                return passage.code, replace(pick, passage=passage.packet), frozen.still
        pixels = _pixels(pick.box, frozen.rgb)
        async with self._detecting:
            encode = self._models.appearance.encode
            return await asyncio.to_thread(encode, frozen.rgb, pixels, pick.object_class), pick, frozen.still

    async def _described(self, still: Still, track: int) -> Passage:
        """What the camera sent about a track; that comes some seconds after it first saw it, so a fresh still waits."""
        patience = time.monotonic() + _PATIENCE_S
        while True:
            passage = await self._passages.of_track(still.camera, track, still.utc_us)
            if passage is not None:
                return passage
            old = now_us() - still.utc_us > _TOLD_AFTER_US
            if old or time.monotonic() > patience:
                raise NotFound("the camera has not described this object; freeze another picture of it")
            await asyncio.sleep(_LOOK_AGAIN_S)

    def _known(self, account: Account, key: str) -> _Frozen:
        frozen = self._frozen.get(key)
        if frozen is None or frozen.until_mono_s < time.monotonic():
            raise NotFound("this still is no longer kept; freeze the picture again")
        if frozen.account != account.name:
            raise RightRefused("this still was frozen by another account")
        account.demand(Right.VIEW, frozen.still.camera)
        return frozen

    def _keep(self, frozen: _Frozen) -> None:
        now = time.monotonic()
        for key in [key for key, old in self._frozen.items() if old.until_mono_s < now]:
            del self._frozen[key]
        while len(self._frozen) >= _MOST_KEPT:
            self._frozen.popitem(last=False)
        self._frozen[frozen.still.key] = frozen

    async def _picks_of(self, camera: int, sighting: Sighting) -> tuple[Pick, ...]:
        """The camera's own objects, with what it has sent about their tracks."""
        picks = []
        for number, seen in enumerate(sighting.objects):
            passage = await self._passages.of_track(camera, seen.track, sighting.utc_us)
            colours = (passage.colours if passage else ()) or tuple(
                ColourShare(part, word(colour.rgb), colour.weight) for part, colour in seen.colours
            )
            packet = passage.packet if passage else None
            picks.append(Pick(number, seen.box, seen.object_class, 1.0, colours, seen.track, packet))
        return tuple(picks)

    def _look(self, rgb: Picture) -> tuple[Pick, ...]:
        """Objects that the box's detector finds, largest score first."""
        found = self._models.detector.detect(rgb, self._threshold)
        height, width = rgb.shape[:2]
        scale = np.array([width, height, width, height], np.float32)
        picks: list[Pick] = []
        for row in np.argsort(-found.scores, kind="stable"):
            object_class = ObjectClass(int(found.classes[row]))
            try:
                colours = self._models.colours.describe(rgb, found.boxes[row], object_class)
            except ModelError:
                continue
            x0, y0, x1, y1 = (float(v) for v in found.boxes[row] / scale)
            picks.append(Pick(len(picks), (x0, y0, x1, y1), object_class, float(found.scores[row]), colours))
        return tuple(picks)


def _decode(chunk: RecordedGop, utc_us: int) -> tuple[Picture, int]:
    """The last frame of the GOP taken at or before `utc_us`, else its first."""
    whole = chunk.init + b"".join(data for _, data in chunk.fragments)
    shown: av.VideoFrame | None = None
    shown_us = 0
    try:
        with av.open(io.BytesIO(whole), "r", format="mp4") as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            for frame in container.decode(stream):
                at_us = chunk.segment_us + int((frame.time or 0.0) * 1_000_000)
                if shown is not None and at_us > utc_us:
                    break
                shown, shown_us = frame, at_us
    except (av.FFmpegError, IndexError) as error:
        raise NotFound("the recording is damaged there; step to another picture") from error
    if shown is None:
        raise NotFound("the recording has no picture there")
    return np.asarray(shown.to_ndarray(format="rgb24"), np.uint8), shown_us


def _pixels(box: tuple[float, float, float, float], rgb: Picture) -> npt.NDArray[np.float32]:
    height, width = rgb.shape[:2]
    return np.array(box, np.float32) * np.array([width, height, width, height], np.float32)


def _scaled(rgb: Picture, width: int) -> Picture:
    height = max(1, round(rgb.shape[0] * width / rgb.shape[1]))
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _jpeg(rgb: Picture, quality: int) -> bytes:
    ok, data = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise HostError("the picture cannot be written as JPEG")
    return data.tobytes()
