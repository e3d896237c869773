"""Boxes as arrays: what a detector found, and the few operations on boxes that everybody needs."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float32]

# How fast a suppressed box loses its say in a merged one: by e where one minus the overlap, squared, reaches this.
_AGREEMENT = 0.05


@dataclass(frozen=True, slots=True)
class Detections:
    """Objects of one picture.

    Attributes:
        boxes: (n, 4) float32 x0 y0 x1 y1 in pixels of the picture, inside it.
        scores: (n,) float32 0..1.
        classes: (n,) uint8, `wire.features.vocabulary.ObjectClass`.
    """

    boxes: Boxes
    scores: npt.NDArray[np.float32]
    classes: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.scores)

    def where(self, keep: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> "Detections":
        """The chosen rows, by mask or by index."""
        return Detections(self.boxes[keep], self.scores[keep], self.classes[keep])

    @staticmethod
    def none() -> "Detections":
        """No objects."""
        return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.uint8))

    @staticmethod
    def joined(parts: "list[Detections]") -> "Detections":
        """All rows of `parts`."""
        if not parts:
            return Detections.none()
        return Detections(
            np.concatenate([p.boxes for p in parts]),
            np.concatenate([p.scores for p in parts]),
            np.concatenate([p.classes for p in parts]),
        )


def areas(boxes: Boxes) -> npt.NDArray[np.float32]:
    """(n,) areas; 0 for boxes turned inside out."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return np.asarray(sides[:, 0] * sides[:, 1], np.float32)


def intersections(left: Boxes, right: Boxes) -> npt.NDArray[np.float32]:
    """(n, m) areas of overlap."""
    x0, y0, x1, y1 = left.T[:, :, None]
    u0, v0, u1, v1 = right.T
    across = np.minimum(x1, u1) - np.maximum(x0, u0)
    down = np.minimum(y1, v1) - np.maximum(y0, v0)
    return np.asarray(np.maximum(across, 0) * np.maximum(down, 0), np.float32)


def ious(left: Boxes, right: Boxes) -> npt.NDArray[np.float32]:
    """(n, m) intersection over union."""
    overlap = intersections(left, right)
    union = areas(left)[:, None] + areas(right)[None, :] - overlap
    return np.asarray(overlap / np.maximum(union, 1e-6), np.float32)


def suppressed(found: Detections, iou: float, groups: npt.NDArray[np.uint8], *, merge: bool = False) -> Detections:
    """Greedy non-maximum suppression inside groups of classes; `groups` maps a class to its group.

    With `merge` each box that is kept becomes the mean of itself and those that it suppressed, weighted by squared
    scores and by how well they agree with it: neighbouring places of a grid agree better together than the strongest of
    them alone. A box counts for one kept box only, or two people that touch would be drawn together.
    """
    order = np.argsort(-found.scores, kind="stable")
    found = found.where(order)
    group, strength, size = groups[found.classes], np.square(found.scores), areas(found.boxes)
    low, high = np.ascontiguousarray(found.boxes[:, :2].T), np.ascontiguousarray(found.boxes[:, 2:].T)
    # Row by row against what is left: the whole matrix of a weak threshold's 600 candidates takes ten times as long.
    left, kept, merged = np.arange(len(found)), [], []
    while len(left):
        first = left[0]
        sides = np.minimum(high[:, left], high[:, first : first + 1]) - np.maximum(
            low[:, left], low[:, first : first + 1]
        )
        common = np.maximum(sides[0], 0) * np.maximum(sides[1], 0)
        overlap = common / np.maximum(size[left] + size[first] - common, 1e-6)
        covered = (overlap > iou) & (group[left] == group[first])
        covered[0] = True
        kept.append(first)
        if merge:
            own = left[covered]
            weights = strength[own] * np.exp(-np.square(1 - overlap[covered]) / _AGREEMENT)
            merged.append(weights @ found.boxes[own] / weights.sum() if len(own) > 1 else found.boxes[first])
        left = left[~covered]
    chosen = found.where(np.array(kept, np.intp))
    if not merge or not kept:
        return chosen
    return Detections(np.asarray(merged, np.float32), chosen.scores, chosen.classes)
