"""What the tracker decides by."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Thresholds (how they were chosen: models/cards/tracking.md).

    Args:
        strong: score from which a detection may take part in the first round; weak: in the second.
        begins: score from which an unexplained detection begins a track.
        confirm_s: a track counts when it was strong twice and is seen so long after it began; nor is it missed for
            longer before. Weak sightings in between hold it, for a detector that looks in different ways by turns.
        unmoved_s: one that has not moved counts so much later, unless its mean score is above `unmoved_score` or its
            best above `sure`: in the first seconds nothing else tells furniture that looks like a person from one
            that stands. Meanwhile its detections are masked as those that no track took.
        waits_s: such a one may be missed for as long as it was seen before, at most so long.
        fits: least overlap in the first round, less what the difference in looks takes off it.
        looks_weight: how much that is for looks that have nothing in common.
        weak_overlap: least overlap in the second round.
        doubt: standard deviations of the predicted place by which boxes are widened; widest: at most so many sizes.
        whole: least ratio of heights, either way, in the second round: a weak detection that is smaller shows a part of
            a person behind a post, and would shrink the track until it is lost.
        twin: overlap with a detection that has its track from which another one begins none: it is the same object.
        looks_s: how fast a track's looks follow those of its detections.
        followed_s: how long after its last sighting a track is searched where it is predicted.
        lost_s: how long it is searched by its colours.
        shown_s: how long its predicted box is reported.
        alike: least likeness for a reunion; reach: farthest reunion in heights of the object per second lost, plus one.
    """

    strong: float = 0.4
    weak: float = 0.2
    begins: float = 0.55
    confirm_s: float = 0.08
    unmoved_s: float = 2.0
    unmoved_score: float = 0.6
    sure: float = 0.75
    waits_s: float = 0.5
    fits: float = 0.05
    looks_weight: float = 0.6
    weak_overlap: float = 0.4
    doubt: float = 1.0
    widest: float = 0.5
    whole: float = 0.7
    twin: float = 0.4
    looks_s: float = 1.0
    followed_s: float = 1.0
    lost_s: float = 4.0
    shown_s: float = 0.7
    alike: float = 0.75
    reach: float = 1.0
