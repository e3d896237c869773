"""Finds in places that an operator released: things that look like people, for as long as they are part of the scene.

An operator releases a place for what stands there. A person who comes to stand in it and has no track differs from the
thing by the scene: while a find that is sure of a person stands before it, the find is masked.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from firmware.mask.background import Foreground
from firmware.mask.grid import Boxes
from firmware.mask.targets import Target, Targets
from firmware.vision.frame_detections import FrameDetections
from models.detections import ious
from models.detector import OBJECT_THRESHOLD

# A doubtful detection is the thing of a released place from this overlap on.
_SAME_PLACE = 0.5
# A find is before the scene when so much of what it masks is.
_BEFORE_SCENE = 0.25


class ReleasedFinds:
    """Fed by `take` in time order; one thread.

    Args:
        width, height: of the picture in pixels.
        places: (n, 4) released places as shares of the picture; asked each time.
    """

    def __init__(self, width: int, height: int, places: Callable[[], Boxes]) -> None:
        self._places = places
        self._size = np.array([width, height, width, height], np.float32)
        self._sure: deque[tuple[int, tuple[Target, ...]]] = deque()

    def take(self, sight: FrameDetections, targets: Targets, since_90k: int) -> FrameDetections:
        """`sight` without what nobody follows in released places; forget what is older than `since_90k`."""
        while self._sure and self._sure[0][0] < since_90k:
            self._sure.popleft()
        places = self._places() * self._size
        if not len(places):
            return sight
        weak, kept = ((ious(boxes, places) < _SAME_PLACE).all(axis=1) for boxes in (sight.weak.boxes, sight.kept))
        sure = sight.weak.where(np.asarray(~weak & (sight.weak.scores >= OBJECT_THRESHOLD)))
        if len(sure):
            alone = replace(sight, weak=sure, faces=sight.faces[:0], kept=sight.kept[:0], tracks=())
            self._sure.append((sight.pts_90k, tuple(targets.of(alone))))
        return replace(sight, weak=sight.weak.where(np.asarray(weak)), kept=sight.kept[kept])

    def before_scene(self, pts_90k: int, hold_90k: int, foreground: Foreground | None) -> Iterator[Target]:
        """Those sure finds within `hold_90k` of a picture that stand before its scene."""
        for at_90k, targets in self._sure:
            if abs(pts_90k - at_90k) > hold_90k:
                continue
            for target in targets:
                shares = [
                    1.0
                    if foreground is None or not foreground.learnt
                    else foreground.cells[y : y + h, x : x + w].mean()
                    for x, y, w, h in target.rects
                ]
                if max(shares, default=0.0) >= _BEFORE_SCENE:
                    yield target
