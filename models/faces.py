"""Where faces are: CenterFace on the heads of tracked people, or on a whole picture. Never whose face it is."""

import cv2
import numpy as np
import numpy.typing as npt

from models.detections import Boxes, Detections, suppressed
from models.rgb import Rgb
from models.runtime import InferenceSession

THRESHOLD = 0.3
_STRIDE = 4
_ALIGNMENT = 32
_NMS_IOU = 0.3
# A head is sought in the upper 40 % of a body, in a square window of this many pixels: a head of 1/7 of the body's
# height is then some 35 pixels tall, where CenterFace is at its best for its cost (2 ms per window).
_WINDOW = 128
_UPPER_SHARE = 0.4
_ONE_GROUP = np.zeros(1, np.uint8)


class Faces:
    """CenterFace behind a session."""

    def __init__(self, session: InferenceSession) -> None:
        self._session = session

    def find(self, rgb: Rgb, threshold: float = THRESHOLD) -> Boxes:
        """(n, 4) face boxes in `rgb` (h, w, 3), in its pixels."""
        height, width = rgb.shape[:2]
        rows, columns = (max(-(-side // _ALIGNMENT), 1) * _ALIGNMENT for side in (height, width))
        padded = np.zeros((rows, columns, 3), np.uint8)
        padded[:height, :width] = rgb
        heat, size, offset = self._session.run(self._session.normalised(padded), ("heat", "size", "offset"))
        boxes = _decode(heat[0, 0], size[0], offset[0], threshold).boxes
        return np.asarray(np.clip(boxes, 0, np.array([width, height, width, height], np.float32)), np.float32)

    def on_bodies(self, rgb: Rgb, bodies: Boxes, threshold: float = THRESHOLD) -> Boxes:
        """(n, 4) face boxes found on the upper parts of `bodies` (m, 4); all windows go through the network at once."""
        windows = [window for body in bodies if (window := _head_window(body, rgb.shape[1], rgb.shape[0])) is not None]
        if not windows:
            return np.zeros((0, 4), np.float32)
        crops = np.stack(
            [np.asarray(cv2.resize(rgb[y0:y1, x0:x1], (_WINDOW, _WINDOW)), np.uint8) for x0, y0, x1, y1 in windows]
        )
        heat, size, offset = self._session.run(self._session.normalised(crops), ("heat", "size", "offset"))
        found = []
        for i, (x0, y0, x1, y1) in enumerate(windows):
            faces = _decode(heat[i, 0], size[i], offset[i], threshold)
            factors = np.array([x1 - x0, y1 - y0, x1 - x0, y1 - y0], np.float32) / _WINDOW
            boxes = faces.boxes * factors + np.array([x0, y0, x0, y0], np.float32)
            found.append(Detections(np.asarray(boxes, np.float32), faces.scores, faces.classes))
        # People standing together share windows and so find the same face twice.
        return suppressed(Detections.joined(found), _NMS_IOU, _ONE_GROUP).boxes


def _head_window(body: npt.NDArray[np.float32], width: int, height: int) -> tuple[int, int, int, int] | None:
    """A square around the upper part of `body`, inside the picture; None when hardly any of it is inside."""
    x0, y0, x1, y1 = (float(v) for v in body)
    side = max(y1 - y0, 1.5 * (x1 - x0)) * _UPPER_SHARE * 1.2
    middle, top = (x0 + x1) / 2, y0 - 0.15 * side
    left, right = max(int(middle - side / 2), 0), min(int(middle + side / 2 + 1), width)
    upper, lower = max(int(top), 0), min(int(top + side + 1), height)
    return (left, upper, right, lower) if right - left >= 8 and lower - upper >= 8 else None


def _decode(
    heat: npt.NDArray[np.float32], size: npt.NDArray[np.float32], offset: npt.NDArray[np.float32], threshold: float
) -> Detections:
    """CenterFace's maps at stride 4 → suppressed boxes; sizes are logarithms of multiples of the stride."""
    rows, columns = np.nonzero(heat > threshold)
    tall, wide = (np.exp(np.minimum(size[i, rows, columns], 8.0)) * _STRIDE for i in (0, 1))
    y = (rows + offset[0, rows, columns] + 0.5) * _STRIDE
    x = (columns + offset[1, rows, columns] + 0.5) * _STRIDE
    boxes = np.stack([x - wide / 2, y - tall / 2, x + wide / 2, y + tall / 2], axis=1).astype(np.float32)
    found = Detections(boxes, heat[rows, columns], np.zeros(len(rows), np.uint8))
    return suppressed(found, _NMS_IOU, _ONE_GROUP)
