"""What of a sighting is to be masked: boxes, how they are covered, and how coarse.

Levels (measured on 32 x 80 px pedestrians: 16-px cells re-identify eight times better than chance when 25 pictures are
stacked): level 1 keeps cells of a quarter head and a third of a body's width, 16 px at least; level 2 half a body's
width, 32 px at least.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from firmware.mask.exemption import DOUBTFUL, inside
from firmware.mask.grid import MB, Boxes, Rect, grow, to_rect
from firmware.mask.settings import ClassRule, Extent, Fill, MaskedPart, MaskSettings, Pattern
from firmware.vision.frame_detections import FrameDetections
from models.detections import ious
from models.detector import MASKING_THRESHOLD
from wire.features.vocabulary import ObjectClass

UNTRACKED = 0
# Shares of the picture's height from which on a box needs a smaller margin, and half of it.
_FAR, _NEAR = 0.2, 0.5
_HEAD_OF_BODY = 0.24
_HEAD_AND_SHOULDERS_OF_BODY = 0.33
_HEAD_HEIGHT_OF_BODY = 0.15
_ASPECT_DILATED = 0.6
# A plate is in the lower half of a vehicle, at either end; the outer tenths of a box are background.
_PLATES_FROM, _PLATES_FLANK = 0.5, 0.1
# An edge of a mask moves only when the box has left it by this much: what flickers must be coded again and again.
# People that are near cover so much that what lingers is seen, and their edges are few for their size.
_LINGER_PX, _LINGER_NEAR_PX = 12.0, 0.0
# A macroblock into which the box of a near person reaches by less than this is left to the scene.
_REACHES_PX = 4.0
# What covers less of a person (intersection over union) is not the whole of him: a child before a man, or his head.
_ANOTHER_VIEW = 0.3
# A doubtful find is a wider view of a followed person from this intersection over union on.
_DOUBTFUL_VIEW = 0.45


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to mask in one picture.

    Args:
        rects: the macroblocks to mask; `wide` those that stay masked when they were.
        fill, cell: how they are covered, and the mosaic cell in macroblocks.
        seen: False for a prediction.
        within: the tracked people of the same picture of which this is but another view.
        apart: in no track and not clearly a view of one tracked person: it may be another person.
        doubtful: a find too weak to stand for long on its own.
    """

    track_id: int
    class_: int
    rects: tuple[Rect, ...]
    wide: tuple[Rect, ...]
    fill: Fill
    cell: int
    level: int
    seen: bool = True
    within: tuple[int, ...] = ()
    apart: bool = False
    doubtful: bool = False

    def of(self, people: set[int]) -> bool:
        """Whether it shows some of these tracked people and no one else."""
        if self.track_id != UNTRACKED:
            return self.track_id in people
        return bool(self.within) and not self.apart and people.issuperset(self.within)


class Targets:
    """Turns sightings into targets, by the settings.

    Args:
        columns, rows: of the picture, in macroblocks.
    """

    def __init__(self, columns: int, rows: int, settings: MaskSettings) -> None:
        self._columns, self._rows, self._settings = columns, rows, settings
        self._rules = {ObjectClass[name]: ClassRule(name=name) for name in settings.classes}
        self._rules |= {ObjectClass[rule.name]: rule for rule in settings.rules}

    def masks(self, class_: int) -> bool:
        """Whether objects of this class are masked at all."""
        return ObjectClass(class_) in self._rules

    def hides(self, class_: int) -> bool:
        """Whether objects of this class are themselves what is hidden, and not only a part with text on it."""
        return self.masks(class_) and self._rules[ObjectClass(class_)].part is MaskedPart.EXTENT

    def of(self, sight: FrameDetections) -> Iterable[Target]:
        """Everything to mask of one sighting: faces, tracked objects, what was found beside them, kept places."""
        faces = grow(sight.faces, self._settings.margin * 3)
        for face, found in zip(faces, sight.faces, strict=True) if self.masks(ObjectClass.PERSON) else ():
            box = face.reshape(1, 4)
            target = self._target(UNTRACKED, ObjectClass.PERSON, box, cell=self.cell_of(box), seen=True, near=0.0)
            within = _within(found, sight)
            yield replace(target, within=within, apart=len(within) != 1)
        for track in sight.tracks:
            if self.masks(track.class_):
                yield self._body(track.id, track.class_, track.box.reshape(1, 4), faces, seen=track.seen)
        weak = sight.weak
        for box, class_, score in zip(weak.boxes, weak.classes, weak.scores, strict=True):
            if self.masks(class_):
                body = self._body(UNTRACKED, ObjectClass(class_), box.reshape(1, 4), faces, seen=True)
                body = replace(body, apart=True, doubtful=bool(score < DOUBTFUL))
                if class_ == ObjectClass.PERSON:
                    within = _within(box, sight, score)
                    body = replace(body, within=within, apart=_apart(box, sight, within, score))
                yield body
        for box in sight.kept if self.masks(ObjectClass.PERSON) else ():
            within = _within(box, sight)
            body = self._body(UNTRACKED, ObjectClass.PERSON, box.reshape(1, 4), faces, seen=False)
            yield replace(body, within=within, apart=len(within) != 1)

    def rects(self, boxes: Boxes) -> tuple[Rect, ...]:
        """The macroblocks that boxes touch."""
        found = (to_rect(box, self._columns, self._rows) for box in boxes)
        return tuple(rect for rect in found if rect is not None)

    def cell_of(self, bodies: Boxes) -> int:
        """The mosaic cell for objects of this size, in macroblocks."""
        return self._cell(bodies, self._settings.level)

    def _body(self, track_id: int, class_: ObjectClass, body: Boxes, faces: Boxes, *, seen: bool) -> Target:
        boxes = self._extent(body, faces, class_)
        rule = self._rules[class_]
        cell = self._cell(body, rule.level or self._settings.level)
        return self._target(track_id, class_, boxes, cell=cell, seen=seen, near=self._nearness(body))

    def _target(
        self, track_id: int, class_: ObjectClass, boxes: Boxes, *, cell: int, seen: bool, near: float
    ) -> Target:
        rule, settings = self._rules[class_], self._settings
        level = rule.level or settings.level
        fill = Fill.SOLID if rule.part is MaskedPart.PLATES else Fill.of(rule.pattern or settings.pattern, level)
        rects = self.rects(_within_by(boxes, _REACHES_PX * near))
        wide = self.rects(grow(boxes, 0.0, _LINGER_PX + (_LINGER_NEAR_PX - _LINGER_PX) * near))
        return Target(track_id, int(class_), rects, wide, fill, cell, level, seen)

    def _nearness(self, body: Boxes) -> float:
        """How near one body, (1, 4), is: 0 to 1."""
        share = float(body[0, 3] - body[0, 1]) / (self._rows * MB)
        return float(np.clip((share - _FAR) / (_NEAR - _FAR), 0, 1))

    def _margin(self, body: Boxes) -> float:
        """The margin of one body, (1, 4), by how near it is."""
        return self._settings.margin * (1 - self._nearness(body) / 2)

    def _extent(self, body: Boxes, faces: Boxes, class_: ObjectClass) -> Boxes:
        """The boxes to mask of one body, (1, 4), by the configured extent."""
        margin, rule = self._margin(body), self._rules[class_]
        if rule.part is MaskedPart.PLATES:
            return grow(_plates(body), margin)
        if (rule.pattern or self._settings.pattern) is Pattern.DILATED:
            return grow(_fixed_shape(body), margin)
        if class_ is not ObjectClass.PERSON or self._settings.extent is Extent.BODIES:
            return grow(body, margin)
        share = _HEAD_AND_SHOULDERS_OF_BODY if self._settings.extent is Extent.HEADS else _HEAD_OF_BODY
        upper = body.copy()
        upper[:, 3] = body[:, 1] + share * (body[:, 3] - body[:, 1])
        if self._settings.extent is Extent.FACES and _any_inside(faces, upper):
            return np.zeros((0, 4), np.float32)
        return grow(upper, max(margin, 0.2))

    @staticmethod
    def _cell(bodies: Boxes, level: int) -> int:
        width = float((bodies[:, 2] - bodies[:, 0]).max(initial=MB))
        head = float((bodies[:, 3] - bodies[:, 1]).max(initial=MB)) * _HEAD_HEIGHT_OF_BODY
        side = max(16.0, head / 4, width / 3) if level == 1 else max(32.0, width / 2)
        return int(np.clip(-(-side // MB), 1, 255))


def _within(box: NDArray[np.float32], sight: FrameDetections, score: float = 1.0) -> tuple[int, ...]:
    """The tracked people of which a box is another view; one below the masking threshold is there for them alone."""
    people = [track for track in sight.tracks if track.class_ is ObjectClass.PERSON and track.seen]
    if score < MASKING_THRESHOLD and people:
        overlap = ious(box.reshape(1, 4), np.array([track.box for track in people], np.float32))[0]
        return (people[int(overlap.argmax())].id,) if overlap.any() else ()
    view = _DOUBTFUL_VIEW if score < DOUBTFUL else 1.0
    return tuple(
        track.id
        for track in people
        if inside(box, own := track.box.reshape(1, 4)) or float(ious(box.reshape(1, 4), own)[0, 0]) >= view
    )


def _apart(box: NDArray[np.float32], sight: FrameDetections, within: tuple[int, ...], score: float) -> bool:
    """Whether a box may be another person: no one's view, several people's, or a small person before one of them."""
    if len(within) != 1:
        return True
    own = next(track.box for track in sight.tracks if track.id == within[0])
    return score >= MASKING_THRESHOLD and float(ious(box.reshape(1, 4), own.reshape(1, 4))[0, 0]) < _ANOTHER_VIEW


def _within_by(boxes: Boxes, inset_px: float) -> Boxes:
    """Each box smaller on every side by `inset_px`, a quarter of its size at most."""
    inset = np.minimum(inset_px, (boxes[:, 2:] - boxes[:, :2]) / 4)
    return np.concatenate([boxes[:, :2] + inset, boxes[:, 2:] - inset], axis=1).astype(np.float32)


def _plates(vehicle: Boxes) -> Boxes:
    """The band of a vehicle's box in which its number plate is."""
    size = vehicle[:, 2:] - vehicle[:, :2]
    band = vehicle.copy()
    band[:, 1] += _PLATES_FROM * size[:, 1]
    band[:, 0] += _PLATES_FLANK * size[:, 0]
    band[:, 2] -= _PLATES_FLANK * size[:, 0]
    return band


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
