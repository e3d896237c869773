"""Whether the whole picture is masked for more than a moment, and why: what the box shows its people in words."""

from dataclasses import dataclass

from firmware.capture.frame import CLOCK_90K

# A single late picture is masked whole and is no news; what begins or ends is news when it has lasted.
_NEWS_S = 1.0
_BEHIND_S = 0.5


@dataclass(frozen=True, slots=True)
class WholeMask:
    """The whole picture is masked.

    Args:
        reason: the plan's words.
        behind_s: how old the newest picture is that vision has examined, where vision is late.
    """

    reason: str
    behind_s: float | None = None


class MaskedWhole:
    """Notified of every picture: `examined` on the vision thread, `masked` on the encode thread; `now` on any."""

    def __init__(self) -> None:
        self.now: WholeMask | None = None
        """Why the whole picture is masked, None while people only are."""
        self._full, self._since_90k = False, 0
        self._looked_90k: int | None = None

    def examined(self, pts_90k: int) -> None:
        """Vision has examined the picture of that time."""
        self._looked_90k = pts_90k

    def masked(self, pts_90k: int, why: str, *, waited_s: float, full: bool) -> None:
        """A picture leaves.

        Args:
            why: the plan's words where it is masked whole.
            waited_s: how long a picture waits for vision at most.
            full: whether it is masked whole.
        """
        if full != self._full:
            self._full, self._since_90k = full, pts_90k
        if pts_90k - self._since_90k >= _NEWS_S * CLOCK_90K:
            self.now = WholeMask(why, self._behind_s(pts_90k, waited_s)) if full else None

    def _behind_s(self, pts_90k: int, waited_s: float) -> float | None:
        if self._looked_90k is None or pts_90k - self._looked_90k < _BEHIND_S * CLOCK_90K:
            return None
        return (pts_90k - self._looked_90k) / CLOCK_90K + waited_s
