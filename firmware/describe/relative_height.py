"""How tall people usually stand at each row of a picture, learned while they pass.

Over flat ground the height of a standing person grows with the row of the feet, along a line that the camera's place
decides; people scatter around it. The line is fitted to sightings that nothing hides, old ones counting ever less.
"""

from models.detections import Boxes

# One sighting in so many is forgotten; fewer than so many say nothing, as do rows that all lie together.
_FORGET = 1 / 2000
_ENOUGH = 60.0
_ROWS_APART_PX = 12.0
_LEAST_PX = 8.0


class RelativeHeight:
    """One camera's line; one thread."""

    def __init__(self) -> None:
        self._n = self._y = self._h = self._yy = self._yh = 0.0

    def learn(self, box: Boxes) -> None:
        """A whole person stands in `box`, x0 y0 x1 y1."""
        y, h, keep = float(box[3]), float(box[3] - box[1]), 1 - _FORGET
        self._n, self._y, self._h = self._n * keep + 1, self._y * keep + y, self._h * keep + h
        self._yy, self._yh = self._yy * keep + y * y, self._yh * keep + y * h

    def relative(self, box: Boxes) -> float | None:
        """Height over what is usual where the feet of `box` are; None while too little is known."""
        if self._n < _ENOUGH:
            return None
        row, usual = self._y / self._n, self._h / self._n
        spread = max(self._yy / self._n - row * row, 0.0)
        if spread < _ROWS_APART_PX**2:
            return None
        slope = (self._yh / self._n - row * usual) / spread
        expected = usual + slope * (float(box[3]) - row)
        return float(box[3] - box[1]) / expected if expected > _LEAST_PX else None
