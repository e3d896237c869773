"""The few best shots of each object, while it is there.

Clear crops are kept in memory only, and only until the object is described.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from firmware.capture.frame import I420
from firmware.describe.shot import ShotQuality, judge
from firmware.vision.frame_detections import FrameDetections, TrackBox
from models.rgb import Rgb
from wire.features.vocabulary import ObjectClass

Clear = Callable[[], Rgb]
"""Gives the clear picture as RGB; converted at most once, and only when a crop is to be kept."""

KEPT = 3
# Shots of one object lie at least this far apart: neighbours in time say the same thing twice.
_APART_90K = 27_000
# Around the box, in shares of its size: colours are neutralised by what surrounds an object.
_MARGIN = 0.5


@dataclass(frozen=True, slots=True)
class Shot:
    """One look at one object.

    Args:
        rgb: (h, w, 3) the surroundings of the object, cut out of the clear picture.
        inside: (4,) the object's box in `rgb`.
        box: (4,) the object's box in the picture, pixels.
    """

    pts_90k: int
    utc_us: int
    verdict: ShotQuality
    rgb: Rgb
    inside: NDArray[np.float32]
    box: NDArray[np.float32]


@dataclass(slots=True)
class ObservedTrack:
    """One object's time in front of the camera; `shots` best first."""

    track_id: int
    first_us: int
    last_us: int
    votes: dict[ObjectClass, float] = field(default_factory=dict)
    shots: list[Shot] = field(default_factory=list)

    @property
    def class_(self) -> ObjectClass:
        return max(self.votes, key=lambda kind: self.votes[kind])

    def consider(self, track: TrackBox, sight: FrameDetections, i420: I420, utc_us: int, rgb: Clear) -> ShotQuality:
        """Keep this look if it is among the best; what it is worth."""
        self.last_us = max(self.last_us, utc_us)
        self.votes[track.class_] = self.votes.get(track.class_, 0.0) + track.score
        verdict = judge(i420[: i420.shape[0] * 2 // 3], track, sight)
        if len(self.shots) == KEPT and verdict.rank <= self.shots[-1].verdict.rank:
            return verdict
        near = [shot for shot in self.shots if abs(shot.pts_90k - sight.pts_90k) < _APART_90K]
        if any(shot.verdict.rank >= verdict.rank for shot in near):
            return verdict
        kept = [shot for shot in self.shots if all(shot is not other for other in near)]
        kept.append(self._cut(track, sight, utc_us, verdict, rgb))
        kept.sort(key=lambda shot: shot.verdict.rank, reverse=True)
        self.shots = kept[:KEPT]
        return verdict

    @staticmethod
    def _cut(track: TrackBox, sight: FrameDetections, utc_us: int, verdict: ShotQuality, rgb: Clear) -> Shot:
        picture = rgb()
        height, width = picture.shape[:2]
        edge = np.array([width, height, width, height], np.float32)
        box = np.clip(track.box, 0, edge).astype(np.float32)
        margin = np.tile((box[2:] - box[:2]) * _MARGIN, 2) * np.array([-1, -1, 1, 1], np.float32)
        x0, y0, x1, y1 = np.clip(box + margin, 0, edge).astype(int)
        inside = (box - np.array([x0, y0, x0, y0], np.float32)).astype(np.float32)
        return Shot(sight.pts_90k, utc_us, verdict, picture[y0:y1, x0:x1].copy(), inside, box)
