"""Boxes as arrays: what a detector found, and the few operations on boxes that everybody needs."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float32]


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
        return Detections(np.concatenate([p.boxes for p in parts]), np.concatenate([p.scores for p in parts]),
                          np.concatenate([p.classes for p in parts]))


def areas(boxes: Boxes) -> npt.NDArray[np.float32]:
    """(n,) areas; 0 for boxes turned inside out."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return np.asarray(sides[:, 0] * sides[:, 1], np.float32)


def intersections(left: Boxes, right: Boxes) -> npt.NDArray[np.float32]:
    """(n, m) areas of overlap."""
    low = np.maximum(left[:, None, :2], right[None, :, :2])
    high = np.minimum(left[:, None, 2:], right[None, :, 2:])
    sides = np.maximum(high - low, 0)
    return np.asarray(sides[..., 0] * sides[..., 1], np.float32)


def ious(left: Boxes, right: Boxes) -> npt.NDArray[np.float32]:
    """(n, m) intersection over union."""
    overlap = intersections(left, right)
    union = areas(left)[:, None] + areas(right)[None, :] - overlap
    return np.asarray(overlap / np.maximum(union, 1e-6), np.float32)


def suppressed(found: Detections, iou: float, groups: npt.NDArray[np.uint8], *, merge: bool = False) -> Detections:
    """Greedy non-maximum suppression inside groups of classes; `groups` maps a class to its group.

    With `merge` each box that is kept becomes the mean, weighted by squared scores, of itself and those that it
    suppressed: neighbouring places of a grid agree better together than the strongest of them alone.
    """
    order = np.argsort(-found.scores, kind="stable")
    found = found.where(order)
    same = groups[found.classes][:, None] == groups[found.classes][None, :]
    covers = (ious(found.boxes, found.boxes) > iou) & same
    keep = np.ones(len(found), bool)
    for row in range(len(found)):
        if keep[row]:
            keep[row + 1:] &= ~covers[row, row + 1:]
    kept = found.where(keep)
    if not merge or not len(kept):
        return kept
    weights = covers[keep] * np.square(found.scores)
    weights[np.arange(len(kept)), np.flatnonzero(keep)] = np.square(kept.scores)
    boxes = weights @ found.boxes / weights.sum(axis=1, keepdims=True)
    return Detections(np.asarray(boxes, np.float32), kept.scores, kept.classes)
