"""NanoDet-g on a letterboxed picture, optionally on tiles of it."""

import numpy as np

from base.errors import ModelError
from models.detections import Detections, suppressed
from models.detector import ALIGNMENT, GROUPS, MASKING_THRESHOLD, NMS_IOU, Window, in_window, letterbox, tiled
from models.rgb import Rgb
from models.runtime import Floats, InferenceSession
from wire.features.vocabulary import ObjectClass

_STRIDES = (8, 16, 32)
_BINS = 11
_OUTPUTS = tuple(f"{kind}{stride}" for kind in ("scores", "sides") for stride in _STRIDES)


class NanoDet:
    """A `Detector` by NanoDet.

    Args:
        long_sides: the sizes that the picture can be brought to, the main one first; multiples of 32.
        tiles: columns and rows of windows that are examined beside the whole picture.
        merge: average the boxes that agree with each one that is kept, instead of dropping them.
    """

    def __init__(
        self,
        session: InferenceSession,
        *,
        long_sides: tuple[int, ...] = (416,),
        tiles: tuple[int, int] = (1, 1),
        merge: bool = True,
    ) -> None:
        for side in long_sides:
            if side % ALIGNMENT:
                raise ModelError(f"detector input {side} is not a multiple of {ALIGNMENT}")
        self._session = session
        self._long_sides = long_sides
        self.scales = len(long_sides)
        self._tiles = tiles
        self._merge = merge
        self._labels = dict(zip(session.entry.names, session.entry.labels, strict=True))
        self._columns = np.array([self._labels[kind.name.lower()] for kind in ObjectClass], np.intp)
        self._bins = np.arange(_BINS, dtype=np.float32)
        self.network = f"{session.entry.name}@{session.entry.version}"

    @property
    def long_side(self) -> int:
        """The main size."""
        return self._long_sides[0]

    def detect(self, rgb: Rgb, threshold: float = MASKING_THRESHOLD, scale: int = 0) -> Detections:
        """See `Detector`."""
        return tiled(lambda part: self.raw(part, threshold, scale), rgb, self._tiles, merge=self._merge)

    def region(self, rgb: Rgb, box: Window, threshold: float = MASKING_THRESHOLD) -> Detections:
        """See `Detector`."""
        return in_window(lambda part: self.raw(part, threshold), rgb, box)

    def raw(self, rgb: Rgb, threshold: float, scale: int = 0) -> Detections:
        """One pass over the whole of `rgb`, suppressed, in its own coordinates."""
        boxed, factor = letterbox(rgb, self._long_sides[scale])
        outputs = self._session.run(self._session.normalised(boxed), _OUTPUTS)
        found = Detections.joined(
            [
                self._decode(outputs[i][0], outputs[i + len(_STRIDES)][0], stride, boxed.shape[1] // stride, threshold)
                for i, stride in enumerate(_STRIDES)
            ]
        )
        height, width = rgb.shape[:2]
        boxes = np.clip(found.boxes / factor, 0, np.array([width, height, width, height], np.float32))
        return suppressed(Detections(boxes, found.scores, found.classes), NMS_IOU, GROUPS, merge=self._merge)

    def strongest(self, rgb: Rgb) -> dict[str, float]:
        """The highest score anywhere in `rgb` of each class that the registry names, things people carry included."""
        boxed, _ = letterbox(rgb, max(rgb.shape[:2]))
        outputs = self._session.run(self._session.normalised(boxed), _OUTPUTS[: len(_STRIDES)])
        best = np.max([scores[0].max(axis=0) for scores in outputs], axis=0)
        return {name: float(best[label]) for name, label in self._labels.items()}

    def _decode(self, scores: Floats, sides: Floats, stride: int, columns: int, threshold: float) -> Detections:
        """One stride: scores (places, 80), sides (places, 4 × 11) → boxes in letterboxed pixels."""
        known = scores[:, self._columns]
        places, classes = np.nonzero(known >= threshold)
        # Distance to each side = expectation over 11 bins (generalised focal loss), in units of the stride.
        logits = sides[places].reshape(-1, 4, _BINS)
        weights = np.exp(logits - logits.max(axis=2, keepdims=True))
        distances = (weights @ self._bins) / weights.sum(axis=2) * stride
        x = (places % columns + 0.5) * stride
        y = (places // columns + 0.5) * stride
        boxes = np.stack([x - distances[:, 0], y - distances[:, 1], x + distances[:, 2], y + distances[:, 3]], axis=1)
        return Detections(boxes.astype(np.float32), known[places, classes], classes.astype(np.uint8))
