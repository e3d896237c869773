"""Rendered people and scenes: where they say that people are, people are drawn."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from bench.rendered import Scene, Visit, schedule
from bench.rendered_look import Look, Weather, backdrop
from bench.rendered_people import FOLDER, TALL_M, patch, sprites, walks

CLEAN = Look(noise=0, shadow=0)
CLASSES = {
    "standing_front",
    "standing_side",
    "standing_back",
    "walking",
    "sitting",
    "kneeling",
    "crouching",
    "lying_along",
    "lying_across",
    "umbrella",
    "child",
    "bicycle",
    "wheelchair",
}


def standing(x=0.5, *, tall=0.5, y=0.9, name="front_1", seconds=100.0, **more):
    return Visit(0.0, x, y, tall, ((name, seconds),), **more)


def bgr(i420):
    return cv2.cvtColor(i420, cv2.COLOR_YUV2BGR_I420)


def changed(scene, t_s):
    """Bounds of what differs from the scene before anybody came."""
    i420, people = scene.picture(t_s, 0)
    differs = np.abs(bgr(i420).astype(int) - bgr(scene.picture(-1.0, 0)[0])).max(axis=2) > 12
    rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]), people


def test_every_class_is_there_and_every_head_lies_on_its_person():
    people = sprites().values()
    assert {s.of for s in people} == CLASSES
    for sprite in people:
        height, width = sprite.bgra.shape[:2]
        assert sprite.bgra.shape[2] == 4
        assert 300 <= max(height, width) <= 420
        assert 0.15 < (sprite.bgra[..., 3] > 127).mean() < 0.95
        head, person = sprite.head, sprite.person
        assert (head[:2] >= person[:2] - 0.01).all()
        assert (head[2:] <= person[2:] + 0.01).all()
        x0, y0, x1, y1 = (head * np.array([width, height] * 2)).round().astype(int)
        assert (sprite.bgra[y0:y1, x0:x1, 3] > 127).mean() > 0.4
    assert all(len(steps) == 4 for steps in walks().values())
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 2_000_000


@pytest.mark.parametrize("name", ["front_1", "lie_across_2", "sit_2", "back_1"])
@pytest.mark.parametrize("mirror", [False, True])
def test_a_patch_covers_what_the_sprite_shows(name, mirror):
    sprite = sprites()[name]
    made = patch(sprite, 120, mirror=mirror, tone=Weather(CLEAN, 16, 16, 0).tone(0.3), shadow=0)
    rows, columns = np.flatnonzero(made.cover.any(axis=1)), np.flatnonzero(made.cover.any(axis=0))
    assert made.height == 120
    assert (rows[0], rows[-1] + 1) == pytest.approx((0, 120), abs=2)
    assert (columns[0] - made.left, columns[-1] + 1 - made.left) == pytest.approx((0, made.width), abs=2)


def test_the_box_is_where_the_person_is_drawn_and_as_tall_as_they_are():
    scene = Scene(640, 368, (standing(0.3),), CLEAN, seed=3)
    bounds, (person,) = changed(scene, 0.0)
    assert bounds == pytest.approx(person.box, abs=4)
    assert person.box[3] - person.box[1] == pytest.approx(0.5 * 368 * sprites()["front_1"].height_m / TALL_M, abs=1.5)
    assert person.box[3] == pytest.approx(0.9 * 368, abs=1)
    assert (person.box[0] + person.box[2]) / 2 == pytest.approx(0.3 * 640, abs=4)
    assert person.head[1] == pytest.approx(person.box[1], abs=2)
    assert person.head[3] < person.box[1] + 0.25 * (person.box[3] - person.box[1])


def test_the_same_arguments_give_the_same_pictures_and_another_seed_does_not():
    def pictures(seed):
        visits = schedule(5, 60.0, at_once=2)
        scene = Scene(320, 240, visits, Look(noise=4, rain=0.5, sway_px=2), seed)
        return [i420 for i420, _, _ in scene.play(Fraction(2), 3, start_s=20)]

    first, again, other = pictures(1), pictures(1), pictures(2)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))
    assert (first[0] != first[1]).any()


@pytest.mark.parametrize("rate", [Fraction(2), Fraction(10), Fraction(15), Fraction(30_000, 1001)])
def test_media_time_follows_the_rate(rate):
    times = [pts for _, pts, _ in Scene(64, 48, ()).play(rate, 3)]
    assert len(times) == int(3 * rate)
    assert times == [round(n * 90_000 / rate) for n in range(len(times))]


@pytest.mark.parametrize(("width", "height"), [(320, 240), (1280, 720), (3840, 2160)])
def test_any_size_is_laid_out_as_i420(width, height):
    ground = np.full((height, width, 3), 120, np.uint8)
    i420, people = Scene(width, height, (standing(tall=0.3),), CLEAN, background=ground).picture(1.0, 0)
    assert i420.shape == (height * 3 // 2, width)
    assert i420.dtype == np.uint8
    tall = 0.3 * height * sprites()["front_1"].height_m / TALL_M
    assert people[0].box[3] - people[0].box[1] == pytest.approx(tall, abs=1.5)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_person_walks_in_stays_and_walks_out_again(side):
    scene = Scene(640, 368, (standing(seconds=30.0, comes=side, goes=side),), CLEAN)
    seen = [(t, people[0]) for t in np.arange(0.1, 80, 0.5) if (people := scene.picture(t, 0)[1])]
    x = np.array([(p.box[0] + p.box[2]) / 2 for _, p in seen])
    stays = np.array([not p.moving for _, p in seen])
    assert stays.sum() == pytest.approx(60, abs=2)
    assert np.ptp(x[stays]) < 0.02 * 368
    towards = 1 if side == "left" else -1
    first, last = np.flatnonzero(stays)[[0, -1]]
    assert (np.diff(x[:first]) * towards > 0).all()
    assert (np.diff(x[last + 2 :]) * towards < 0).all()
    assert seen[0][1].head_seen < 0.9
    assert seen[0][1].since_s < 1
    assert np.diff([p.since_s for _, p in seen]) == pytest.approx(0.5)
    assert {p.id for _, p in seen} == {0}
    # They look where they go: the face is ahead of the middle of the head's box while the sprite is a side view.
    walking = Scene(640, 368, (standing(comes="left"),), CLEAN).picture(1.5, 0)[1][0]
    mirrored = Scene(640, 368, (standing(comes="right"),), CLEAN).picture(1.5, 0)[1][0]
    assert (walking.head[0] - walking.box[0]) == pytest.approx(mirrored.box[2] - mirrored.head[2], abs=1.5)


def test_a_person_comes_near_and_leaves_again():
    scene = Scene(640, 368, (standing(seconds=5.0, comes="far", goes="far"),), CLEAN)
    seen = [people[0] for t in np.arange(0, 40, 0.5) if (people := scene.picture(t, 0)[1])]
    heights = np.array([p.box[3] - p.box[1] for p in seen])
    assert heights[0] == pytest.approx(heights.max() / 3, rel=0.1)
    assert heights[-1] < heights.max() / 2.5
    stays = [i for i, p in enumerate(seen) if not p.moving]
    assert (np.diff(heights[: stays[0]]) > -0.03 * heights.max()).all()
    assert seen[0].box[3] < seen[stays[0]].box[3]


def test_sway_moves_boxes_with_the_picture():
    def cut(scene, t_s):
        i420, (person,) = scene.picture(t_s, 0)
        x, y = person.box[:2].round().astype(int)
        return i420[y - 16 : y + 220, x - 16 : x + 100].astype(np.float32), person.box

    ground = np.full((368, 640, 3), 120, np.uint8)
    swaying, calm = (
        Scene(640, 368, (standing(),), look, background=ground) for look in (Look(noise=0, shadow=0, sway_px=5), CLEAN)
    )
    offsets = []
    for t_s in (0.0, 0.4, 0.9, 1.3):
        (moved, box), (still, place) = cut(swaying, t_s), cut(calm, t_s)
        assert box[2:] - place[2:] == pytest.approx(box[:2] - place[:2])
        offsets.append(box[:2] - place[:2])
        shift, _ = cv2.phaseCorrelate(still, moved)
        assert np.hypot(*shift) < 1.2
    assert np.abs(offsets).max() <= 5
    assert np.ptp(offsets, axis=0).min() > 1


def test_a_head_behind_a_nearer_person_or_outside_the_picture_is_not_seen():
    behind, before = standing(tall=0.4, y=0.7), standing(tall=0.7, y=1.0, name="back_1")
    people = {p.id: p for p in Scene(640, 368, (before, behind), CLEAN).picture(0.0, 0)[1]}
    assert people[1].head_seen < 0.2
    assert people[0].head_seen == pytest.approx(1)
    aside = Scene(640, 368, (behind, standing(0.1, tall=0.7, y=1.0)), CLEAN).picture(0.0, 0)[1]
    assert [p.head_seen for p in aside] == pytest.approx([1, 1])
    cut = Scene(640, 368, (standing(tall=1.3, y=1.0),), CLEAN).picture(0.0, 0)[1]
    assert cut[0].head_seen < 0.5


def test_infra_red_is_grey_and_fog_takes_contrast():
    def contrast(look):
        scene = Scene(640, 368, (standing(tall=0.4, y=0.7),), look, seed=4)
        i420, (person,) = scene.picture(0.0, 0)
        x0, y0, x1, y1 = person.box.round().astype(int)
        return i420, float(i420[y0:y1, x0:x1].std())

    day, night, fog = (contrast(look) for look in (Look(noise=0), Look(noise=0, infra_red=True), Look(noise=0, fog=1)))
    assert (night[0][368:] == 128).all()
    assert (day[0][368:] != 128).any()
    assert night[1] < day[1]
    assert fog[1] < 0.5 * day[1]


@pytest.mark.parametrize("look", [Look(rain=1), Look(snow=1), Look(glare=1), Look(blur_px=3), Look(noise=14)])
def test_weather_changes_the_picture_but_not_where_people_are(look):
    plain, changed_ = (Scene(320, 240, (standing(),), look=each, seed=1).picture(1.0, 7) for each in (CLEAN, look))
    assert np.abs(plain[0].astype(int) - changed_[0]).mean() > 0.5
    assert (plain[1][0].box == changed_[1][0].box).all()


def test_a_schedule_fills_a_day_with_people_that_stand_for_minutes():
    day_s = 86_400.0
    visits = schedule(3, day_s, at_once=3)
    scene = Scene(320, 240, visits, CLEAN)
    counts = [len(scene.picture(t, 0)[1]) for t in np.linspace(60, day_s - 60, 30)]
    assert 1.5 < np.mean(counts) <= 3
    assert max(seconds for v in visits for _, seconds in v.stays) > 240
    assert visits == schedule(3, day_s, at_once=3)


def test_backdrops_differ_by_seed_and_kind():
    drawn = [backdrop(320, 240, seed, kind) for seed in (1, 2) for kind in ("street", "room")]
    assert all((a != b).any() for i, a in enumerate(drawn) for b in drawn[:i])
    assert (backdrop(320, 240, 1) == drawn[0]).all()
