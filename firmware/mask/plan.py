"""Which macroblocks of a picture are masked, from what was seen before, in and after it.

The plan of picture n is drawn when the sightings up to n + look-back are there. A place is masked when an object was
seen there a short time before or after n; an object that is not seen in n itself stays masked where it was last seen
and where it is predicted, for the hold time, and wherever the foreground goes that hangs together with it. A picture
that no sighting explains is masked whole: there is no state in which a picture leaves unexamined.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from firmware.capture.frame import CLOCK_90K
from firmware.mask.background import Foreground
from firmware.mask.exemption import left_open
from firmware.mask.grid import MB, BitGrid, Boxes, Rect, grow
from firmware.mask.released import ReleasedFinds
from firmware.mask.residual_foreground import ResidualForeground
from firmware.mask.settings import Fill, Infrared, MaskSettings
from firmware.mask.sightings import Sightings
from firmware.mask.targets import UNTRACKED, Targets
from firmware.mask.zones import ZoneGrids
from firmware.vision.frame_detections import FrameDetections
from wire.recovery.layout import Region

CellGrid = NDArray[np.uint8]
"""(rows, columns): 0 where the picture is clear, else the side of the mosaic cell there, in macroblocks."""
FillGrid = NDArray[np.uint8]
"""(rows, columns) of `Fill`."""

_NO_VISION = "vision has not started or has failed"
_FULL_CELLS_DOWN = 8
_ZONE_CELL = 2
_LONG_AGO_90K = -(1 << 60)
_GAP_S = 0.35  # a picture that vision skipped is vouched for by sightings this near on both sides
# Two looks at each of three sizes know a picture as well as half a second of a slower camera does.
_SETTLED_LOOKS = 6
# A macroblock that is shown again has to be coded again: one that comes and goes costs more than one that stays masked.
_RELEASE_S, _RELEASE_LOOKS = 0.2, 1.5
# After the camera has moved nothing is known of the scene; and an infra-red picture is one until colours are sure.
_MOVED_S, _COLOURLESS_S = 2.0, 2.0
# Of its size around a person seen in the picture, what moves is theirs; around a thing that is not masked, its
# shadow moves too and it need not be seen in every picture.
_EXPLAINS_PERSON, _EXPLAINS_THING = 0.1, 0.3


@dataclass(frozen=True, slots=True)
class MaskPlan:
    """What is masked in one picture.

    Args:
        cells: the mosaic cell of every macroblock, 0 where clear.
        regions: one per tracked object that is masked, for the recovery table.
        full: the whole picture is masked because nothing vouches for it.
        why: for `full`, the reason in words; empty otherwise.
        fills: what covers every macroblock; None takes the painter's settings for all of them.
        claims: what may be a person that no track follows: in doubt their macroblocks belong to no one.
    """

    cells: CellGrid
    regions: tuple[Region, ...] = ()
    full: bool = False
    why: str = ""
    fills: FillGrid | None = None
    claims: tuple[Region, ...] = ()

    @property
    def mask(self) -> BitGrid:
        """(rows, columns) bool, True where masked."""
        return self.cells > 0


class Planner:
    """Turns sightings into plans. Fed by `saw` in time order, read by `plan` in time order; one thread.

    Args:
        width, height: of the picture; multiples of 16.
        settings: see there; replaced at any time through `settings`.
        is_open: whether a followed person is to be left open; None masks everyone.
        released: (n, 4) places that an operator released, as shares of the picture: what stands there and looks like a
            person is a thing. Whoever is followed there, or surely found and new to the scene, is masked all the same.
    """

    def __init__(
        self,
        width: int,
        height: int,
        settings: MaskSettings,
        is_open: Callable[[int], bool] | None = None,
        released: Callable[[], Boxes] = lambda: np.zeros((0, 4), np.float32),
    ) -> None:
        self._is_open = is_open
        self._released = ReleasedFinds(width, height, released)
        self._sights: deque[FrameDetections] = deque()
        self.columns, self.rows = width // MB, height // MB
        self._seen = Sightings()
        self._known: deque[tuple[int, Boxes, Boxes]] = deque()
        self._settled_90k: int | None = None
        self._settling = 0
        self._why = _NO_VISION
        self._moved_90k = self._colourless_90k = _LONG_AGO_90K
        self._before = np.zeros((self.rows, self.columns), np.uint8)
        self._needed_90k = np.full((self.rows, self.columns), _LONG_AGO_90K, np.int64)
        self._remainder = ResidualForeground(self.rows, self.columns, self._cell_of)
        self.settings = settings

    @property
    def settings(self) -> MaskSettings:
        """What holds now."""
        return self._settings

    @settings.setter
    def settings(self, settings: MaskSettings) -> None:
        self._settings = settings
        self._targets = Targets(self.columns, self.rows, settings)
        self._zones = ZoneGrids.of(settings, self.columns, self.rows)

    def saw(self, sight: FrameDetections) -> None:
        """Take what vision found in one picture.

        A box that is no number is a detector that cannot be trusted, and a picture too dark or too bright to see
        people in is one that was not examined: the same as `failed`.
        """
        if sight.blind or not _finite(sight):
            self.failed(sight.blind or "the detector answered what is no number")
            return
        keep_90k = round((self._settings.hold_s + self._settings.deadline_s + 1.0) * CLOCK_90K)
        sight = self._released.take(sight, self._targets, sight.pts_90k - keep_90k)
        if sight.moved:
            self._moved_90k = sight.pts_90k
            self._remainder.forget()
        if sight.colourless:
            self._colourless_90k = sight.pts_90k
        if self._settled_90k is None:
            self._settled_90k = sight.pts_90k + round(self._settings.settle_s * CLOCK_90K)
            self._settling = 0
        self._settling += 1
        if self._settling == _SETTLED_LOOKS:
            self._settled_90k = min(self._settled_90k, sight.pts_90k)
        self._seen.add(sight.pts_90k, list(self._targets.of(sight)), sight.pts_90k - keep_90k)
        self._known.append((sight.pts_90k, *self._explaining(sight)))
        self._sights.append(sight)
        while self._sights[0].pts_90k < sight.pts_90k - keep_90k:
            self._known.popleft()
            self._sights.popleft()

    def failed(self, why: str = _NO_VISION) -> None:
        """Vision broke: nothing seen so far vouches for what comes, until it has worked for `settle_s` again."""
        self._settled_90k, self._why = None, why
        self._seen.clear()
        self._known.clear()
        self._sights.clear()
        self._remainder.forget()

    def ready(self, pts_90k: int) -> bool:
        """Whether the sightings that a plan of this picture may use are all there."""
        return bool(self._seen) and self._seen.last_90k >= pts_90k + round(self._settings.look_back_s * CLOCK_90K)

    def plan(self, pts_90k: int, foreground: Foreground | None = None) -> MaskPlan:
        """The plan of the picture at `pts_90k`; whole when vision is not there, settling, or has a gap around it.

        Args:
            foreground: what is before the scene in the picture; without it what was lost is masked only where it was
                last seen and is predicted. It only ever adds masks.
        """
        if self._settled_90k is None:
            return self.whole(self._why)
        if pts_90k < self._settled_90k:
            return self.whole("vision has just started" if self._why == _NO_VISION else self._why)
        if not self._seen.vouched(pts_90k, round(max(_GAP_S, self._settings.look_back_s) * CLOCK_90K)):
            return self.whole("the detector is late")
        if 0 <= pts_90k - self._moved_90k <= _MOVED_S * CLOCK_90K:
            return self.whole("the camera moved")
        infrared = abs(pts_90k - self._colourless_90k) <= _COLOURLESS_S * CLOCK_90K
        if infrared and self._settings.infrared is Infrared.WHOLE:
            return self.whole("no colours: in infra-red light people are missed")
        strict = self._settings.strict or infrared or self._doubtful(pts_90k)
        if strict and (foreground is None or not foreground.learnt):
            return self.whole("the scene is not known yet")
        cells, fills, regions, claims = self._drawn(pts_90k, foreground, strict=strict)
        if self._zones.always.any():
            zone = self._zones.always > 0
            cells[zone] = np.maximum(cells[zone], _ZONE_CELL)
            fills = np.maximum(fills, self._zones.always)
        cells[self._zones.never] = fills[self._zones.never] = 0
        return MaskPlan(cells, regions, fills=fills, claims=claims)

    def whole(self, why: str) -> MaskPlan:
        """Everything masked, in cells that leave no face: an eighth of the picture's height."""
        self._before = np.zeros((self.rows, self.columns), np.uint8)
        cell = max(2, round(self.rows / _FULL_CELLS_DOWN))
        fills = np.maximum(np.full((self.rows, self.columns), self._settings.fill, np.uint8), self._zones.always)
        return MaskPlan(np.full((self.rows, self.columns), cell, np.uint8), (), full=True, why=why, fills=fills)

    def _drawn(
        self, pts_90k: int, foreground: Foreground | None, *, strict: bool
    ) -> tuple[CellGrid, FillGrid, tuple[Region, ...], tuple[Region, ...]]:
        """What sightings and the foreground mask; whose it is, and what may be a person that no track follows."""
        cells = np.zeros((self.rows, self.columns), np.uint8)
        fills, wide = np.zeros_like(cells), np.zeros_like(cells, np.bool_)
        regions: dict[int, Region] = {}
        claims: set[Region] = set()
        believed = np.zeros_like(cells, np.bool_)
        opened = self._opened(pts_90k)
        hold_90k, ahead_90k = (
            round(seconds * CLOCK_90K) for seconds in (self._settings.hold_s, self._settings.look_back_s)
        )
        seen = self._seen.around(pts_90k, hold_90k, ahead_90k)
        for target in chain(seen, self._released.before_scene(pts_90k, hold_90k, foreground)):
            if target.track_id in opened or not opened.isdisjoint(target.within):
                continue
            for rect in target.rects:
                at = _slices(rect)
                believed[at] |= not target.doubtful
                np.maximum(cells[at], target.cell, out=cells[at])
                np.maximum(fills[at], np.uint8(target.fill), out=fills[at])
                if target.track_id != UNTRACKED:
                    region = Region(target.track_id, target.class_, target.level, *rect)
                    regions[target.track_id] = _joined(regions.get(target.track_id), region)
                elif target.apart:
                    claims.add(Region(UNTRACKED, target.class_, target.level, *rect))
            for rect in target.wide:
                wide[_slices(rect)] = True
        if foreground is not None:
            # Where nothing but the scene shows a person, their outline is found a macroblock too small.
            followed = foreground.near if strict else foreground.alive
            left = self._remainder.update(
                cells > 0, believed, followed, self._explained(pts_90k), pts_90k, everything=strict
            )
            np.maximum(cells, left, out=cells)
        self._needed_90k[cells > 0] = pts_90k
        # Where people are left open on purpose, what hid them a moment ago is not to hide them on.
        release_90k = 0 if opened else round(min(_RELEASE_S * CLOCK_90K, _RELEASE_LOOKS * self._seen.look_90k))
        lingers = (cells == 0) & (wide | (pts_90k - self._needed_90k <= release_90k))
        cells[lingers] = self._before[lingers]
        self._before = cells.copy()
        fills[(cells > 0) & (fills == Fill.CLEAR)] = self._settings.fill
        return cells, fills, tuple(regions.values()), tuple(claims)

    def _doubtful(self, pts_90k: int) -> bool:
        """Whether people may be there that no detection shows."""
        since_90k = pts_90k - _COLOURLESS_S * CLOCK_90K
        return any((sight.hazy or sight.sparse) and sight.pts_90k >= since_90k for sight in self._sights)

    def _opened(self, pts_90k: int) -> frozenset[int]:
        """The people of this picture that are left open."""
        if self._is_open is None:
            return frozenset()
        now = [sight for sight in self._sights if sight.pts_90k == pts_90k]
        return frozenset(left_open(now[0], self._is_open)) if now else frozenset()

    def _explaining(self, sight: FrameDetections) -> tuple[Boxes, Boxes]:
        """Boxes (n, 4) around hidden people that are seen, and around what is known and need not be hidden."""
        hidden = [track.box for track in sight.tracks if track.seen and self._targets.hides(track.class_)]
        things = [track.box for track in sight.tracks if not self._targets.hides(track.class_)]
        things += [
            box for box, class_ in zip(sight.weak.boxes, sight.weak.classes, strict=True)
            if not self._targets.hides(class_)
        ]  # fmt: skip
        return grow(_stacked(hidden), _EXPLAINS_PERSON), grow(_stacked(things), _EXPLAINS_THING)

    def _explained(self, pts_90k: int) -> BitGrid:
        """Where the foreground is accounted for."""
        grid = np.zeros((self.rows, self.columns), np.bool_)
        hold_90k = round(self._settings.hold_s * CLOCK_90K)
        for at, hidden, things in self._known:
            for rect in self._targets.rects(hidden) if at == pts_90k else ():
                grid[_slices(rect)] = True
            for rect in self._targets.rects(things) if abs(pts_90k - at) <= hold_90k else ():
                grid[_slices(rect)] = True
        return grid

    def _cell_of(self, width_px: float, height_px: float) -> int:
        return self._targets.cell_of(np.array([[0.0, 0.0, width_px, height_px]], np.float32))


def _slices(rect: Rect) -> tuple[slice, slice]:
    x, y, w, h = rect
    return slice(y, y + h), slice(x, x + w)


def _joined(before: Region | None, region: Region) -> Region:
    if before is None:
        return region
    x, y = min(before.x, region.x), min(before.y, region.y)
    right = max(before.x + before.w, region.x + region.w)
    bottom = max(before.y + before.h, region.y + region.h)
    return replace(region, x=x, y=y, w=right - x, h=bottom - y)


def _stacked(boxes: list[NDArray[np.float32]]) -> Boxes:
    return np.array(boxes, np.float32).reshape(-1, 4)


def _finite(sight: FrameDetections) -> bool:
    boxes = [sight.faces, sight.weak.boxes, sight.kept, *(track.box for track in sight.tracks)]
    return all(bool(np.isfinite(box).all()) for box in boxes)
