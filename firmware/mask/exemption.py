"""People left open: by appearance, and only when in no doubt.

An operator names people by the appearance code of their clothing, or points at a person that is being tracked; never
by face. Every person in the picture is compared with those people again and again. A person that is not known
yet, or looks neither alike nor different enough, is masked; so is one that stands before or behind a masked person,
since two people that cross may be taken for each other.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from base.errors import ModelError, WireError
from firmware.capture.frame import CLOCK_90K, I420
from firmware.mask.grid import Boxes, grow
from firmware.vision.frame_detections import FrameDetections, TrackBox
from models import Models
from models.appearance import similarity
from models.detections import areas, intersections
from wire.features.packet import AppearanceCode
from wire.features.vocabulary import CodeKind, ObjectClass
from wire.selection import MOST_PEOPLE, Mode

log = logging.getLogger(__name__)

# Of finds below this score half are no people; they come and go, each size of the detector with its own. Each masks its
# own place, also where somebody who is left open passes it.
DOUBTFUL = 0.3
_EVERY_S = 0.4
_LOOKS_PER_PICTURE = 2
_LOOKS, _KEPT = 3, 8  # before a decision, and remembered
_LEAST_HEIGHT_PX = 40
# A detection that lies within a person left open by so much is another view of them.
_INSIDE, _TOUCHES = 0.65, 0.1
# Two people of whom one hides so much of the other may leave each other's tracks: both are compared again.
_CROSSES = 0.3
# Light and pose change on a walk; while no one crosses them, the tracker vouches for them as well.
_STAYS = 0.1
_ATTENDS_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExemptPerson:
    """A person's clothing on one occasion.

    Args:
        label: what the operator calls them.
        model: of the code.
        code: in hexadecimal, signed bytes.
    """

    label: str
    model: str
    code: str

    def __post_init__(self) -> None:
        if not 0 < len(self.label) <= 64 or not self.label.isprintable():
            raise ValueError("label: want 1 to 64 characters")
        try:
            _ = self.appearance
        except (WireError, ValueError) as error:
            raise ValueError(f"code: {error}") from error

    @property
    def appearance(self) -> AppearanceCode:
        """The code as it is compared."""
        data = bytes.fromhex(self.code)
        return AppearanceCode(self.model, CodeKind.INT8, len(data), data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The people that the mask leaves open.

    Args:
        mode: see there.
        people: the list that the mode speaks of.
        alike: likeness (0 to 1) from which a person is one of them.
        unlike: likeness below which they are none of them; in between they are masked.
    """

    mode: Mode = Mode.EVERYONE
    people: tuple[ExemptPerson, ...] = ()
    alike: float = 0.8
    unlike: float = 0.5

    def __post_init__(self) -> None:
        if len(self.people) > MOST_PEOPLE:
            raise ValueError(f"people: at most {MOST_PEOPLE}")
        if not 0 < self.unlike <= self.alike <= 1:
            raise ValueError("alike, unlike: want 0 < unlike <= alike <= 1")


@dataclass(slots=True)
class _Known:
    looks: deque[AppearanceCode] = field(default_factory=lambda: deque(maxlen=_KEPT))
    looked_90k: int = -(1 << 60)
    open: bool = False


class ExemptionPolicy:
    """Decides which people are open. `look` on the vision thread, the rest on any.

    Args:
        models: the networks; used on the vision thread only.
        selection: called each time.
    """

    def __init__(self, models: Models, selection: Callable[[], Selection]) -> None:
        self._models, self._selection = models, selection
        self._lock = threading.Lock()
        self._known: dict[int, _Known] = {}
        self._attends_until_s = 0.0

    def attend(self) -> None:
        """A choice is coming: compare people for the next minute even while all are masked."""
        self._attends_until_s = time.monotonic() + _ATTENDS_S

    def followed(self) -> list[int]:
        """The tracks of people that are known well enough to be chosen."""
        with self._lock:
            return sorted(track_id for track_id, known in self._known.items() if len(known.looks) >= _LOOKS)

    def look(self, i420: I420, sight: FrameDetections) -> None:
        """Compare the people that this picture shows well; raises ModelError when the network is not to be trusted."""
        with self._lock:
            for ended in sight.ended:
                self._known.pop(ended, None)
        if self._selection().mode is Mode.EVERYONE and time.monotonic() > self._attends_until_s:
            return
        people = [track for track in sight.tracks if track.class_ is ObjectClass.PERSON and track.seen]
        hidden = _hidden(people)
        self._forget([track for track, share in zip(people, hidden, strict=True) if share > _CROSSES])
        due = [t for t, share in zip(people, hidden, strict=True) if share <= _TOUCHES and self._due(t, sight.pts_90k)]
        due.sort(key=lambda track: self._known[track.id].looked_90k if track.id in self._known else -1)
        if not due:
            return
        rgb = np.asarray(cv2.cvtColor(i420, cv2.COLOR_YUV2RGB_I420), np.uint8)
        for track in due[:_LOOKS_PER_PICTURE]:
            self._take(track, rgb, sight.pts_90k)

    def open(self, track_id: int) -> bool:
        """Whether the selection leaves this followed person open as far as is known now."""
        with self._lock:
            known = self._known.get(track_id)
            return known is not None and known.open

    def person(self, track_id: int, label: str) -> ExemptPerson | None:
        """A tracked person, as the list names people; None while they are not known well enough."""
        with self._lock:
            known = self._known.get(track_id)
            looks = list(known.looks) if known is not None else []
        if len(looks) < _LOOKS:
            return None
        last = looks[-1]
        rows = np.stack([np.frombuffer(code.data, np.int8).astype(np.float32) for code in looks])
        mean = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).mean(axis=0)
        code = np.round(mean * (127 / np.abs(mean).max())).astype(np.int8)
        return ExemptPerson(label=label, model=last.model, code=code.tobytes().hex())

    def judge(self) -> None:
        """Decide again about all people: the selection has changed."""
        with self._lock:
            for track_id, known in self._known.items():
                self._decide(track_id, known)

    def _due(self, track: TrackBox, pts_90k: int) -> bool:
        known = self._known.get(track.id)
        rested = known is None or pts_90k - known.looked_90k >= _EVERY_S * CLOCK_90K
        return rested and bool(track.box[3] - track.box[1] >= _LEAST_HEIGHT_PX)

    def _forget(self, crossing: list[TrackBox]) -> None:
        with self._lock:
            for track in crossing:
                known = self._known.get(track.id)
                if known is not None:
                    known.looks.clear()
                    self._decide(track.id, known)

    def _take(self, track: TrackBox, rgb: NDArray[np.uint8], pts_90k: int) -> None:
        code = self._models.appearance.encode(rgb, track.box, track.class_)
        with self._lock:
            known = self._known.setdefault(track.id, _Known())
            known.looked_90k = pts_90k
            known.looks.append(code)
            self._decide(track.id, known)

    def _decide(self, track_id: int, known: _Known) -> None:
        selection, before = self._selection(), known.open
        known.open = _open(selection, list(known.looks), _STAYS if before else 0.0)
        if known.open != before:
            log.info("track %d is %s", track_id, "left open by the selection" if known.open else "masked again")


def _hidden(people: list[TrackBox]) -> list[float]:
    """For each person the largest part that they and another one have in common, of the smaller of the two."""
    boxes = np.array([track.box for track in people], np.float32).reshape(-1, 4)
    common = intersections(boxes, boxes)
    np.fill_diagonal(common, 0)
    size = np.maximum(areas(boxes), 1.0)
    return [float(value) for value in (common / np.minimum(size[:, None], size)).max(axis=1, initial=0.0)]


def _open(selection: Selection, looks: list[AppearanceCode], slack: float) -> bool:
    if selection.mode is Mode.EVERYONE or len(looks) < _LOOKS:
        return False
    try:
        likeness = [
            float(np.median([similarity(person.appearance, look) for look in looks])) for person in selection.people
        ]
    except ModelError:
        # A code of another network cannot be compared: no one is known to be one of them, or to be none.
        return False
    if selection.mode is Mode.EXCEPT:
        return any(value >= selection.alike - slack for value in likeness)
    return bool(likeness) and all(value < selection.unlike + slack for value in likeness)


def left_open(sight: FrameDetections, is_open: Callable[[int], bool]) -> dict[int, Boxes]:
    """The people of a picture that may be left open: track id → box (1, 4)."""
    people = [track for track in sight.tracks if track.class_ is ObjectClass.PERSON]
    chosen = {track.id: track.box.reshape(1, 4) for track in people if track.seen and is_open(track.id)}
    if not chosen:
        return {}
    weak = sight.weak
    found = weak.boxes[(weak.classes == ObjectClass.PERSON) & (weak.scores >= DOUBTFUL)]
    while True:
        masked = [track.box for track in people if track.id not in chosen]
        masked += [box for box in found if not any(inside(box, own) for own in chosen.values())]
        others = np.array(masked, np.float32).reshape(-1, 4)
        clear = {id_: box for id_, box in chosen.items() if not intersections(grow(box, 0.05), others).any()}
        if len(clear) == len(chosen):
            return clear
        chosen = clear  # a person that is masked now may stand before another


def inside(box: NDArray[np.float32], own: Boxes) -> bool:
    """Whether a box is another view of the person in `own`, (1, 4)."""
    row = box.reshape(1, 4)
    return float(intersections(row, grow(own, 0.1))[0, 0]) >= _INSIDE * max(float(areas(row)[0]), 1.0)
