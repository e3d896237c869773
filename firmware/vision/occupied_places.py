"""Where a person was believed to be: a place keeps its mask until it is seen to be empty.

A detector loses people that stand, sit down or bend, and a memory of the scene takes a person that stands long enough
for a part of it. So a place where a person was believed is kept, detected or not, until they have demonstrably left
it: the detector finds it empty at each of its sizes, several times, and the picture there is the empty scene again. The
empty scene is only learnt where no person is believed. Where it was never seen, because the person was there from the
start, a place that has changed since its last detection and has then stood without change and empty for `_UNSEEN_S` is
taken for the scene.

Called once per look of the detector, on the thread of vision, in time order.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.detections import Boxes, Detections, ious
from models.detector import MASKING_THRESHOLD, OBJECT_THRESHOLD
from wire.features.vocabulary import ObjectClass

Luma = NDArray[np.uint8]
_Small = NDArray[np.float32]

_SCALE = 4
# A detection is of the person of a place from this overlap on.
_SAME = 0.4
# … and from this overlap on the person stands there: the place's box takes so much of each detection's.
_STANDS, _STEADY = 0.7, 0.5
# A place is believed after this long and so many detections, one of which was sure or all of which add up to as much.
_BELIEVED_S, _BELIEVED_SUM = 1.0, 1.2
# What is not believed yet is forgotten after this long without a detection; the plan's own hold covers it until then.
_FORGOTTEN_S = 1.0
# Looks of each size that must find the place empty before it may be given up, and for how long; the sizes that are not
# the usual one share every second or third look (`size_schedule.py`).
_EMPTY_LOOKS, _EMPTY_S, _TURN = 2, 0.5, 3
# A sample differs from this many grey levels on; a place differs when more than this share of its samples do.
_DIFFERS, _SHARE = 12.0, 0.10
_NOISE, _MOST_NOISE = 3.5, 12.0  # … or this many times the usual noise of the sample
# Of a box the outer parts are background.
_CORE = 0.15
_UNSEEN_S, _LEFT_BEHIND_S = 8.0, 120.0
_LEARN_S = 2.0
_MOST = 128


@dataclass(slots=True, eq=False)
class _Place:
    box: NDArray[np.float32]
    first_s: float
    seen_s: float
    worth: float
    patch: _Small
    empty_since_s: float = -1.0
    empty_looks: int = 0
    rest: _Small | None = None
    rest_s: float = 0.0

    def believed(self) -> bool:
        return self.seen_s - self.first_s >= _BELIEVED_S and self.worth >= _BELIEVED_SUM


class OccupiedPlaces:
    """Remembers the places of people and the scene without them.

    Args:
        scales: sizes that the detector looks at in turn.
    """

    def __init__(self, scales: int) -> None:
        self._needed = _EMPTY_LOOKS * (1 if scales == 1 else _TURN * (scales - 1))
        self._places: list[_Place] = []
        self._scene: _Small | None = None
        self._known: NDArray[np.bool_] = np.zeros((0, 0), np.bool_)
        self._learnt_s: _Small = np.zeros((0, 0), np.float32)
        self._noise: _Small = np.zeros((0, 0), np.float32)
        self._last_s = 0.0

    def forget(self) -> None:
        """The camera shows another scene: nothing of the old one counts."""
        self._scene = None
        self._places.clear()

    def update(self, luma: Luma, found: Detections, followed: Boxes, now_s: float) -> Boxes:
        """(n, 4) boxes of the people that are believed to be there and are in neither `found` nor `followed`.

        Args:
            luma: (h, w) of the picture.
            found: detections of this look, down to the masking threshold at least.
            followed: (m, 4) boxes of the people that the tracker sees in this picture.
        """
        size = luma.shape[1] // _SCALE, luma.shape[0] // _SCALE
        small = cv2.resize(luma, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        if self._scene is None or self._scene.shape != small.shape:
            self._scene, self._known = small.copy(), np.zeros(small.shape, np.bool_)
            self._learnt_s, self._noise = np.zeros(small.shape, np.float32), np.full(small.shape, 2.0, np.float32)
        people = found.where((found.classes == ObjectClass.PERSON) & (found.scores >= MASKING_THRESHOLD))
        boxes = np.concatenate([people.boxes, followed])
        scores = np.concatenate([people.scores, np.full(len(followed), OBJECT_THRESHOLD, np.float32)])
        # The whole picture may grow lighter or darker; that changes no place.
        level = small - np.float32(np.median(small - self._scene))
        self._match(level, boxes, scores, now_s)
        kept = self._keep(level, now_s)
        self._learn(small, boxes, now_s)
        return np.array([place.box for place in kept], np.float32).reshape(-1, 4)

    def _match(self, small: _Small, boxes: Boxes, scores: NDArray[np.float32], now_s: float) -> None:
        places = self._places
        near = ious(np.array([p.box for p in places], np.float32).reshape(-1, 4), boxes)
        free = np.ones(len(boxes), np.bool_)
        for row in np.argsort(-near.max(axis=1, initial=0.0), kind="stable"):
            place = places[row]
            own = near[row] >= _SAME
            if not own.any():
                continue
            # Several boxes of one person are one sighting; the surest says where the person is.
            best = int(np.flatnonzero(own)[scores[own].argmax()])
            free &= ~own
            if place.empty_looks:
                place.empty_looks, place.empty_since_s = 0, -1.0
            # Boxes jitter from size to size; of somebody who walks, a mean would lag behind and be left as a place.
            share = _STEADY if near[row, best] >= _STANDS else 1.0
            place.box = np.asarray((1 - share) * place.box + share * boxes[best], np.float32)
            place.worth = min(place.worth + float(scores[best]), 10.0)
            place.seen_s, place.patch = now_s, _cut(small, place.box)
        for row in np.flatnonzero(free):
            if len(self._places) >= _MOST:
                self._places.remove(min(self._places, key=lambda place: (place.believed(), place.seen_s)))
            box = boxes[row]
            mine = np.array([p.box for p in self._places], np.float32).reshape(-1, 4)
            if not (ious(mine, box[None]) >= _SAME).any():
                self._places.append(_Place(box, now_s, now_s, float(scores[row]), _cut(small, box)))

    def _keep(self, small: _Small, now_s: float) -> list[_Place]:
        """The believed places that were not detected now; those that are seen to be empty are given up."""
        kept, left = [], []
        for place in self._places:
            if place.seen_s == now_s:
                left.append(place)
                continue
            if not place.believed():
                if now_s - place.seen_s <= _FORGOTTEN_S:
                    left.append(place)
                continue
            if place.empty_looks == 0:
                place.empty_since_s = now_s
            place.empty_looks += 1
            if self._empty(place, small, now_s):
                continue
            left.append(place)
            kept.append(place)
        self._places = left
        return kept

    def _empty(self, place: _Place, small: _Small, now_s: float) -> bool:
        """Whether the person of a place that the detector finds empty has left it."""
        assert self._scene is not None
        if place.empty_looks < self._needed or now_s - place.empty_since_s < _EMPTY_S:
            return False
        at = _window(place.box, small.shape)
        now, scene, differs = small[at], self._scene[at], np.maximum(_DIFFERS, _NOISE * self._noise[at])
        if self._known[at].mean() > 0.9:  # all but an edge
            if _apart(now, scene, differs) <= _SHARE:
                return True
            patience_s = _LEFT_BEHIND_S
        else:
            patience_s = _UNSEEN_S
            if _apart(now, place.patch, differs) <= _SHARE:
                # As when the person was last seen here: they are still there.
                return False
        if place.rest is None or place.rest.shape != now.shape or _apart(now, place.rest, differs) > _SHARE:
            place.rest, place.rest_s = now.copy(), now_s
        return now_s - place.rest_s >= patience_s

    def _learn(self, small: _Small, boxes: Boxes, now_s: float) -> None:
        """Take into the scene what lies outside of all boxes and places."""
        assert self._scene is not None
        passed_s = min(max(now_s - self._last_s, 0.0), 1.0)
        self._last_s = now_s
        free = np.ones(small.shape, np.bool_)
        for box in [*boxes, *(place.box for place in self._places)]:
            free[_window(box, small.shape, -_CORE)] = False
        rate = np.float32(1 - np.exp(-passed_s / _LEARN_S))
        fresh = free & ~self._known
        self._scene[fresh] += (small[fresh] - self._scene[fresh]) * np.maximum(rate, np.float32(0.5))
        rest = free & self._known
        self._scene[rest] += (small[rest] - self._scene[rest]) * rate
        far = np.minimum(np.abs(small[rest] - self._scene[rest]), _MOST_NOISE)
        self._noise[rest] += (far - self._noise[rest]) * rate
        self._learnt_s[free] += passed_s
        self._known = self._learnt_s >= _LEARN_S


def _window(box: NDArray[np.float32], shape: tuple[int, ...], inset: float = _CORE) -> tuple[slice, slice]:
    """The samples of the inner part of a box; never empty."""
    x0, y0, x1, y1 = (float(value) / _SCALE for value in box)
    across, down = (x1 - x0) * inset, (y1 - y0) * inset
    left, top = int(np.clip(x0 + across, 0, shape[1] - 1)), int(np.clip(y0 + down, 0, shape[0] - 1))
    right, low = int(np.clip(x1 - across, left + 1, shape[1])), int(np.clip(y1 - down, top + 1, shape[0]))
    return slice(top, low), slice(left, right)


def _cut(small: _Small, box: NDArray[np.float32]) -> _Small:
    return np.asarray(small[_window(box, small.shape)].copy(), np.float32)


def _apart(one: _Small, other: _Small, differs: NDArray[np.floating]) -> float:
    """Share of samples in which two patches differ."""
    if one.shape != other.shape:
        return 1.0
    return float((np.abs(one - other) > differs).mean())
