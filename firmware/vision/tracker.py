"""Objects through time: detections in, boxes with lasting ids out.

Three rounds in the order of trust, as in ByteTrack: strong detections with tracks by overlap and looks together, weak
detections with the tracks that are left by overlap alone, and what is still left of the strong ones with objects lost
for a while by looks and reach. Boxes are widened by the doubt about where the object is before their overlap is taken
(buffered IoU, as in C-BIoU, but by what the filter says): a person near and fast, or seen seldom, is met all the same.
A detection that nothing explains begins a track, which counts once it has been seen well again. In pictures without a
detector run everything is predicted.

All of it is in seconds of the pictures' own times; nothing counts pictures.
"""

from dataclasses import dataclass, field
from math import exp, sqrt

import numpy as np
from numpy.typing import NDArray

from firmware.vision.assignment import assign
from firmware.vision.frame_detections import TrackBox
from firmware.vision.motion import Motion
from firmware.vision.tuning import Tuning
from models.detections import Boxes, Detections, ious
from wire.features.vocabulary import ObjectClass

Looks = NDArray[np.float32]
"""(n, d): one row of length 1 per detection; their products say how alike two objects look."""

_WHEELS = np.array([0, 1, 2, 1, 2, 2], np.uint8)  # one object keeps its kind: people, two-wheelers, four-wheelers

# A track has moved when its centre was this far from where it began, in widths; jitter of a detector stays below.
_MOVED_OF_WIDTH = 0.75
# Where one of two looks is not known they are as alike as those of one person mostly are.
_USUALLY_ALIKE = 0.8
# Times of pictures are sums of fractions.
_ROUNDING_S = 1e-6
# A detector's sizes differ in what they are sure of, and so do pictures in which a person is half hidden. The surest
# sighting of the last moments says whether it is a person: one strong find is rarely followed along by mistake.
_EVIDENCE_S = 0.8
# Sightings further apart than this change looks no more than those so far apart.
_LOOKS_AT_MOST_S = 0.4


@dataclass(slots=True)
class _Track:
    motion: Motion
    looks: Looks | None
    class_: ObjectClass
    votes: list[float]
    sure: float
    began_s: float
    seen_s: float
    birthplace: NDArray[np.float32]
    scores: float
    best: float
    sightings: int = 1
    strong: int = 1
    moved: bool = False
    id: int = 0
    box: NDArray[np.float32] = field(default_factory=lambda: np.zeros(4, np.float32))

    def evidence(self, now_s: float) -> float:
        """What has been seen of it so far, 0 to 1; it fades."""
        return self.sure * exp(-(now_s - self.seen_s) / _EVIDENCE_S)

    def waited_s(self, tuning: Tuning) -> float:
        """How long this track, which does not count yet, may be missed."""
        return min(max(self.seen_s - self.began_s, tuning.confirm_s), tuning.waits_s)


@dataclass(frozen=True, slots=True)
class DetectedObjects:
    """What the detector found in one picture, and what is known about each find.

    Args:
        found: down to the masking threshold.
        looks: what each looks like; None to go by boxes alone.
        still: (n,) True where nothing changes: no track of a person begins there, and one that never moved ends there.
        known: (n,) True on remembered furniture: no person's track goes there.
    """

    found: Detections
    looks: Looks | None
    still: NDArray[np.bool_]
    known: NDArray[np.bool_]

    @staticmethod
    def boxes(found: Detections) -> "DetectedObjects":
        """Detections of which nothing else is known."""
        return DetectedObjects(found, None, np.zeros(len(found), bool), np.zeros(len(found), bool))


@dataclass(frozen=True, slots=True)
class Followed:
    """What the tracker made of one picture.

    Args:
        tracks: the confirmed ones, seen or predicted.
        taken: (n,) True for the detections that a confirmed track took; empty without detections.
        ended: ids that will not come again.
    """

    tracks: tuple[TrackBox, ...]
    taken: NDArray[np.bool_]
    ended: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Picture:
    """`owner` is the track that took each detection, -1 while free; `posts` are detections of furniture."""

    seen: DetectedObjects
    posts: NDArray[np.bool_]
    still: NDArray[np.bool_]
    now_s: float
    owner: NDArray[np.intp]

    @property
    def found(self) -> Detections:
        return self.seen.found

    @property
    def looks(self) -> Looks | None:
        return self.seen.looks

    def free(self, allowed: NDArray[np.bool_]) -> NDArray[np.intp]:
        return np.flatnonzero(allowed & ~self.posts & (self.owner < 0))


class Tracker:
    """Call `update` once per picture, in order, on one thread."""

    def __init__(self, tuning: Tuning | None = None) -> None:
        self.tuning = tuning or Tuning()
        self._tracks: list[_Track] = []
        self._next_id = 1
        self._now_s: float | None = None

    def update(self, seen: DetectedObjects | None, now_s: float) -> Followed:
        """Take what was seen in the picture at `now_s`; None when the detector did not run on it."""
        elapsed_s = max(now_s - self._now_s, 0.0) if self._now_s is not None else 0.0
        self._now_s = now_s
        for track in self._tracks:
            track.motion.predict(elapsed_s)
            track.box = track.motion.box
        taken = self._associate(seen, now_s) if seen is not None else np.zeros(0, bool)
        ended = self._forget(now_s, detected=seen is not None)
        shown = tuple(
            TrackBox(
                track.id,
                track.class_,
                track.box,
                track.evidence(now_s),
                track.seen_s == now_s,
                round(now_s - track.began_s, 6),
            )
            for track in self._tracks
            if track.id and now_s - track.seen_s <= self.tuning.shown_s
        )
        return Followed(shown, taken, ended)

    def _associate(self, seen: DetectedObjects, now_s: float) -> NDArray[np.bool_]:
        """Give each detection to a track or begin one; True where a confirmed track took it."""
        tuning, scores = self.tuning, seen.found.scores
        people = seen.found.classes == ObjectClass.PERSON
        still = seen.still & people
        picture = _Picture(seen, seen.known & people, still, now_s, np.full(len(scores), -1, np.intp))
        owner = picture.owner
        strong = scores >= tuning.strong
        begins = (scores >= tuning.begins) & ~still
        recent = [i for i, t in enumerate(self._tracks) if t.id and now_s - t.seen_s <= tuning.followed_s]
        young = [i for i, t in enumerate(self._tracks) if not t.id]
        weak = ~strong & (scores >= tuning.weak)
        self._match(picture, recent, strong)
        self._match(picture, self._free(recent, owner), weak, by_looks=False)
        self._match(picture, young, strong)
        self._match(picture, self._free(young, owner), weak, by_looks=False)
        lost = self._free([i for i, t in enumerate(self._tracks) if t.id], owner)
        self._reunite(picture, lost, begins)
        for row in np.flatnonzero(owner >= 0):
            self._saw(self._tracks[owner[row]], picture, int(row))
        known = owner >= 0
        for row in picture.free(begins):
            if not (ious(seen.found.boxes[row : row + 1], seen.found.boxes[known]) > tuning.twin).any():
                self._begin(picture, int(row))
                known[row] = True
        return np.array([o >= 0 and self._tracks[o].id > 0 for o in owner], bool)

    @staticmethod
    def _free(tracks: list[int], owner: NDArray[np.intp]) -> list[int]:
        taken = set(owner.tolist())
        return [i for i in tracks if i not in taken]

    def _match(
        self, picture: _Picture, tracks: list[int], allowed: NDArray[np.bool_], *, by_looks: bool = True
    ) -> None:
        if not tracks or not len(rows := picture.free(allowed)):
            return
        tuning = self.tuning
        boxes = np.stack([self._tracks[i].box for i in tracks])
        moved = np.array([self._tracks[i].moved for i in tracks])
        possible = self._same_kind(tracks, picture.found.classes[rows]) & (moved[:, None] | ~picture.still[rows])
        value = self._overlaps(tracks, boxes, picture.found.boxes[rows])
        if by_looks:
            alike = np.full(value.shape, _USUALLY_ALIKE, np.float32)
            if picture.looks is not None:
                known = np.array([self._tracks[i].looks is not None for i in tracks])
                alike[known] = self._alike(tracks, picture.looks[rows])[known]
            value = value - tuning.looks_weight * (1 - alike)
            possible &= value >= tuning.fits
        else:
            taller = _heights(boxes)[:, None] / np.maximum(_heights(picture.found.boxes[rows]), 1.0)
            possible &= (value >= tuning.weak_overlap) & (taller <= 1 / tuning.whole) & (taller >= tuning.whole)
        for track, row in _assigned(value, possible):
            picture.owner[rows[row]] = tracks[track]

    def _overlaps(self, tracks: list[int], boxes: Boxes, found: Boxes) -> NDArray[np.float32]:
        """IoU of the tracks' `boxes` with those `found`, both widened by the doubt about the track's place."""
        doubts = np.array([self._tracks[i].motion.doubt for i in tracks], np.float32)
        sizes, others = boxes[:, None, 2:] - boxes[:, None, :2], found[None, :, 2:] - found[None, :, :2]
        share = np.minimum(self.tuning.doubt * doubts[:, None] / sizes, self.tuning.widest)
        own, theirs = share * sizes, share * others
        low = np.maximum(boxes[:, None, :2] - own, found[None, :, :2] - theirs)
        high = np.minimum(boxes[:, None, 2:] + own, found[None, :, 2:] + theirs)
        common = np.maximum(high - low, 0).prod(axis=2)
        both = (sizes + 2 * own).prod(axis=2) + (others + 2 * theirs).prod(axis=2) - common
        return np.asarray(common / np.maximum(both, 1e-6), np.float32)

    def _reunite(self, picture: _Picture, tracks: list[int], allowed: NDArray[np.bool_]) -> None:
        found = picture.found
        if not tracks or picture.looks is None or not len(rows := picture.free(allowed)):
            return
        boxes = np.stack([self._tracks[i].box for i in tracks])
        gone_s = np.array([picture.now_s - self._tracks[i].seen_s for i in tracks])
        heights = _heights(boxes)
        apart = _feet(boxes)[:, None] - _feet(found.boxes[rows])[None]
        steps = np.hypot(apart[..., 0], apart[..., 1]) / heights[:, None]
        sizes = _heights(found.boxes[rows])[None] / heights[:, None]
        value = self._alike(tracks, picture.looks[rows])
        possible = (
            (value >= self.tuning.alike)
            & (steps <= self.tuning.reach * (0.5 + gone_s[:, None]))
            & (sizes > 0.6)
            & (sizes < 1.6)
            & self._same_kind(tracks, found.classes[rows])
        )
        for track, row in _assigned(value - 0.1 * steps, possible):
            picture.owner[rows[row]] = tracks[track]
            # What was predicted meanwhile is of no use: the object went elsewhere.
            self._tracks[tracks[track]].motion = Motion(found.boxes[rows[row]])

    def _same_kind(self, tracks: list[int], classes: NDArray[np.uint8]) -> NDArray[np.bool_]:
        kinds = _WHEELS[[self._tracks[i].class_ for i in tracks]]
        return np.asarray(kinds[:, None] == _WHEELS[classes][None])

    def _alike(self, tracks: list[int], looks: Looks) -> NDArray[np.float32]:
        rows = [self._tracks[i].looks for i in tracks]
        known = np.stack([row if row is not None else np.zeros(looks.shape[1], np.float32) for row in rows])
        return np.asarray(known @ looks.T, np.float32)

    def _saw(self, track: _Track, picture: _Picture, row: int) -> None:
        found, looks = picture.found, picture.looks
        score, since_s = float(found.scores[row]), picture.now_s - track.seen_s
        track.motion.update(found.boxes[row], score)
        # A detector's boxes jitter, and are cut where something hides the object; the filter's lag behind. Their mean
        # meets the true box most often.
        track.box = (track.motion.box + found.boxes[row]) / 2
        track.moved = track.moved or _apart(track.box, track.birthplace) > _MOVED_OF_WIDTH
        track.sure = max(track.evidence(picture.now_s), score)
        track.seen_s, track.sightings = picture.now_s, track.sightings + 1
        track.scores, track.best = track.scores + score, max(track.best, score)
        track.strong += score >= self.tuning.strong
        class_ = int(found.classes[row])
        track.votes[class_] += score
        if track.votes[class_] > track.votes[track.class_]:
            track.class_ = ObjectClass(class_)
        if track.id == 0 and self._counts(track):
            track.id, self._next_id = self._next_id, self._next_id + 1
        if looks is not None and score >= self.tuning.strong:
            share = 1 - exp(-min(since_s, _LOOKS_AT_MOST_S) / self.tuning.looks_s)
            mixed = looks[row] if track.looks is None else (1 - share) * track.looks + share * looks[row]
            track.looks = mixed / max(sqrt(float(mixed @ mixed)), 1e-6)

    def _counts(self, track: _Track) -> bool:
        tuning, age_s = self.tuning, track.seen_s - track.began_s + _ROUNDING_S
        doubtful = track.scores <= tuning.unmoved_score * track.sightings and track.best <= tuning.sure
        waits_s = tuning.unmoved_s if doubtful and not track.moved else tuning.confirm_s
        return track.strong > 1 and age_s >= waits_s

    def _begin(self, picture: _Picture, row: int) -> None:
        found, looks = picture.found, picture.looks
        score, class_ = float(found.scores[row]), ObjectClass(int(found.classes[row]))
        votes = [score if kind is class_ else 0.0 for kind in ObjectClass]
        self._tracks.append(
            _Track(
                Motion(found.boxes[row]),
                looks[row] if looks is not None else None,
                class_,
                votes,
                score,
                picture.now_s,
                picture.now_s,
                found.boxes[row],
                scores=score,
                best=score,
                box=found.boxes[row],
            )
        )

    def _forget(self, now_s: float, *, detected: bool) -> tuple[int, ...]:
        """Drop what was not seen for too long, and soon what does not count yet."""
        ended = [t.id for t in self._tracks if t.id and now_s - t.seen_s > self.tuning.lost_s]
        self._tracks = [
            t
            for t in self._tracks
            if now_s - t.seen_s <= self.tuning.lost_s
            and (t.id or not detected or now_s - t.seen_s <= t.waited_s(self.tuning) + _ROUNDING_S)
        ]
        return tuple(ended)


def _apart(box: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """How far their centres are from each other, across or down, in widths of `box`."""
    x0, y0, x1, y1 = box.tolist()
    u0, v0, u1, v1 = other.tolist()
    return float(max(abs(x0 + x1 - u0 - u1), abs(y0 + y1 - v0 - v1)) / 2 / max(x1 - x0, 1.0))


def _assigned(value: NDArray[np.float32], possible: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The pairs of the best assignment that are possible."""
    across, down = possible.sum(axis=1), possible.sum(axis=0)
    # Most have no choice: one possible partner, which has none but them. Only the others need solving.
    settled = possible & (across == 1)[:, None] & (down == 1)
    rows = np.flatnonzero((across > 0) & ~settled.any(axis=1))
    columns = np.flatnonzero((down > 0) & ~settled.any(axis=0))
    pairs = [(int(row), int(column)) for row, column in np.argwhere(settled)]
    open_ = np.where(possible, value, np.float32(-10.0))[np.ix_(rows, columns)]
    pairs += [(int(rows[row]), int(columns[column])) for row, column in assign(open_)]
    return sorted(pair for pair in pairs if possible[pair])


def _heights(boxes: Boxes) -> NDArray[np.float32]:
    return np.asarray(boxes[:, 3] - boxes[:, 1], np.float32)


def _feet(boxes: Boxes) -> Boxes:
    return np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1)
