"""Which macroblocks of a picture are masked, from what was seen before, in and after it.

The plan of picture n is drawn when the sightings up to n + look-back are there. A place is masked when an object was
seen there a short time before or after n; an object that is not seen in n itself stays masked where it was last seen
and where it is predicted, for the hold time. A picture that no sighting explains is masked whole: there is no state in
which a picture leaves unexamined.

Levels (measured on 32 x 80 px pedestrians: 16-px cells re-identify eight times better than chance when 25 pictures are
stacked): level 1 keeps cells of a quarter head and a third of a body's width, 16 px at least; level 2 half a body's
width, 32 px at least.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware.capture.frame import CLOCK_90K
from firmware.mask.grid import MB, BitGrid, Boxes, Rect, grow, to_rect
from firmware.mask.settings import Extent, MaskSettings, Pattern
from firmware.vision.sight import Sight
from wire.features.vocabulary import ObjectClass
from wire.recovery.layout import Region

CellGrid = NDArray[np.uint8]
"""(rows, columns): 0 where the picture is clear, else the side of the mosaic cell there, in macroblocks."""

_HEAD_OF_BODY = 0.24
_HEAD_AND_SHOULDERS_OF_BODY = 0.33
_HEAD_HEIGHT_OF_BODY = 0.15
_FULL_CELLS_DOWN = 8
_ASPECT_DILATED = 0.6
_UNTRACKED = 0
_NEAR_S = 0.15  # around a sighting in the picture itself, boxes this near in time are joined: detectors jitter
_EXPLAINS = 0.3  # of its size around a recognised object: its shadow and what it carries move too
_GAP_S = 0.35  # a picture that vision skipped is vouched for by sightings this near on both sides


@dataclass(frozen=True, slots=True)
class MaskPlan:
    """What is masked in one picture.

    Args:
        cells: the mosaic cell of every macroblock, 0 where clear.
        regions: one per tracked object that is masked, for the recovery table.
        full: the whole picture is masked because nothing vouches for it.
        why: for `full`, the reason in words; empty otherwise.
    """

    cells: CellGrid
    regions: tuple[Region, ...] = ()
    full: bool = False
    why: str = ""

    @property
    def mask(self) -> BitGrid:
        """(rows, columns) bool, True where masked."""
        return self.cells > 0


@dataclass(frozen=True, slots=True)
class _Target:
    """One thing to mask in one picture."""

    track_id: int
    class_: int
    rects: tuple[Rect, ...]
    cell: int
    seen: bool


class Planner:
    """Turns sightings into plans. Fed by `saw` in time order, asked by `plan` in time order; one thread.

    Args:
        width, height: of the picture; multiples of 16.
        settings: see there; replaced at any time through `settings`.
    """

    def __init__(self, width: int, height: int, settings: MaskSettings) -> None:
        self.columns, self.rows = width // MB, height // MB
        self.settings = settings
        self._seen: deque[tuple[int, list[_Target]]] = deque()
        self._known: deque[tuple[int, Boxes]] = deque()
        self._settled_90k: int | None = None
        self._always, self._never = self._zones()

    @property
    def settings(self) -> MaskSettings:
        """What holds now."""
        return self._settings

    @settings.setter
    def settings(self, settings: MaskSettings) -> None:
        self._settings = settings
        self._classes = {ObjectClass[name] for name in settings.classes}
        self._always, self._never = self._zones()

    def saw(self, sight: Sight) -> None:
        """Take what vision found in one picture.

        A box that is no number is a detector that cannot be trusted, and a picture too dark or too bright to see
        anybody in is one that nobody looked at: the same as `failed`.
        """
        if sight.blind or not _finite(sight):
            self.failed()
            return
        if self._settled_90k is None:
            self._settled_90k = sight.pts_90k + round(self._settings.settle_s * CLOCK_90K)
        self._seen.append((sight.pts_90k, list(self._targets(sight))))
        self._known.append((sight.pts_90k, _everything(sight)))
        keep_90k = round((self._settings.hold_s + self._settings.deadline_s + 1.0) * CLOCK_90K)
        while self._seen[0][0] < sight.pts_90k - keep_90k:
            self._seen.popleft()
            self._known.popleft()

    def failed(self) -> None:
        """Vision broke: nothing seen so far vouches for what comes, until it has worked for `settle_s` again."""
        self._settled_90k = None
        self._seen.clear()
        self._known.clear()

    def ready(self, pts_90k: int) -> bool:
        """Whether the sightings that a plan of this picture may use are all there."""
        return bool(self._seen) and self._seen[-1][0] >= pts_90k + round(self._settings.look_back_s * CLOCK_90K)

    def plan(self, pts_90k: int, moving: BitGrid | None = None) -> MaskPlan:
        """The plan of the picture at `pts_90k`; whole when vision is not there, settling, or has a gap around it.

        Args:
            moving: what moves in the picture; where no detection explains it, it is masked (`strict`).
        """
        if self._settled_90k is None:
            return self.whole("vision has not started or has failed")
        if pts_90k < self._settled_90k:
            return self.whole("vision has just started")
        if not self._vouched(pts_90k):
            return self.whole("the detector is late")
        cells = np.zeros((self.rows, self.columns), np.uint8)
        regions: dict[int, Region] = {}
        for target in self._around(pts_90k):
            for rect in target.rects:
                x, y, w, h = rect
                part = cells[y : y + h, x : x + w]
                np.maximum(part, target.cell, out=part)
                if target.track_id != _UNTRACKED:
                    region = Region(target.track_id, target.class_, self._settings.level, *rect)
                    regions[target.track_id] = _joined(regions.get(target.track_id), region)
        if moving is not None:
            cells[moving & (cells == 0) & ~self._explained(pts_90k)] = 2
        if self._always is not None:
            cells[self._always] = np.maximum(cells[self._always], 2)
        if self._never is not None:
            cells[self._never] = 0
        return MaskPlan(cells, tuple(regions.values()))

    def whole(self, why: str) -> MaskPlan:
        """Everything masked, in cells that leave no face: an eighth of the picture's height."""
        cell = max(2, round(self.rows / _FULL_CELLS_DOWN))
        return MaskPlan(np.full((self.rows, self.columns), cell, np.uint8), (), full=True, why=why)

    def _vouched(self, pts_90k: int) -> bool:
        """Whether vision looked at this picture, or shortly before and after it."""
        gap_90k = round(max(_GAP_S, self._settings.look_back_s) * CLOCK_90K)
        near = [seen for seen, _ in self._seen if abs(seen - pts_90k) <= gap_90k]
        return pts_90k in near or (bool(near) and min(near) < pts_90k < max(near))

    def _around(self, pts_90k: int) -> Iterable[_Target]:
        """Every target that masks something in the picture at `pts_90k`."""
        near_90k = round(_NEAR_S * CLOCK_90K)
        hold_90k = round(self._settings.hold_s * CLOCK_90K)
        # When vision skips pictures, the next sighting after this one counts however far ahead it is.
        following = min((at - pts_90k for at, _ in self._seen if at >= pts_90k), default=0)
        ahead_90k = max(round(self._settings.look_back_s * CLOCK_90K), following)
        seen_now = {
            target.track_id
            for at, targets in self._seen
            if at == pts_90k
            for target in targets
            if target.seen and target.track_id != _UNTRACKED
        }
        for at, targets in self._seen:
            age = pts_90k - at
            if age > hold_90k or -age > ahead_90k:
                continue
            for target in targets:
                if target.track_id in seen_now and abs(age) > near_90k:
                    continue
                yield target

    def _targets(self, sight: Sight) -> Iterable[_Target]:
        faces = grow(sight.faces, self._settings.margin * 3)
        if len(faces):
            yield _Target(_UNTRACKED, int(ObjectClass.PERSON), self._rects(faces), self._cell(faces), seen=True)
        for track in sight.tracks:
            if track.class_ in self._classes:
                body = track.box.reshape(1, 4)
                rects = self._rects(self._extent(body, faces, track.class_))
                yield _Target(track.id, int(track.class_), rects, self._cell(body), seen=track.seen)
        weak = sight.weak
        for box, class_ in zip(weak.boxes, weak.classes, strict=True):
            if ObjectClass(class_) in self._classes:
                body = box.reshape(1, 4)
                rects = self._rects(self._extent(body, faces, ObjectClass(class_)))
                yield _Target(_UNTRACKED, int(class_), rects, self._cell(body), seen=True)

    def _explained(self, pts_90k: int) -> BitGrid:
        """Where something was recognised, of whatever class, masked or not."""
        grid = np.zeros((self.rows, self.columns), np.bool_)
        hold_90k = round(self._settings.hold_s * CLOCK_90K)
        for at, boxes in self._known:
            if abs(pts_90k - at) <= hold_90k:
                for x, y, w, h in self._rects(grow(boxes, _EXPLAINS)):
                    grid[y : y + h, x : x + w] = True
        return grid

    def _rects(self, boxes: Boxes) -> tuple[Rect, ...]:
        found = (to_rect(box, self.columns, self.rows) for box in boxes)
        return tuple(rect for rect in found if rect is not None)

    def _extent(self, body: Boxes, faces: Boxes, class_: ObjectClass) -> Boxes:
        """The boxes to mask of one body, (1, 4), by the configured extent."""
        margin = self._settings.margin
        if self._settings.pattern is Pattern.DILATED:
            return grow(_fixed_shape(body), margin)
        if class_ is not ObjectClass.PERSON or self._settings.extent is Extent.BODIES:
            return grow(body, margin)
        share = _HEAD_AND_SHOULDERS_OF_BODY if self._settings.extent is Extent.HEADS else _HEAD_OF_BODY
        upper = body.copy()
        upper[:, 3] = body[:, 1] + share * (body[:, 3] - body[:, 1])
        if self._settings.extent is Extent.FACES and _any_inside(faces, upper):
            return np.zeros((0, 4), np.float32)
        return grow(upper, max(margin, 0.2))

    def _cell(self, bodies: Boxes) -> int:
        """The mosaic cell for objects of this size, in macroblocks."""
        width = float((bodies[:, 2] - bodies[:, 0]).max(initial=MB))
        head = float((bodies[:, 3] - bodies[:, 1]).max(initial=MB)) * _HEAD_HEIGHT_OF_BODY
        side = max(16.0, head / 4, width / 3) if self._settings.level == 1 else max(32.0, width / 2)
        return int(np.clip(-(-side // MB), 1, 255))

    def _zones(self) -> tuple[BitGrid | None, BitGrid | None]:
        grids: dict[str, BitGrid] = {}
        for zone in self._settings.zones:
            corners = np.array(zone.corners).reshape(-1, 2) * (self.columns * MB, self.rows * MB)
            fine = np.zeros((self.rows * MB, self.columns * MB), np.uint8)
            cv2.fillPoly(fine, [np.round(corners).astype(np.int32)], 1)
            share = fine.reshape(self.rows, MB, self.columns, MB).mean(axis=(1, 3))
            touched = share > 0 if zone.rule == "always" else share == 1
            grids[zone.rule] = touched | grids.get(zone.rule, np.zeros_like(touched))
        return grids.get("always"), grids.get("never")


def _joined(before: Region | None, region: Region) -> Region:
    if before is None:
        return region
    x, y = min(before.x, region.x), min(before.y, region.y)
    right = max(before.x + before.w, region.x + region.w)
    bottom = max(before.y + before.h, region.y + region.h)
    return replace(region, x=x, y=y, w=right - x, h=bottom - y)


def _everything(sight: Sight) -> Boxes:
    tracked = [track.box for track in sight.tracks]
    return np.concatenate([np.array(tracked, np.float32).reshape(-1, 4), sight.weak.boxes.reshape(-1, 4)])


def _finite(sight: Sight) -> bool:
    boxes = [sight.faces, sight.weak.boxes, *(track.box for track in sight.tracks)]
    return all(bool(np.isfinite(box).all()) for box in boxes)


def _fixed_shape(body: Boxes) -> Boxes:
    """A box of one shape and of a few sizes around each body, so that neither pose nor stature shows."""
    centre = (body[:, :2] + body[:, 2:]) / 2
    side = np.maximum(body[:, 3] - body[:, 1], (body[:, 2] - body[:, 0]) / _ASPECT_DILATED)
    ladder = MB * 2.0 ** np.ceil(np.log2(np.maximum(side, MB) / MB))
    half = np.stack([ladder * _ASPECT_DILATED, ladder], axis=1) / 2
    return np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)


def _any_inside(faces: Boxes, upper: Boxes) -> bool:
    centres = (faces[:, :2] + faces[:, 2:]) / 2
    x0, y0, x1, y1 = upper[0]
    return bool(((centres >= (x0, y0)) & (centres <= (x1, y1))).all(axis=1).any())
