"""From sightings to feature packets: one packet per object and passage.

`look` is called on the vision thread with the clear picture, `masked` on the encode thread with the masked one that
follows it some pictures later. A packet is sent when its object has gone, or when it has stayed for a while; a
description that was sent is not repeated for the same track until it has stayed four times as long.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from base.errors import ModelError
from firmware.capture.frame import I420
from firmware.describe import thumbnail
from firmware.describe.aggregation import (
    attributes,
    fitted,
    mean_attributes,
    mean_carried,
    mean_code,
    mean_colours,
    mean_textures,
)
from firmware.describe.best_shot import ObservedTrack, Shot
from firmware.describe.relative_height import RelativeHeight
from firmware.describe.thumbnail import Clear
from firmware.vision.frame_detections import Boxes, FrameDetections
from models import Models, texture
from models.carried import carried
from models.colours import cloth
from models.rendition import Renditions
from models.rgb import Rgb
from wire.features.packet import FULL_SCALE, ColourShare, FeaturePacket
from wire.features.vocabulary import Colour, ObjectClass

log = logging.getLogger(__name__)

_FIRST_S, _AGAIN_FACTOR = 8.0, 4.0
# An object that is given up sooner than this was a flicker of the detector.
_SHORTEST_S = 0.5
# Colours are named once an object has been there for a moment, and again when a better look came.
_COLOURS_AFTER_US, _COLOURS_EVERY_US = 800_000, 1_500_000
_COLOURS_OF_TRACKS = 256
# Masked pictures trail the clear ones by the mask's look-back; a thumbnail that has not come by then never will.
_PATIENCE_90K = 270_000


@dataclass(slots=True)
class _Open:
    passage: ObservedTrack
    due_us: int
    stay_s: float
    colours_due_us: int
    colours_of_90k: int = -1


class Describer:
    """Describes what passes one camera.

    Args:
        models: the networks; used on the thread that calls `look`.
        width, height: of the picture.
        send: takes each packet and its best shot in clear, None where it will not be wanted; `camera_id`, `sequence`
            and the sealing are for the sender. Vision or encode thread.
        originals: whether best shots are wanted in clear at all.
    """

    def __init__(
        self,
        models: Models,
        width: int,
        height: int,
        send: Callable[[FeaturePacket, Clear | None], None],
        *,
        originals: bool = True,
    ) -> None:
        self._models, self._width, self._height, self._send = models, width, height, send
        self._open: dict[int, _Open] = {}
        self._lock = threading.Lock()
        self._wanted: dict[int, dict[int, Boxes]] = {}
        self._thumbnails: dict[tuple[int, int], bytes] = {}
        self._originals = originals
        self._waiting: list[tuple[int, FeaturePacket, Clear | None]] = []
        self._provenance = models.detector.network
        self._stature = RelativeHeight()
        self._renditions = Renditions()
        self._colours: OrderedDict[int, tuple[ColourShare, ...]] = OrderedDict()

    def observe(self, i420: I420, sight: FrameDetections, utc_us: int) -> None:
        """Take one clear picture and what was seen in it.

        Raises:
            ModelError: the appearance network cannot be trusted any more.
        """
        rgb: list[Rgb] = []

        def clear() -> Rgb:
            if not rgb:
                rgb.append(np.asarray(cv2.cvtColor(i420, cv2.COLOR_YUV2RGB_I420), np.uint8))
            return rgb[0]

        for track in sight.tracks:
            if not track.seen:
                continue
            open_ = self._open.get(track.id)
            if open_ is None:
                passage = ObservedTrack(track.id, utc_us, utc_us)
                due_us, colours_due_us = utc_us + round(_FIRST_S * 1e6), utc_us + _COLOURS_AFTER_US
                open_ = self._open[track.id] = _Open(passage, due_us, _FIRST_S, colours_due_us)
            if open_.passage.consider(track, sight, i420, utc_us, clear).passed and track.class_ is ObjectClass.PERSON:
                self._stature.learn(track.box)
            if any(shot.pts_90k == sight.pts_90k for shot in open_.passage.shots):
                with self._lock:
                    self._wanted.setdefault(sight.pts_90k, {})[track.id] = track.box
            if utc_us >= open_.colours_due_us:
                self._name_colours(open_, utc_us)
            if utc_us >= open_.due_us and open_.passage.shots:
                self._describe(open_.passage)
                open_.stay_s *= _AGAIN_FACTOR
                open_.due_us = utc_us + round(open_.stay_s * 1e6)
                open_.passage = ObservedTrack(track.id, utc_us, utc_us)
        for track_id in sight.ended:
            gone = self._open.pop(track_id, None)
            if gone is not None and gone.stay_s == _FIRST_S:
                self._describe(gone.passage)
        self._deliver(sight.pts_90k)

    def masked(self, picture: I420, pts_90k: int) -> None:
        """Take the masked picture at `pts_90k`, I420; thumbnails are cut from it and from nothing else."""
        with self._lock:
            wanted = self._wanted.pop(pts_90k, {})
            # Pictures that were dropped between vision and encoder.
            for old in [pts for pts in self._wanted if pts < pts_90k - _PATIENCE_90K]:
                del self._wanted[old]
        if not wanted:
            return
        bgr = np.asarray(cv2.cvtColor(picture, cv2.COLOR_YUV2BGR_I420), np.uint8)
        made = {(track_id, pts_90k): thumbnail.masked(bgr, box) for track_id, box in wanted.items()}
        with self._lock:
            self._thumbnails.update(made)

    def colours(self, track_id: int) -> tuple[ColourShare, ...]:
        """What is known of a track's colours by now, nothing at first. Any thread; ended tracks are kept a while."""
        return self._colours.get(track_id, ())

    def _name_colours(self, open_: _Open, utc_us: int) -> None:
        """Name the colours of the best look so far, unless that was done."""
        passage = open_.passage
        if not passage.shots or passage.shots[0].pts_90k == open_.colours_of_90k:
            return
        best = passage.shots[0]
        open_.colours_due_us, open_.colours_of_90k = utc_us + _COLOURS_EVERY_US, best.pts_90k
        try:
            shares = self._shot_colours(best, passage.class_)
        except ModelError as error:
            log.debug("track %d has no colours: %s", passage.track_id, error)
            return
        self._colours[passage.track_id] = shares
        while len(self._colours) > _COLOURS_OF_TRACKS:
            self._colours.popitem(last=False)

    def _shot_colours(self, shot: Shot, class_: ObjectClass) -> tuple[ColourShare, ...]:
        return self._models.colours.describe(shot.rgb, shot.inside, class_, rendition=self._renditions.now)

    def close(self) -> None:
        """Describe what is still there; call when no thread calls the others any more."""
        for open_ in self._open.values():
            if open_.stay_s == _FIRST_S and open_.passage.shots:
                self._describe(open_.passage)
        self._open.clear()
        self._deliver(None)

    def _describe(self, passage: ObservedTrack) -> None:
        """Make the packet, all but its thumbnail, and let go of the clear crops."""
        if (passage.last_us - passage.first_us) / 1e6 < _SHORTEST_S or not passage.shots:
            return
        best, class_ = passage.shots[0], passage.class_
        good = [shot for shot in passage.shots if shot.verdict.passed] or [best]
        weights = [max(shot.verdict.quality, 1e-3) for shot in good]
        try:
            codes = [self._models.appearance.encode(shot.rgb, shot.inside, class_) for shot in good]
            colours = [self._shot_colours(shot, class_) for shot in good]
            textures = [
                texture.describe(shot.rgb, shot.inside, class_, shares)
                for shot, shares in zip(good, colours, strict=True)
            ]
            worn = [self._models.appearance.attributes(shot.rgb, shot.inside, class_) for shot in good]
            things = [
                carried(self._models.things, shot.rgb, shot.inside) for shot in good if class_ is ObjectClass.PERSON
            ]
        except ModelError as error:
            # The object was too small or too far outside; a broken network would fail its next detection anyway.
            log.debug("track %d is not described: %s", passage.track_id, error)
            return
        if class_ is ObjectClass.PERSON and any(share.colour is not Colour.UNKNOWN for share in colours[0]):
            self._renditions.learn(cloth(best.rgb, best.inside))
        tall = self._stature.relative(best.box) if class_ is ObjectClass.PERSON else None
        values = attributes(class_, best.box, tall) + mean_attributes(worn, weights) + mean_textures(textures, weights)
        x0, y0, x1, y1 = (best.box / [self._width, self._height, self._width, self._height] * FULL_SCALE).round()
        packet = fitted(
            FeaturePacket(
                camera_id=bytes(8),
                sequence=0,
                track_id=passage.track_id,
                class_=class_,
                first_utc_ms=passage.first_us // 1000,
                best_utc_ms=best.utc_us // 1000,
                last_utc_ms=passage.last_us // 1000,
                quality=best.verdict.quality,
                box=(int(x0), int(y0), int(x1 - x0), int(y1 - y0)),
                codes=(mean_code(codes, weights),),
                colours=mean_colours(colours, weights),
                attributes=values + mean_carried(things, weights, values),
                provenance=self._provenance,
            )
        )
        original = None
        if self._originals:
            original = thumbnail.clear(best.rgb, best.inside, best.box, self._width, self._height)
        self._waiting.append((best.pts_90k, packet, original))

    def _deliver(self, now_90k: int | None) -> None:
        """Send the packets whose masked picture has come, or will not come any more."""
        with self._lock:
            ready, later = [], []
            for pts_90k, packet, original in self._waiting:
                jpeg = self._thumbnails.get((packet.track_id, pts_90k))
                late = now_90k is None or pts_90k < now_90k - _PATIENCE_90K
                if jpeg is None and not late:
                    later.append((pts_90k, packet, original))
                else:
                    ready.append((replace(packet, thumbnail=jpeg or b""), original if jpeg else None))
            self._waiting = later
            kept = {(track_id, shot.pts_90k) for track_id, o in self._open.items() for shot in o.passage.shots}
            kept |= {(packet.track_id, pts_90k) for pts_90k, packet, _ in later}
            self._thumbnails = {key: jpeg for key, jpeg in self._thumbnails.items() if key in kept}
        for packet, original in ready:
            self._send(packet, original)
