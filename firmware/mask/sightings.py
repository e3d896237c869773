"""What was seen around a picture in time, and which of it may mask something in that picture.

A box masks its place in its own picture and in those around it. What was seen again later has moved on: only its last
box before a picture, its first one after it, and what was predicted in between stand for where it may be. Otherwise
a walking person would trail a mask behind them as long as the hold.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware.capture.frame import CLOCK_90K
from firmware.mask.grid import Boxes, Rect
from firmware.mask.targets import UNTRACKED, Target
from models.detections import ious

# Boxes this near in time to a picture count in it whatever was seen later, for detectors jitter: so many looks, and no
# longer than so many seconds.
_NEAR_LOOKS, _NEAR_S = 1.5, 0.11
# Where looks follow each other so quickly, no one moves far between two: people that are seen now are where they are.
_QUICK_S = 0.06
# How long a doubtful box stands after its picture and before it: until each size of the detector has run again.
_DOUBT_S, _DOUBT_LOOKS, _DOUBT_AHEAD = 0.25, 6, 0.5
_SAME = 0.5  # what no track follows is seen again by a box that overlaps it by this much
_NOT_YET_90K = 1 << 60


@dataclass(slots=True)
class _Sighting:
    """The targets of one picture; `again_90k[n]` is when target n was next seen."""

    pts_90k: int
    targets: list[Target]
    boxes: Boxes
    ids: NDArray[np.int64]
    seen: NDArray[np.bool_]
    again_90k: NDArray[np.int64]


class Sightings:
    """Fed by `add` in time order; one thread."""

    def __init__(self) -> None:
        self._past: deque[_Sighting] = deque()

    def __bool__(self) -> bool:
        return bool(self._past)

    @property
    def last_90k(self) -> int:
        """The last picture that vision examined; only while there is something."""
        return self._past[-1].pts_90k

    def clear(self) -> None:
        """Forget all of it."""
        self._past.clear()

    def add(self, pts_90k: int, targets: list[Target], since_90k: int) -> None:
        """Take the targets of the picture at `pts_90k`; forget what is older than `since_90k`."""
        rects = [_around(target.rects) for target in targets]
        boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in rects], np.float32).reshape(-1, 4)
        ids = np.array([target.track_id for target in targets], np.int64)
        seen = np.array([target.seen for target in targets], np.bool_)
        for sighting in self._past:
            open_ = sighting.again_90k == _NOT_YET_90K
            if not open_.any() or not seen.any():
                continue
            same = (sighting.ids[:, None] == ids[None, seen]) & (sighting.ids != UNTRACKED)[:, None]
            same |= (sighting.ids == UNTRACKED)[:, None] & (ious(sighting.boxes, boxes[seen]) >= _SAME)
            sighting.again_90k[open_ & same.any(axis=1)] = pts_90k
        again_90k = np.full(len(targets), _NOT_YET_90K, np.int64)
        self._past.append(_Sighting(pts_90k, targets, boxes, ids, seen, again_90k))
        while self._past[0].pts_90k < since_90k:
            self._past.popleft()

    def vouched(self, pts_90k: int, gap_90k: int) -> bool:
        """Whether vision examined this picture, or at most `gap_90k` before and after it."""
        near = [sighting.pts_90k for sighting in self._past if abs(sighting.pts_90k - pts_90k) <= gap_90k]
        return pts_90k in near or (bool(near) and min(near) < pts_90k < max(near))

    @property
    def look_90k(self) -> int:
        """The usual time between two looks."""
        times = [sighting.pts_90k for sighting in self._past]
        return int(np.median(np.diff(times))) if len(times) > 1 else round(_NEAR_S * CLOCK_90K)

    def around(self, pts_90k: int, hold_90k: int, ahead_90k: int) -> Iterator[Target]:
        """Every target that may mask something in the picture at `pts_90k`.

        Args:
            hold_90k: how long a box stands after its picture; ahead_90k: and before it. When vision skips pictures,
                the next sighting counts however far ahead it is.
        """
        look_90k = self.look_90k
        near_90k = round(min(_NEAR_S * CLOCK_90K, _NEAR_LOOKS * look_90k))
        own_90k = near_90k if look_90k >= _QUICK_S * CLOCK_90K else look_90k // 2
        doubt_90k = min(hold_90k, max(round(_DOUBT_S * CLOCK_90K), _DOUBT_LOOKS * look_90k))
        following = min(
            (sighting.pts_90k - pts_90k for sighting in self._past if sighting.pts_90k >= pts_90k), default=0
        )
        seen_now = {
            int(id_)
            for sighting in self._past
            if sighting.pts_90k == pts_90k
            for id_ in sighting.ids[sighting.seen]
            if id_ != UNTRACKED
        }
        for sighting in self._past:
            age_90k = pts_90k - sighting.pts_90k
            if age_90k > hold_90k or -age_90k > max(ahead_90k, following):
                continue
            for target, again_90k in zip(sighting.targets, sighting.again_90k, strict=True):
                if abs(age_90k) > near_90k and (target.track_id in seen_now or again_90k <= pts_90k):
                    continue
                if abs(age_90k) > own_90k and target.of(seen_now):
                    continue
                if target.doubtful and (age_90k > doubt_90k or -age_90k > max(_DOUBT_AHEAD * ahead_90k, following)):
                    continue
                yield target


def _around(rects: tuple[Rect, ...]) -> Rect:
    """The rectangle around all of a target's; nothing around none."""
    if not rects:
        return 0, 0, 0, 0
    x, y = min(rect[0] for rect in rects), min(rect[1] for rect in rects)
    return x, y, max(rect[0] + rect[2] for rect in rects) - x, max(rect[1] + rect[3] for rect in rects) - y
