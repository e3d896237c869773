"""Rendered scenes: people come, stay and go before a fixed background, at any rate and size, in any weather.

    scene = Scene(640, 360, visits, Look(infra_red=True), seed=1)
    for i420, pts_90k, people in scene.play(rate=Fraction(10), duration_s=60): ...

The same arguments give the same pictures. `Scene.picture` gives any moment by itself, for a day in accelerated time.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from bench.rendered_look import Look, Weather, backdrop
from bench.rendered_people import TALL_M, Sprite, mirrored_box, patch, sprites, walks

CLOCK_90K = 90_000
WALKS_ACROSS = ("walk_side", "walk_across")
_WALK_NEAR, _WALK_OFF = "walk_near", "walk_off"
_WALK_M_S = 1.3
_STEPS_HZ = 3.4
_FAR = 3.0
_HORIZON, _FIELD = 0.36, 0.9
_FIDGET_M = 0.012
_PATCHES = 64
_STANDING = ("standing_front", "standing_side", "standing_back", "umbrella", "child")
_LOW = ("sitting", "kneeling", "crouching", "lying_along", "lying_across", "wheelchair")


@dataclass(frozen=True)
class Visit:
    """One person in the scene.

    Args:
        x, y: where they stay: the middle of their feet as shares of the picture.
        tall: how tall a person of 1.7 m is there, as a share of the picture's height.
        stays: what they do there: names of sprites and seconds, one after the other.
        comes, goes: "left" or "right" to walk in and out across that edge, "far" to come nearer from thrice as far away
            (from small to large) or to leave thither, "" to appear or vanish at once.
        walk: the walk by which they come and go across an edge.
    """

    arrives_s: float
    x: float
    y: float
    tall: float
    stays: tuple[tuple[str, float], ...]
    comes: str = ""
    goes: str = ""
    walk: str = WALKS_ACROSS[0]


@dataclass(frozen=True)
class Shown:
    """A person in a picture; boxes are x0 y0 x1 y1 in picture elements, not clipped to the picture.

    `since_s`: how long ago the first of them came into the picture; `head_seen`: the share of the head's box that is in
    the picture and not behind others.
    """

    id: int
    of: str
    box: np.ndarray
    head: np.ndarray
    since_s: float
    head_seen: float
    moving: bool


class _Wanted(NamedTuple):
    """What tells patches apart."""

    name: str
    height: int
    mirror: bool
    tenths_far: int
    tenths_aside: int
    smear: int


@dataclass
class _Act:
    """What a person does at a moment."""

    sprite: Sprite
    x: float
    since_s: float
    mirror: bool = False
    moving: bool = False
    speed_px_s: float = 0.0
    # How much smaller they are than at their place, because they are further away.
    nearness: float = 1.0


@dataclass
class Scene:
    """`background` is BGR of the scene's size, or None for a drawn one."""

    width: int
    height: int
    visits: tuple[Visit, ...]
    look: Look = field(default_factory=Look)
    seed: int = 0
    background: np.ndarray | None = None
    kind: str = "street"

    def __post_init__(self) -> None:
        self._weather = Weather(self.look, self.width, self.height, self.seed)
        self._margin = int(np.ceil(self.look.sway_px)) + 1 if self.look.sway_px else 0
        wide, tall = self.width + 2 * self._margin, self.height + 2 * self._margin
        drawn = (
            backdrop(wide, tall, self.seed, self.kind)
            if self.background is None
            else cv2.copyMakeBorder(self.background, *[self._margin] * 4, cv2.BORDER_REPLICATE)
        )
        self._empty = self._weather.place(drawn)
        self._cached = lru_cache(maxsize=_PATCHES)(self._patch)
        self._spans = [self._span(visit) for visit in self.visits]

    def play(
        self, rate: Fraction, duration_s: float, start_s: float = 0.0
    ) -> Iterator[tuple[np.ndarray, int, list[Shown]]]:
        """Yield (I420, pts_90k from 0 on, people) of each picture of `duration_s` from `start_s` on."""
        for number in range(int(duration_s * rate)):
            i420, people = self.picture(start_s + float(number / rate), number)
            yield i420, round(number * CLOCK_90K / rate), people

    def picture(self, t_s: float, number: int) -> tuple[np.ndarray, list[Shown]]:
        """The picture at `t_s`; `number` chooses the sensor's noise."""
        canvas = self._empty.copy()
        shown: list[Shown] = []
        present = [
            (i, self._act(visit, t_s, began))
            for i, (visit, (began, ended)) in enumerate(zip(self.visits, self._spans, strict=True))
            if began <= t_s < ended
        ]
        # A person who stands lower in the picture is nearer, and hides the others.
        for i, act in sorted(present, key=lambda p: _foot(self.visits[p[0]], p[1])):
            made, x, y = self._paste(canvas, self.visits[i], act)
            shown = [_hidden(other, made, x, y) for other in shown]
            person = _truth(i, act, made, x + made.left, y)
            if person.box[2] > 0 and person.box[0] < self.width:
                shown.append(person)
        canvas, shown = self._framed(canvas, shown, t_s)
        return self._weather.finish(canvas, t_s, number), shown

    def empty(self) -> np.ndarray:
        """The scene without people, BGR, without rain, noise or sway."""
        m = self._margin
        return self._empty[m : m + self.height, m : m + self.width].copy()

    def _speed_px_s(self, visit):
        return _WALK_M_S * visit.tall * self.height / TALL_M

    def _way_s(self, visit, side):
        """Seconds of the way from outside the picture to the place."""
        if not side:
            return 0.0
        if side == "far":
            return (_FAR - 1) * _distance_m(visit) / _WALK_M_S
        outside = max(_half_width(step) for step in walks()[visit.walk]) * visit.tall * self.height / TALL_M
        return ((visit.x if side == "left" else 1 - visit.x) * self.width + outside) / self._speed_px_s(visit)

    def _span(self, visit):
        stay_s = sum(seconds for _, seconds in visit.stays)
        began = visit.arrives_s
        return began, began + self._way_s(visit, visit.comes) + stay_s + self._way_s(visit, visit.goes)

    def _act(self, visit, t_s, began):
        since, middle = t_s - began, visit.x * self.width
        coming_s, speed = self._way_s(visit, visit.comes), self._speed_px_s(visit)
        if since < coming_s:
            if visit.comes == "far":
                return self._depth(visit, _WALK_NEAR, coming_s - since, since)
            to_left = visit.comes == "right"
            away = (coming_s - since) * speed
            return self._step(visit, middle + (away if to_left else -away), to_left, speed, since)
        left_s = since - coming_s
        for name, seconds in visit.stays:
            if left_s < seconds:
                sprite = sprites()[name]
                fidget = _FIDGET_M / TALL_M * visit.tall * self.height * np.sin(2 * np.pi * 0.17 * since + visit.x * 40)
                return _Act(sprite, middle + fidget, since)
            left_s -= seconds
        if visit.goes == "far":
            return self._depth(visit, _WALK_OFF, left_s, since)
        to_left = visit.goes == "left"
        away = left_s * speed
        return self._step(visit, middle + (-away if to_left else away), to_left, speed, since)

    def _step(self, visit, x, to_left, speed, since):
        sprite = _stride(visit.walk, since)
        return _Act(sprite, x, since, sprite.faces_left() != to_left, moving=True, speed_px_s=speed)

    def _depth(self, visit, walk, away_s, since):
        near = _distance_m(visit)
        # In steps of a twenty-fifth, so that the same patches serve again.
        nearness = 1.04 ** round(np.log(near / (near + away_s * _WALK_M_S)) / np.log(1.04))
        return _Act(_stride(walk, since), visit.x * self.width, since, moving=True, nearness=nearness)

    def _patch(self, wanted: _Wanted):
        tone = self._weather.tone(wanted.tenths_far / 10, wanted.tenths_aside / 10)
        shadow = self.look.shadow * (1 - self.look.fog) * (0.4 if self.look.infra_red else 1)
        return patch(
            sprites()[wanted.name], wanted.height, mirror=wanted.mirror, tone=tone, shadow=shadow, smear=wanted.smear
        )

    def _paste(self, canvas, visit, act):
        """Lay a person over `canvas`; the patch and where in the picture it begins."""
        height = round(visit.tall * act.nearness * self.height * act.sprite.height_m / TALL_M)
        foot = _foot(visit, act)
        far = np.clip(1.15 - foot, 0.15, 1)
        aside = np.clip(abs(act.x / self.width * 2 - 1), 0, 1) if self.look.infra_red else 0.0
        smear = max(round(act.speed_px_s * self.look.shutter_s), 1) | 1
        made = self._cached(_Wanted(act.sprite.name, height, act.mirror, round(far * 10), round(aside * 10), smear))
        # The middle of the person, not of their bicycle or umbrella, is at x; the sprite's last row is at y.
        person = mirrored_box(act.sprite.person) if act.mirror else act.sprite.person
        x = round(act.x - (person[0] + person[2]) / 2 * made.width) - made.left
        y = round(foot * self.height) - made.height
        rows, columns = made.cover.shape
        x0, y0 = x + self._margin, y + self._margin
        cx0, cy0 = max(x0, 0), max(y0, 0)
        cx1, cy1 = min(x0 + columns, canvas.shape[1]), min(y0 + rows, canvas.shape[0])
        if cx0 < cx1 and cy0 < cy1:
            part = np.s_[cy0 - y0 : cy1 - y0, cx0 - x0 : cx1 - x0]
            ground = canvas[cy0:cy1, cx0:cx1]
            cv2.multiply(ground, made.remains[part], dst=ground, scale=1 / 255)
            cv2.add(ground, made.colour[part], dst=ground)
        return made, x, y

    def _framed(self, canvas, shown, t_s):
        dx, dy = self._weather.sway(t_s)
        if self._margin:
            matrix = np.array([[1, 0, dx - self._margin], [0, 1, dy - self._margin]], np.float64)
            canvas = cv2.warpAffine(canvas, matrix, (self.width, self.height))
        offset = np.array([dx, dy, dx, dy])
        return canvas, [self._seen(person, offset) for person in shown]

    def _seen(self, person, offset):
        head = person.head + offset
        inside = np.clip(head, 0, (self.width, self.height) * 2)
        share = float(_area(inside) / max(_area(head), 1e-6))
        return replace(person, box=person.box + offset, head=head, head_seen=person.head_seen * share)


def _foot(visit, act):
    """Where the feet are, as a share of the picture's height; further away they are nearer to the horizon."""
    horizon = min(_HORIZON, visit.y)
    return horizon + (visit.y - horizon) * act.nearness


def _distance_m(visit):
    """From the camera to the place, for a lens that sees about as much as it is far away."""
    return TALL_M / (_FIELD * visit.tall)


def _stride(walk, since):
    steps = walks()[walk]
    return steps[int(since * _STEPS_HZ) % len(steps)]


def _half_width(sprite):
    """Of the person, in metres."""
    return sprite.height_m * sprite.bgra.shape[1] / sprite.bgra.shape[0] * (sprite.person[2] - sprite.person[0]) / 2


def _area(box):
    return max(box[2] - box[0], 0) * max(box[3] - box[1], 0)


def _truth(number, act, made, x, y):
    """Where the person is whose sprite begins at x, y."""
    size, corner = np.array([made.width, made.height] * 2), np.array([x, y] * 2)
    boxes = act.sprite.person, act.sprite.head
    person, head = (corner + size * (mirrored_box(box) if act.mirror else box) for box in boxes)
    return Shown(number, act.sprite.of, person, head, act.since_s, 1.0, act.moving)


def _hidden(person, made, x, y):
    """`person` behind a nearer person, whose patch begins at x, y."""
    x0, y0, x1, y1 = (round(float(side)) for side in person.head)
    part = made.cover[max(y0 - y, 0) : max(y1 - y, 0), max(x0 - x, 0) : max(x1 - x, 0)]
    covered = float(part.sum()) / max((x1 - x0) * (y1 - y0), 1)
    return replace(person, head_seen=person.head_seen * (1 - min(covered, 1)))


def schedule(
    seed: int,
    duration_s: float,
    at_once: int = 3,
    tall: tuple[float, float] = (0.18, 0.6),
    stay_s: tuple[float, float] = (20.0, 600.0),
) -> tuple[Visit, ...]:
    """People over `duration_s`, about `at_once` at a time: they walk in (one in six is suddenly there), stand, perhaps
    sit, kneel or lie down, and walk out. Nearer people are larger and stand lower.
    """
    rng = np.random.default_rng((seed, 4))
    by_class: dict[str, list[str]] = {}
    for name, sprite in sprites().items():
        by_class.setdefault(sprite.of, []).append(name)

    def one(classes):
        names = by_class[str(rng.choice([c for c in classes if c in by_class]))]
        return str(rng.choice(names))

    visits = []
    for lane in range(at_once):
        t_s = float(rng.uniform(0, 20)) + lane
        while t_s < duration_s:
            share = float(rng.uniform())
            size = tall[0] + (tall[1] - tall[0]) * share
            total = float(np.exp(rng.uniform(*np.log(stay_s))))
            stays = [(one(_STANDING), total)]
            if rng.uniform() < 0.5:
                stays = [(one(_STANDING), total / 4), (one(_LOW), total / 2), (one(_STANDING), total / 4)]
            sudden = rng.uniform() < 1 / 6
            comes, goes = ("", "") if sudden else (str(rng.choice(["left", "right", "far"])) for _ in range(2))
            y = min(0.45 + 0.6 * size + float(rng.uniform(0, 0.1)), 1.05)
            visits.append(
                Visit(
                    t_s, float(rng.uniform(0.1, 0.9)), y, size, tuple(stays), comes, goes, str(rng.choice(WALKS_ACROSS))
                )
            )
            t_s += total + float(rng.uniform(5, 60))
    return tuple(visits)
